import numpy as np
import pytest
from numpy.testing import assert_allclose

from skwot._unmixing.noise import sampling_noise
from skwot._unmixing.solve import loss_between
from tests.generators.measures import measure, settings


def loss(one, other):
    return loss_between(one, other, "euclidean", settings())


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
