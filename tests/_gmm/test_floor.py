import numpy as np
import pytest
import torch

from skwot._gmm.covariance_types import constrain, drop_zeros
from skwot._gmm.floor import Floor, make_floor
from skwot._gmm.mixtures import Mixture
from tests.generators.gaussians import random_mixture


@pytest.fixture
def mixtures():
    rng = np.random.default_rng(0)
    return random_mixture(rng, 4, 3), random_mixture(rng, 5, 3)


def stretched(mixture, units):
    return mixture._replace(
        means=mixture.means * units,
        covariances=units * mixture.covariances * units[:, None],
    )


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_what_was_given_is_above_the_floor(mixtures, kind):
    floor = make_floor(*mixtures, 1e-2, kind)
    for mixture in mixtures:
        given = constrain(mixture.covariances, mixture.weights, kind)
        assert floor.raise_covariances(given) is given
    thin = mixtures[0]._replace(covariances=1e-9 * mixtures[0].covariances)
    floor = make_floor(thin, mixtures[1], 1e-2, kind)
    assert 0 < floor.level < 1e-8
    given = constrain(thin.covariances, thin.weights, kind)
    assert floor.raise_covariances(given) is given


@pytest.mark.parametrize("kind", ["full", "tied", "diag"])
def test_units_of_features_do_not_matter(mixtures, kind):
    units = np.array([1e-6, 1.0, 1e6])
    floor = make_floor(*mixtures, 0.3, kind)
    other = make_floor(*(stretched(m, units) for m in mixtures), 0.3, kind)
    np.testing.assert_allclose(other.level, floor.level, rtol=1e-9)
    expected = units * floor.reference * units[:, None]
    np.testing.assert_allclose(other.reference, expected, rtol=1e-12)
    low = floor.level * 0.5 * floor.reference[None]
    raised = other.raise_covariances(units * low * units[:, None])
    expected = units * floor.raise_covariances(low)[0] * units[:, None]
    np.testing.assert_allclose(raised[0], expected, rtol=1e-9)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_only_what_is_below_is_raised(kind):
    reference = np.array([[4.0, 2.0], [2.0, 5.0]])
    factor = np.linalg.cholesky(reference)
    floor = Floor(reference, factor, np.linalg.inv(factor), 0.5)
    low = factor @ np.diag([0.1, 3.0]) @ factor.T
    raised = floor.raise_covariances(kind(np.array([low, reference])))
    np.testing.assert_array_equal(raised[1], reference)
    expected = factor @ np.diag([0.5, 3.0]) @ factor.T
    np.testing.assert_allclose(raised[0], expected, rtol=1e-12)
    flat = Floor(np.array([1.0, 4.0]), np.array([1.0, 2.0]), np.array([1, 0.5]), 0.5)
    raised = flat.raise_covariances(kind(np.array([[0.1, 3.0]])))
    np.testing.assert_allclose(raised, [[0.5, 3.0]])


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_points_have_a_floor_of_the_kind(kind):
    points = Mixture(
        np.full(2, 0.5), np.array([[0.0, 0.0], [1.0, 0.0]]), np.zeros((2, 2, 2))
    )
    floor = make_floor(*drop_zeros(points, points, kind), 1e-3, kind)
    assert floor.level == 1e-3
    reference = floor.reference
    reference = np.diag(reference) if reference.ndim == 1 else reference
    assert np.linalg.eigvalsh(reference).min() > 0
    np.testing.assert_array_equal(
        constrain(reference[None], np.ones(1), kind)[0], reference
    )


def test_what_is_singular_but_for_rounding_is_raised(mixtures):
    flat = np.random.default_rng(0).normal(size=(4, 3, 2))
    flat = flat @ flat.mT
    flat = flat + 1e-17 * np.eye(3)
    initial = mixtures[0]._replace(covariances=flat)
    assert make_floor(initial, mixtures[1], 1e-3, "full").level == 1e-3


