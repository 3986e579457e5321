import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skwot._ot.ground_costs import ground_cost
from skwot._ot.measures import canonical_measure, moments
from skwot._ot.quantization import loss_error, quantize
from skwot._ot.transport import solve_transport


def sample(seed, n=300, d=2):
    rng = np.random.default_rng(seed)
    return canonical_measure(rng.normal(size=(n, d)), rng.uniform(0.5, 2, n))


def cost_between(one, other, metric):
    cost = ground_cost(one.points, other.points, metric)
    return solve_transport(one.masses, other.masses, cost).value


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cityblock", "cosine"])
def test_the_move_is_paid_and_bounds_the_change(metric):
    one, other = sample(0), sample(1)
    moved = [quantize(m, 20, metric, np.random.RandomState(0)) for m in (one, other)]
    for before, (after, paid, _) in zip((one, other), moved, strict=True):
        assert len(after.masses) <= 20
        assert_allclose(after.masses.sum(), 1)
        # The centres are means, so that the mean stays.
        assert_allclose(moments(after)[0], moments(before)[0], atol=1e-12)
        assert 0 < cost_between(before, after, metric) <= paid * (1 + 1e-12)
    loss = cost_between(moved[0].measure, moved[1].measure, metric)
    bound = loss_error(loss, [each.cost for each in moved], metric)
    assert abs(cost_between(one, other, metric) - loss) <= bound


def test_small_measures_stay():
    one = sample(0, n=20)
    for limit in (None, 20):
        same = quantize(one, limit, "euclidean", np.random.RandomState(0))
        assert same.measure is one
        assert same.cost == 0
    assert loss_error(1.0, [0.0, 0.0], lambda u, v: 0.0) == 0


def test_no_bound_without_the_triangle_inequality():
    assert np.isnan(loss_error(1.0, [0.1, 0.0], "braycurtis"))


def test_one_seed_one_result():
    results = [
        quantize(sample(3), 10, "euclidean", np.random.RandomState(5)).measure.points
        for _ in range(2)
    ]
    assert_array_equal(*results)


def test_it_says_where_each_atom_has_gone():
    measure = sample(3)
    moved = quantize(measure, 10, "euclidean", np.random.RandomState(0))
    assert moved.nearest.shape == (len(measure.points),)
    for centre, mass, number in zip(*moved.measure, range(10), strict=True):
        own = moved.nearest == number
        assert_allclose(measure.masses[own].sum(), mass)
        assert_allclose(np.average(measure.points[own], 0, measure.masses[own]), centre)
