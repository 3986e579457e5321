import mpmath
import numpy as np
import ot
import pytest
import torch

from skwot._gmm.gaussians import (
    bures_lower_bounds,
    factorise,
    falling_variance,
    geodesic,
    solve_pairs,
    spectral_roots,
    which_are_positive_definite,
)
from tests.generators.gaussians import random_covariances


def solve(a, b):
    order = falling_variance(b)
    (factors, singular), (others, flat) = factorise(a, order), factorise(b, order)
    return solve_pairs(factors, others, singular | flat)


def distances(a, b):
    return solve(a, b).squares


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    return tuple(random_covariances(rng, 30, 4) for _ in range(2))


def test_squared_bures_agrees_with_pot(pairs):
    a, b = pairs
    zeros = np.zeros((len(a), 4))
    expected = ot.gaussian.bures_wasserstein_distance(zeros, zeros, a, b, paired=True)
    np.testing.assert_allclose(distances(a, b), expected**2, rtol=1e-10)


def test_map_carries_one_covariance_to_the_other(pairs):
    a, b = pairs
    maps = solve(a, b).maps
    np.testing.assert_allclose(maps @ a @ maps, b, atol=1e-11)
    np.testing.assert_allclose(maps, maps.mT, atol=1e-13)
    assert np.linalg.eigvalsh(maps).min() > 0


def test_map_from_a_singular_covariance_is_finite_and_reaches_its_range():
    flat = np.array([[[1.0, 0.0], [0.0, 0.0]]])
    round_ = 4 * np.eye(2)[None]
    np.testing.assert_allclose(solve(flat, round_).maps, 2 * flat, atol=1e-14)
    np.testing.assert_allclose(solve(round_, flat).maps, flat / 2, atol=1e-14)
    points = np.zeros((1, 2, 2))
    np.testing.assert_array_equal(solve(flat, points).maps, 0)
    np.testing.assert_allclose(distances(flat, points), 1)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
@pytest.mark.parametrize("d", [2, 3, 5])
def test_directions_without_variance_are_mapped_to_zero(d, kind):
    units = np.random.default_rng(d).normal(size=(20, d))
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    flat = kind(units[:, :, None] * units[:, None, :])
    round_ = kind(np.broadcast_to(4 * np.eye(d), flat.shape).copy())
    there, back = solve(flat, round_), solve(round_, flat)
    np.testing.assert_allclose(there.maps, 2 * flat, atol=1e-13)
    np.testing.assert_allclose(back.maps, flat / 2, atol=1e-13)
    for pair in (there, back):
        np.testing.assert_array_equal(pair.spectra[:, :-1], 0)
        np.testing.assert_allclose(pair.squares, 4 * (d - 1) + 1, rtol=1e-13)


def test_a_thin_direction_of_a_singular_covariance_is_mapped():
    thin = np.diag([1.0, 1e-26, 0.0])[None]
    found = solve(thin, np.eye(3)[None])
    np.testing.assert_allclose(found.maps, np.diag([1, 1e13, 0])[None], rtol=1e-12)
    np.testing.assert_allclose(found.squares, (1 - 1e-13) ** 2 + 1, rtol=1e-14)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_a_covariance_is_singular_to_rounding_alone(kind):
    eps = np.finfo(float).eps
    # What the second feature has of its own: 0, 4 and 16 times the last digit of one.
    # Both roots have no more digits than a number.
    given = kind(np.array([[[1, 1], [1, 1 + n * eps]] for n in (0, 4, 16)]))
    factors, singular = factorise(given, np.arange(2))
    np.testing.assert_array_equal(singular, [True, True, False])
    np.testing.assert_allclose(factors @ factors.mT, given, rtol=4 * eps)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_eigenvalues_below_zero_have_roots_of_zero(kind):
    rounded = kind(np.array([np.diag([4.0, -1e-17]), np.diag([1.0, 9.0])]))
    np.testing.assert_array_equal(spectral_roots(rounded), [[0, 2], [1, 3]])


@pytest.mark.parametrize("power", [-40, 40])
def test_another_unit_changes_no_digit(pairs, power):
    rng = np.random.default_rng(0)
    thin = [with_condition(c, 4, rng) for c in (1e4, 1e8, 1e12)]
    flat = random_covariances(rng, 2, 4) * np.outer([1, 1, 1, 0], [1, 1, 1, 0])
    a = np.concatenate([pairs[0], thin, flat, pairs[0]])
    b = np.concatenate([pairs[1], thin[::-1], flat[::-1], (1 + 1e-6) * pairs[0]])
    # Factors of powers of four, whose roots are powers of two, round nothing.
    found, expected = solve(4.0**power * a, 4.0**power * b), solve(a, b)
    np.testing.assert_array_equal(found.squares, 4.0**power * expected.squares)
    np.testing.assert_array_equal(found.spectra, 4.0**power * expected.spectra)
    np.testing.assert_array_equal(found.maps, expected.maps)


def test_lower_bounds_hold_and_are_tight_for_commuting_covariances(pairs):
    a, b = pairs
    bounds = np.diagonal(bures_lower_bounds(spectral_roots(a), spectral_roots(b)))
    exact = distances(a, b)
    assert (bounds <= exact + 1e-12).all()
    square = a @ a  # commutes with a, and orders its eigenvalues alike
    bounds = np.diagonal(bures_lower_bounds(spectral_roots(a), spectral_roots(square)))
    np.testing.assert_allclose(bounds, distances(a, square), rtol=1e-9)


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
def test_geodesic_has_constant_speed(pairs, t):
    a, b = pairs
    maps = solve(a, b).maps
    middle = geodesic(a, b, maps, t)
    whole = distances(a, b)
    part = distances(a, middle)
    np.testing.assert_allclose(part, t**2 * whole, atol=1e-12)