@pytest.mark.parametrize(
    ("kind", "least", "expected"),
    [
        ("full", 1 / 20, [0.2, 0.4]),
        ("diag", 1 / 20, [0.2, 0.4]),
        ("tied", 1 / 2, [0.2, 0.4]),
        ("spherical", 0.105 / 0.3, [0.3, 0.3]),
    ],
)
@pytest.mark.parametrize("drop", [False, True])
def test_the_level_is_half_of_the_least_part_of_the_reference(
    kind, least, expected, drop
):
    # The mean variances are (0.2, 0.4), of which the first component has 1/20 and 1/2.
    initial = Mixture(
        np.array([0.25, 0.75]),
        np.array([[1.0, 0.0], [0.0, 1.0]]),
        np.array([np.diag([0.01, 0.2]), np.diag([0.13, 0.2])]),
    )
    target = Mixture(np.ones(1), np.ones((1, 2)), np.diag([0.3, 0.6])[None])
    if drop:
        initial, target = drop_zeros(initial, target, kind)
    floor = make_floor(initial, target, 0.5, kind)
    np.testing.assert_allclose(as_matrix(floor.reference), np.diag(expected))
    assert floor.level == pytest.approx(least / 2)
    identity = floor.inverse @ floor.factor
    expected = np.eye(2) if floor.reference.ndim == 2 else 2
    np.testing.assert_allclose(identity, expected, atol=1e-15)
    assert make_floor(initial, target, 0.01, kind).level == 0.01


def as_matrix(reference):
    return np.diag(reference) if reference.ndim == 1 else reference


def points(means):
    """Components without any variance."""
    size, d = means.shape
    return Mixture(np.full(size, 1 / size), means, np.zeros((size, d, d)))


@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_points_have_the_covariance_of_all_of_them_as_a_reference(kind, drop):
    means = np.random.default_rng(0).normal(size=(9, 3)) * [0.1, 1.0, 10.0]
    initial, target = points(means[:4]), points(means[4:])
    if drop:
        initial, target = drop_zeros(initial, target, kind)
    expected = np.cov(means.T)
    if kind in ("diag", "spherical"):
        expected = np.diag(np.diag(expected))
    if kind == "spherical":
        expected = np.eye(3) * np.trace(expected) / 3
    floor = make_floor(initial, target, 1e-3, kind)
    np.testing.assert_allclose(as_matrix(floor.reference), expected, rtol=1e-12)


@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_a_feature_in_which_nothing_varies_has_the_mean_variance_of_others(kind, drop):
    # The variances are 1/2, 8 and 0, the first two features have the covariance 1.
    means = np.array([[1.0, 4, 7], [-1, 0, 7], [0, 0, 7], [0, 0, 7], [0, -4, 7]])
    initial, target = points(means[:2]), points(means[2:])
    same = points(np.ones((2, 3)))
    if drop:
        initial, target = drop_zeros(initial, target, kind)
        same = drop_zeros(same, same, kind)[0]
    floor = make_floor(initial, target, 1e-3, kind)
    expected = np.diag([0.5, 8.0, 4.25])
    if kind == "spherical":
        expected = np.eye(3) * 4.25
    np.testing.assert_allclose(as_matrix(floor.reference), expected, rtol=1e-12)
    assert floor.reference.shape == initial.covariances.shape[1:]
    floor = make_floor(same, same, 1e-3, kind)
    np.testing.assert_array_equal(as_matrix(floor.reference), np.eye(3))


@pytest.mark.parametrize("kind", ["full", "diag"])
def test_a_singular_covariance_hides_no_thin_one(kind):
    # The mean of all is the identity, the last component singular but for rounding.
    thin, singular = 1e-12, 1e-14
    initial = Mixture(
        np.full(2, 0.5),
        np.zeros((2, 2)),
        np.array([np.diag([thin, 1.0]), np.diag([singular, 1.0])]),
    )
    target = Mixture(np.ones(1), np.zeros((1, 2)), np.diag([2.0, 1.0])[None])
    for pair in ((initial, target), drop_zeros(initial, target, kind)):
        level = make_floor(*pair, 1e-3, kind).level
        assert level == pytest.approx(thin / 2, rel=1e-9, abs=0)
