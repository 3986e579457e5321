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


@pytest.mark.parametrize(
    ("power", "shrinkage"),
    [(-0.25, 2**-0.25), (-0.5, 2**-0.5), (-3.0, 0.5), (1.0, 1.0)],
)
def test_the_rate_is_read_off_the_halves(power, shrinkage):
    # A loss that is a power of the size; between n^(-1) and n^0 the rate is followed.
    # Single points have no halves, but they grow at the rate of the others.
    sources = [measure(np.arange(float(size))) for size in (64, 256, 2, 3, 1)]
    found = sampling_noise(sources, lambda one, _: len(one.masses) ** power, 0)
    halves = np.array([32.0, 128.0, 1.0])
    assert_allclose(found[:3], halves**power * shrinkage)
    assert_allclose(found[3], shrinkage ** np.log2(3))
    assert found[4] == 0


def test_large_halves_are_capped_and_extrapolated():
    source = measure(np.arange(256.0))
    sizes = []

    def loss(one, other):
        sizes.append(len(one.masses))
        assert len(one.masses) == len(other.masses)
        return len(one.masses) ** -0.5

    found = sampling_noise([source], loss, 0, largest=16)
    # Each sample is drawn no more often than sixteen times, in two sizes.
    assert sizes == [16, 8] * 16
    assert_allclose(found, 256**-0.5)


def test_large_samples_are_drawn_once_or_a_few_times():
    for size, n_draws in ((8000, 1), (2000, 2), (1100, 3)):
        calls = []
        source = measure(np.arange(float(size)))
        sampling_noise([source], lambda *_, calls=calls: calls.append(1) or 1.0, 0)
        assert len(calls) == 2 * n_draws


def test_one_pair_alone_says_nothing_of_the_rate():
    sources = [measure([0.0, 1.0]), measure([0.0, 2.0, 4.0])]
    found = sampling_noise(sources, lambda *_: 3.0, 0)
    # The halves are single points, whose halves are empty.
    assert_allclose(found, [3, 3])
