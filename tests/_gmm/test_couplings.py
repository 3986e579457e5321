import numpy as np
import pytest
from hypothesis import given, settings

from skwot._gmm.couplings import (
    couple,
    interpolate_mixtures,
    transport_barycentric,
    transport_random,
)
from tests.generators.gaussians import (
    mixture_pairs,
    random_mixture,
    scaled_mixtures,
    translated_mixtures,
)


def random_points(mixture, n_points=7):
    """Points, and the probability of each component given each point."""
    rng = np.random.default_rng(0)
    n_components, n_features = mixture.means.shape
    points = rng.normal(size=(n_points, n_features))
    return points, rng.dirichlet(np.ones(n_components), size=n_points)


@settings(max_examples=40, deadline=None)
@given(mixture_pairs())
def test_pairs_carry_one_mixture_to_the_other(pair):
    mixture, other = pair
    rows, columns, mass, maps = couple(*pair)
    assert len(mass) <= len(mixture.weights) + len(other.weights) - 1
    np.testing.assert_allclose(np.bincount(rows, mass), mixture.weights, atol=1e-14)
    np.testing.assert_allclose(np.bincount(columns, mass), other.weights, atol=1e-14)
    moved = maps @ mixture.covariances[rows] @ maps
    np.testing.assert_allclose(moved, other.covariances[columns], atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(translated_mixtures())
def test_a_translation_is_interpolated_by_translations(problem):
    source, target = problem.source, problem.target
    middle = interpolate_mixtures(source, target, 0.3)
    np.testing.assert_allclose(middle.weights, source.weights)
    expected = 0.7 * source.means + 0.3 * target.means
    np.testing.assert_allclose(middle.means, expected, atol=1e-14)
    np.testing.assert_allclose(middle.covariances, source.covariances, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(scaled_mixtures())
def test_a_dilation_moves_every_point_alike(problem):
    source, target = problem.source, problem.target
    points, responsibilities = random_points(source)
    arguments = points, responsibilities, source, target
    s = np.sqrt(target.covariances[0, 0, 0] / source.covariances[0, 0, 0])
    for moved in (
        transport_barycentric(*arguments),
        transport_random(*arguments, np.random.RandomState(0)),
    ):
        np.testing.assert_allclose(moved, s * points, atol=1e-8 * (1 + s))


@pytest.mark.parametrize("t", [0.0, 1.0])
def test_an_interpolation_ends_at_the_mixtures(t):
    rng = np.random.default_rng(1)
    pair = random_mixture(rng, 4, 3), random_mixture(rng, 3, 3)
    end, coupling = interpolate_mixtures(*pair, t), couple(*pair)
    expected = pair[int(t)]
    components = (coupling.rows, coupling.columns)[int(t)]
    np.testing.assert_allclose(np.bincount(components, end.weights), expected.weights)
    np.testing.assert_array_equal(end.means, expected.means[components])
    np.testing.assert_array_equal(end.covariances, expected.covariances[components])


def test_random_images_are_drawn_by_their_probability():
    # A point mass between three targets.
    rng = np.random.default_rng(2)
    source, target = random_mixture(rng, 1, 2), random_mixture(rng, 3, 2)
    target.weights[:] = 0.25, 0.15, 0.6
    points = np.repeat(source.means, 20000, axis=0)
    arguments = points, np.ones((20000, 1)), source, target
    moved = transport_random(*arguments, np.random.RandomState(0))
    drawn = (moved[:, None] == target.means).all(axis=2)
    assert drawn.any(axis=1).all()
    # Three standard deviations of a binomial share.
    rounding = 3 * np.sqrt(0.25 / 20000)
    np.testing.assert_allclose(drawn.mean(axis=0), target.weights, atol=rounding)
    mean = transport_barycentric(*arguments)
    np.testing.assert_allclose(mean, [target.weights @ target.means] * 20000)


def test_batches_change_nothing(monkeypatch):
    rng = np.random.default_rng(3)
    pair = random_mixture(rng, 4, 3), random_mixture(rng, 5, 3)
    arguments = *random_points(pair[0], 50), *pair

    def transport():
        random = transport_random(*arguments, np.random.RandomState(0))
        return transport_barycentric(*arguments), random

    expected = transport()
    monkeypatch.setattr("skwot._gmm.couplings._BATCH_NUMBERS", 40)
    for moved, whole in zip(transport(), expected, strict=True):
        np.testing.assert_allclose(moved, whole, rtol=1e-14)
