import numpy as np
import pytest
from numpy.testing import assert_allclose

from skwot._unmixing.noise import disjoint_samples, sampling_noise
from skwot._unmixing.solve import transport_loss
from tests.generators.measures import measure


def loss(one, other):
    return transport_loss(one, other, "euclidean")


def test_two_points_are_their_distance_apart():
    # Nothing tells how that shrinks with the size.
    sources = [measure([[0.0], [3.0]]), measure([[7.0]])]
    assert_allclose(sampling_noise(sources, loss, 0), [3, 0])


@pytest.mark.parametrize("largest", [None, 50])
def test_it_is_the_distance_between_independent_samples(largest):
    rng = np.random.default_rng(0)
    sources = [measure(scale * rng.normal(size=(400, 5))) for scale in (1, 5)]
    pairs = [rng.normal(size=(2, 400, 5)) for _ in range(5)]
    expected = np.mean([loss(measure(x), measure(y)) for x, y in pairs])
    found = sampling_noise(sources, loss, 0, largest)
    assert_allclose(found, expected * np.array([1, 5]), rtol=0.1)


def test_it_depends_neither_on_order_nor_on_units():
    rng = np.random.default_rng(1)
    sources = [measure(rng.normal(size=(size, 2))) for size in (30, 50, 20)]
    found = sampling_noise(sources, loss, 3)
    assert_allclose(sampling_noise(sources[::-1], loss, 3), found[::-1], rtol=1e-12)
    scaled = [measure(1e6 * source.points) for source in sources]
    assert_allclose(sampling_noise(scaled, loss, 3), 1e6 * found, rtol=1e-9)


def test_samples_are_disjoint_and_keep_their_masses():
    source = measure([[0.0], [1.0], [2.0], [3.0], [4.0]], np.arange(1, 6))
    one, other = disjoint_samples(source, np.array([4, 0, 1, 2, 3]), 2)
    assert_allclose(one.points[:, 0], [0, 4])
    assert_allclose(one.masses, [1 / 6, 5 / 6])
    assert_allclose(other.points[:, 0], [1, 2])
    assert_allclose(other.masses, [0.4, 0.6])


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
def test_the_loss_is_that_of_the_estimator(metric):
    rng = np.random.default_rng(2)
    one, other = rng.normal(size=(2, 30, 1))
    distance = abs(np.sort(one, axis=0) - np.sort(other, axis=0))
    if metric == "sqeuclidean":
        distance = distance**2
    found = transport_loss(measure(one), measure(other), metric)
    assert_allclose(found, distance.mean(), rtol=1e-12)
    near = transport_loss(measure(one), measure(other), metric, reg=0.01)
    assert_allclose(near, found, rtol=0.1)
    unit = abs(one - other.T).mean() if metric == "euclidean" else None
    same = transport_loss(measure(one), measure(other), metric, reg=0.01, reg_unit=unit)
    assert_allclose(same, near, rtol=1e-9)
