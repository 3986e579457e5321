import numpy as np
import ot
import pytest

from skwot._gmm.mixtures import Mixture
from skwot._gmm.seeding import (
    INIT_NAMES,
    component_distances,
    seed_mixtures,
    select_components,
)
from tests.generators.gaussians import random_mixture


@pytest.fixture
def target():
    return random_mixture(np.random.default_rng(0), 9, 3)


@pytest.fixture
def rng():
    return np.random.RandomState(0)


def rows_of(array, other):
    """Index in the other array of each row."""
    same = (array[:, None] == other).all(axis=-1)
    assert same.any(axis=1).all()
    return same.argmax(axis=1)


@pytest.mark.parametrize("size", [3, 14])
def test_distances_within_a_mixture_agree_with_pot(size, rng):
    target = random_mixture(rng, size, 3)
    _, m, c = target
    distances = component_distances(target)
    expected = ot.gmm.dist_bures_squared(m, m, c, c)
    np.testing.assert_allclose(distances, expected, atol=1e-12)
    np.testing.assert_array_equal(np.diagonal(distances), 0)


def test_selected_components_share_the_mass_of_the_target(target, rng):
    distances = component_distances(target)
    mixtures = select_components(target, 4, 3, rng)
    assert len(mixtures) == 3
    for weights, means, covariances in mixtures:
        chosen = rows_of(means, target.means)
        assert len(set(chosen)) == 4
        np.testing.assert_array_equal(covariances, target.covariances[chosen])
        nearest = distances[chosen].argmin(axis=0)
        expected = np.bincount(nearest, target.weights, minlength=4)
        np.testing.assert_allclose(weights, expected)


def test_groups_that_are_far_apart_get_one_component_each(rng):
    groups = np.repeat(np.arange(4), 3)
    spread = random_mixture(np.random.default_rng(1), 12, 2)
    target = spread._replace(means=spread.means + 1e3 * groups[:, None])
    for mixture in select_components(target, 4, 5, rng):
        chosen = rows_of(mixture.means, target.means)
        np.testing.assert_array_equal(np.sort(groups[chosen]), range(4))
        masses = np.bincount(groups, target.weights)
        np.testing.assert_allclose(mixture.weights, masses[groups[chosen]])


def test_components_that_coincide_are_as_good_as_each_other(rng):
    target = Mixture(np.full(5, 0.2), np.ones((5, 2)), np.stack([np.eye(2)] * 5))
    (mixture,) = select_components(target, 3, 1, rng)
    assert mixture.weights.sum() == pytest.approx(1)
    np.testing.assert_array_equal(mixture.means, np.ones((3, 2)))


@pytest.mark.parametrize("init_params", INIT_NAMES)
@pytest.mark.parametrize("n_components", [3, 9])
def test_only_a_reduction_by_k_means_starts_at_its_target(
    target, rng, init_params, n_components
):
    X = np.random.default_rng(2).normal(size=(60, 3))
    for mixture in seed_mixtures(X, target, n_components, init_params, 2, rng):
        assert len(mixture.weights) == n_components
        reduced = init_params == "k-means++" and n_components < 9
        if reduced:
            rows_of(mixture.means, target.means)
        else:
            np.testing.assert_allclose(mixture.weights @ mixture.means, X.mean(axis=0))


def test_components_without_mass_come_last(rng):
    target = random_mixture(np.random.default_rng(3), 4, 2)
    target.weights[:] = 0, 1, 0, 0
    for weights, means, _ in select_components(target, 3, 20, rng):
        chosen = rows_of(means, target.means)
        assert chosen[0] == 1
        assert len(set(chosen)) == 3
        np.testing.assert_allclose(weights, [1, 0, 0])


@pytest.mark.parametrize("init_params", INIT_NAMES)
def test_a_seed_makes_starts_repeatable(target, init_params):
    X = np.random.default_rng(2).normal(size=(60, 3))
    first, second = (
        seed_mixtures(X, target, 9, init_params, 1, np.random.RandomState(5))
        for _ in range(2)
    )
    np.testing.assert_array_equal(first[0].means, second[0].means)


def test_starts_that_are_no_reduction_need_data(target, rng):
    with pytest.raises(ValueError, match=r"fit needs X, .*n_components=9.* it has 9"):
        seed_mixtures(np.empty((0, 3)), target, 9, "k-means++", 1, rng)
