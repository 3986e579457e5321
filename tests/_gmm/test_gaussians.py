import numpy as np
import ot
import pytest
import torch

from skwot._gmm.gaussians import (
    are_positive_definite,
    bures_lower_bounds,
    geodesic,
    matrix_roots,
    pair_eigensystems,
    raise_spectrum,
    spectral_roots,
    squared_bures,
    transport_maps,
)
from tests.generators.gaussians import random_covariances


def distances(a, b):
    roots = matrix_roots(b)
    values, vectors = pair_eigensystems(a, roots)
    maps = transport_maps(roots, values, vectors)
    traces = np.trace(a, axis1=1, axis2=2) + np.trace(b, axis1=1, axis2=2)
    return squared_bures(a, maps, traces, values)


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    a, b = (random_covariances(rng, 30, 4) for _ in range(2))
    return a, b, matrix_roots(b)


def test_squared_bures_agrees_with_pot(pairs):
    a, b, _ = pairs
    zeros = np.zeros((len(a), 4))
    expected = ot.gaussian.bures_wasserstein_distance(zeros, zeros, a, b, paired=True)
    np.testing.assert_allclose(distances(a, b), expected**2, rtol=1e-10)


def test_map_carries_one_covariance_to_the_other(pairs):
    a, b, roots = pairs
    maps = transport_maps(roots, *pair_eigensystems(a, roots))
    np.testing.assert_allclose(maps @ a @ maps, b, atol=1e-11)
    np.testing.assert_allclose(maps, maps.mT, atol=1e-13)
    assert np.linalg.eigvalsh(maps).min() > 0


def test_map_from_a_singular_covariance_is_finite_and_reaches_its_range():
    flat = np.array([[[1.0, 0.0], [0.0, 0.0]]])
    round_ = 4 * np.eye(2)[None]
    roots = matrix_roots(round_)
    maps = transport_maps(roots, *pair_eigensystems(flat, roots))
    np.testing.assert_allclose(maps, 2 * flat, atol=1e-14)


def test_lower_bounds_hold_and_are_tight_for_commuting_covariances(pairs):
    a, b, _ = pairs
    bounds = np.diagonal(bures_lower_bounds(spectral_roots(a), spectral_roots(b)))
    exact = distances(a, b)
    assert (bounds <= exact + 1e-12).all()
    square = a @ a  # commutes with a, and orders its eigenvalues alike
    bounds = np.diagonal(bures_lower_bounds(spectral_roots(a), spectral_roots(square)))
    np.testing.assert_allclose(bounds, distances(a, square), rtol=1e-9)


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
def test_geodesic_has_constant_speed(pairs, t):
    a, b, roots = pairs
    maps = transport_maps(roots, *pair_eigensystems(a, roots))
    middle = geodesic(a, b, maps, t)
    whole = distances(a, b)
    part = distances(a, middle)
    np.testing.assert_allclose(part, t**2 * whole, atol=1e-12)


def test_geodesic_ends_exactly(pairs):
    a, b, roots = pairs
    maps = transport_maps(roots, *pair_eigensystems(a, roots))
    np.testing.assert_array_equal(geodesic(a, b, maps, 0.0), a)
    np.testing.assert_array_equal(geodesic(a, b, maps, 1.0), b)


def test_raise_spectrum_is_the_nearest_matrix_above_the_floor(pairs):
    a = pairs[0] - 0.2 * np.eye(4)
    raised = raise_spectrum(a, 0.05)
    expected = ot.utils.proj_SDP(a, vmin=0.05)
    np.testing.assert_allclose(raised, expected, atol=1e-13)
    assert raise_spectrum(pairs[0], 1e-3) is pairs[0]


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_one_matrix_of_a_stack_decides_about_definiteness(pairs, kind):
    a = pairs[0].copy()
    least = np.linalg.eigvalsh(a).min()
    assert are_positive_definite(kind(a - 0.99 * least * np.eye(4)))
    assert not are_positive_definite(kind(a - 1.01 * least * np.eye(4)))


@pytest.mark.parametrize("step", [1e-2, 1e-5, 1e-10])
def test_distances_of_close_covariances_keep_their_digits(pairs, step):
    a = pairs[0]
    moved = (1 + step) ** 2 * a
    expected = step**2 * np.trace(a, axis1=1, axis2=2)
    # Rounding the covariances leaves four digits of the smallest step, squared.
    np.testing.assert_allclose(distances(a, moved), expected, rtol=1e-4)
