import numpy as np
import pytest
import torch

from skwot._gmm.arrays import device_of, to_numpy
from skwot._gmm.mixtures import Mixture, extreme_unit, in_unit, prepare_target
from tests.generators.gaussians import random_mixture


@pytest.fixture
def mixture():
    return random_mixture(np.random.default_rng(0), 6, 3)


@pytest.mark.parametrize("device", [None, torch.device("cpu")])
def test_what_is_prepared_belongs_to_the_covariances(mixture, device):
    target = prepare_target(mixture, device)
    for array in (*target[1:4], *target[6:]):
        assert device_of(array) == device
    factors = to_numpy(target.factors)
    spectra, traces = to_numpy(target.spectra), to_numpy(target.traces)
    np.testing.assert_allclose(factors @ factors.mT, mixture.covariances, atol=1e-14)
    assert not target.singular.any()
    variances = np.einsum("nkk->k", mixture.covariances)[target.order]
    assert (np.diff(variances) <= 0).all()
    assert set(target.order) == {0, 1, 2}
    eigenvalues = np.linalg.eigvalsh(mixture.covariances)
    np.testing.assert_allclose(spectra**2, eigenvalues, rtol=1e-12)
    np.testing.assert_allclose(traces, eigenvalues.sum(axis=1))


def test_weights_are_normalised(mixture):
    target = prepare_target(mixture._replace(weights=3 * mixture.weights))
    np.testing.assert_allclose(target.weights, mixture.weights)


def test_diagonals_are_prepared_as_the_matrices_that_they_stand_for(mixture):
    diagonals = np.einsum("nkk->nk", mixture.covariances)
    thin = prepare_target(mixture._replace(covariances=diagonals))
    matrices = diagonals[:, :, None] * np.eye(3)
    full = prepare_target(mixture._replace(covariances=matrices))
    np.testing.assert_allclose(full.factors.sum(axis=2), thin.factors)
    np.testing.assert_allclose(full.spectra, np.sort(thin.spectra, axis=1))
    np.testing.assert_allclose(full.traces, thin.traces)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("size", [1e-140, 3e-60, 7e60, 1e140])
def test_extreme_sizes_become_of_order_one(size, wide):
    # Either the means or the deviations are the larger ones.
    large, small = (1e-9 * size, size) if wide else (size, 1e-9 * size)
    mixture = Mixture(
        np.ones(1), np.array([[-large, 0.0]]), np.array([np.diag([small**2, 0])])
    )
    for pair in ((mixture,), (mixture, in_unit(mixture, 1e9))):
        unit = extreme_unit(*pair)
        assert np.frexp(unit)[0] == 0.5
        weights, means, covariances = in_unit(mixture, unit)
        assert 0.5 <= max(abs(means).max(), np.sqrt(covariances.max())) < 1 + 1e-15
        np.testing.assert_array_equal(means * unit, mixture.means)
        np.testing.assert_array_equal(covariances * unit * unit, mixture.covariances)
        np.testing.assert_array_equal(weights, mixture.weights)


@pytest.mark.parametrize("size", [0.0, 1e-49, 1.0, 1e49])
def test_usual_sizes_keep_their_unit(mixture, size):
    scaled = (
        in_unit(mixture, 1 / size)
        if size
        else Mixture(np.ones(1), *[np.zeros((1,) * n) for n in (2, 3)])
    )
    assert extreme_unit(scaled) == 1.0
    assert in_unit(scaled, 1.0) is scaled


@pytest.mark.parametrize("device", [None, torch.device("cpu")])
def test_singular_covariances_are_found(mixture, device):
    covariances = mixture.covariances.copy()
    covariances[2] = np.outer([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    covariances[4, 1] = covariances[4, :, 1] = 0
    full = prepare_target(mixture._replace(covariances=covariances), device)
    np.testing.assert_array_equal(np.flatnonzero(full.singular), [2, 4])
    diagonals = np.einsum("nkk->nk", covariances)
    thin = prepare_target(mixture._replace(covariances=diagonals), device)
    np.testing.assert_array_equal(np.flatnonzero(thin.singular), [4])
