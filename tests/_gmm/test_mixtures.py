import numpy as np
import pytest
import torch

from skwot._gmm.arrays import to_numpy
from skwot._gmm.mixtures import prepare_target
from tests.generators.gaussians import random_mixture


@pytest.fixture
def mixture():
    return random_mixture(np.random.default_rng(0), 6, 3)


@pytest.mark.parametrize("device", [None, torch.device("cpu")])
def test_what_is_prepared_belongs_to_the_covariances(mixture, device):
    target = prepare_target(mixture, device)
    factors = to_numpy(target.factors)
    spectra, traces = to_numpy(target.spectra), to_numpy(target.traces)
    np.testing.assert_allclose(factors @ factors.mT, mixture.covariances, atol=1e-14)
    assert not target.singular.any()
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