def test_geodesic_ends_exactly(pairs):
    a, b = pairs
    maps = solve(a, b).maps
    np.testing.assert_array_equal(geodesic(a, b, maps, 0.0), a)
    np.testing.assert_array_equal(geodesic(a, b, maps, 1.0), b)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_each_matrix_of_a_stack_is_definite_or_not(pairs, kind):
    a = pairs[0].copy()
    least = np.linalg.eigvalsh(a)[:, 0]
    inside = which_are_positive_definite(kind(a - 0.99 * least.min() * np.eye(4)))
    assert inside.all()
    inside = which_are_positive_definite(kind(a - 1.01 * least.min() * np.eye(4)))
    np.testing.assert_array_equal(inside, least > 1.01 * least.min())
    diagonals = kind(np.array([[1.0, 2.0], [1.0, 0.0]]))
    np.testing.assert_array_equal(which_are_positive_definite(diagonals), [True, False])
    # The first or the last pivot is the one that fails.
    full = kind(np.array([np.diag([-1.0, 1.0]), np.diag([1.0, -1.0]), np.eye(2)]))
    inside = which_are_positive_definite(full)
    np.testing.assert_array_equal(inside, [False, False, True])


@pytest.mark.parametrize("step", [1e3, 10, 1e-2, 1e-4, 1e-5, 1e-10])
def test_distances_of_close_covariances_keep_their_digits(pairs, step):
    a = pairs[0]
    moved = (1 + step) ** 2 * a
    expected = step**2 * np.trace(a, axis1=1, axis2=2)
    # Rounding the covariances leaves four digits of the smallest step, squared.
    rtol = max(1e-10, 1e-14 / step)
    np.testing.assert_allclose(distances(a, moved), expected, rtol=rtol)
    np.testing.assert_allclose(distances(moved, a), expected, rtol=rtol)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_spectra_are_those_of_the_roots_multiplied(pairs, kind):
    a, b = pairs
    found = solve(kind(a), kind(b))
    values, vectors = np.linalg.eigh(a)
    root = (vectors * np.sqrt(values)[:, None]) @ vectors.mT
    expected = np.sqrt(np.linalg.eigvalsh(root @ b @ root))
    np.testing.assert_allclose(found.spectra, expected, rtol=1e-10)
    traces = np.trace(a + b, axis1=1, axis2=2)
    squares = traces - 2 * np.asarray(found.spectra).sum(axis=1)
    np.testing.assert_allclose(found.squares, squares, rtol=1e-10)


def with_condition(condition, d, rng):
    """A covariance with eigenvalues from one down to the inverse of its condition."""
    vectors, _ = np.linalg.qr(rng.normal(size=(d, d)))
    values = np.geomspace(1, 1 / condition, d)
    covariance = vectors * values @ vectors.T
    return (covariance + covariance.T) / 2


def exact_root(matrix):
    values, vectors = mpmath.eigsy(matrix)
    return vectors * mpmath.diag([mpmath.sqrt(v) for v in values]) * vectors.T


def errors(a, b):
    """Of the distance, relative to it, and of the map, whitened, by 100 digits."""
    found = solve(a[None], b[None])
    with mpmath.workdps(100):
        start, end, given = (mpmath.matrix(x.tolist()) for x in (a, b, found.maps[0]))
        first, second = exact_root(start), exact_root(end)
        middle = second * start * second
        values, vectors = mpmath.eigsy((middle + middle.T) / 2)
        inverse = mpmath.diag([1 / mpmath.sqrt(v) for v in values])
        exact = second * vectors * inverse * vectors.T * second
        squares = sum(start[i, i] + end[i, i] for i in range(len(a)))
        squares -= 2 * sum(mpmath.sqrt(v) for v in values)
        of_map = mpmath.mnorm(second**-1 * (given - exact) * first, "f")
        of_square = abs(float(found.squares[0]) - squares) / (abs(squares) + 1e-25)
        return float(of_square), float(of_map)


@pytest.mark.parametrize("d", [2, 7])
@pytest.mark.parametrize("condition", [1e2, 2e4, 1e6, 1e10, 1e12])
def test_ill_conditioned_covariances(condition, d):
    rng = np.random.default_rng(0)
    a, b = with_condition(condition, d, rng), with_condition(condition, d, rng)
    of_square, of_map = errors(a, b)
    assert of_square < 1e-10
    # The entries of a covariance are rounded to 1e-16 of the largest.
    assert of_map < max(1e-8, 1e-17 * condition)
    of_square, of_map = errors(a, a)
    assert of_square < 1e-3
    assert of_map < 1e-8


@pytest.mark.parametrize("spread", [1e3, 1e6, 1e12])
def test_units_of_the_features_cost_no_digits(spread):
    rng = np.random.default_rng(1)
    units = rng.permutation(np.geomspace(1, 1 / spread, 5))
    a, b = (units * with_condition(100, 5, rng) * units[:, None] for _ in range(2))
    of_square, of_map = errors(a, b)
    assert of_square < 1e-10
    assert of_map < 1e-10


def test_factors_are_those_of_the_covariances():
    covariances = random_covariances(np.random.default_rng(0), 5, 3)
    covariances[1] = np.outer([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    covariances[2] = 0
    covariances[3, 0] = covariances[3, :, 0] = 0
    for kind in (np.asarray, torch.as_tensor):
        factors, singular = factorise(kind(covariances), np.array([2, 0, 1]))
        np.testing.assert_allclose(factors @ factors.mT, covariances, atol=1e-14)
        np.testing.assert_array_equal(singular, [False, True, True, True, False])
