import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skwot._ot.ground_costs import ground_cost
from skwot._ot.measures import Measure, canonical_measure, moments
from skwot._ot.metrics import read_metric
from skwot._ot.quantization import cost_of_moves, loss_error, move_to, quantize
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
        assert_array_equal(same.nearest, np.arange(20))
    assert loss_error(1.0, [0.0, 0.0], lambda u, v: 0.0) == 0


def test_no_bound_without_the_triangle_inequality():
    assert np.isnan(loss_error(1.0, [0.1, 0.0], "braycurtis"))


@pytest.mark.parametrize(
    ("metric", "power"), [("euclidean", 1), ("cityblock", 1), ("sqeuclidean", 2)]
)
def test_the_bound_is_attained_where_two_diracs_move_apart(metric, power):
    before, left, right = 3.0, 0.5, 0.25
    error = loss_error(before**power, [left**power, right**power], metric)
    after = before + left + right
    assert_allclose(error, after**power - before**power)


def test_one_seed_one_result():
    results = [
        quantize(sample(3), 10, "euclidean", np.random.RandomState(5)).measure.points
        for _ in range(2)
    ]
    assert_array_equal(*results)


@pytest.mark.parametrize("scale", [1.0, 1e-20])
def test_it_says_where_each_atom_has_gone_and_what_that_cost(scale):
    points, masses = sample(3)
    measure = Measure(scale * points, masses)
    moved = quantize(measure, 10, "cityblock", np.random.RandomState(0))
    assert moved.nearest.shape == (len(measure.points),)
    costs = abs(measure.points - moved.measure.points[moved.nearest]).sum(axis=1)
    assert_allclose(moved.cost, measure.masses @ costs)
    for centre, mass, number in zip(*moved.measure, range(10), strict=True):
        own = moved.nearest == number
        assert_allclose(measure.masses[own].sum(), mass)
        assert_allclose(np.average(measure.points[own], 0, measure.masses[own]), centre)


def test_every_centre_is_used():
    # Of 20 atoms at most one moves, so that all others were seen by k-means.
    moved = quantize(sample(4, n=20), 19, "euclidean", np.random.RandomState(0))
    assert len(moved.measure.masses) == 19


def test_features_count_as_much_as_the_metric_makes_them():
    rng = np.random.default_rng(5)
    points = np.column_stack([np.repeat([0.0, 1.0], 50), 1e3 * rng.normal(size=100)])
    metric = read_metric("cityblock", {"w": [1.0, 0.0]}, 2)
    moved = quantize(canonical_measure(points), 2, metric, np.random.RandomState(0))
    assert_allclose(moved.measure.points[:, 0], [0, 1])
    assert_allclose(moved.cost, 0, atol=1e-12)


def test_heavy_atoms_attract_the_centres():
    # With equal masses 1.0 always joins 0.0, because 3.1 is further away.
    masses = np.array([100.0, 100.0, 1.0])
    measure = canonical_measure(np.array([[0.0], [1.0], [3.1]]), masses)
    costs = [
        quantize(measure, 2, "sqeuclidean", np.random.RandomState(seed)).cost
        for seed in range(10)
    ]
    assert_allclose(min(costs), 2.1**2 * (100 / 101) / 201)


@pytest.mark.parametrize("scales", [[1.0, 100.0], [100.0, 1.0]])
def test_the_nearest_of_given_points_is_that_in_units_of_the_metric(scales):
    measure, points = sample(0), np.array([[1.0, 0.0], [0.0, 1.0], [50.0, 50.0]])
    metric = read_metric("seuclidean", {"V": scales}, 2)
    masses, cost = move_to(measure, points, metric)
    costs = ground_cost(measure.points, points, metric)
    nearest = costs.argmin(axis=1)
    assert_allclose(masses, [measure.masses[nearest == k].sum() for k in range(3)])
    assert masses[2] == 0  # so far away that nothing moves there
    assert masses.dtype == np.float64
    assert_allclose(cost, measure.masses @ costs.min(axis=1))


@pytest.mark.parametrize("metric", ["braycurtis", "euclidean", "sqeuclidean"])
def test_a_single_move_costs_what_it_costs(metric):
    for moves in ([0.3], [0.0, 0.3, 0.0], [1.0, 0.0]):
        assert_allclose(cost_of_moves(moves, metric), sum(moves), rtol=1e-15)
    assert cost_of_moves([0.0, 0.0], metric) == 0
    assert cost_of_moves([], metric) == 0


@pytest.mark.parametrize(("metric", "power"), [("cityblock", 1), ("sqeuclidean", 2)])
def test_moves_in_one_direction_attain_their_bound(metric, power):
    lengths = [0.5, 1.0, 2.0]
    total = cost_of_moves([length**power for length in lengths], metric)
    assert_allclose(total, 3.5**power)


def test_what_several_moves_cost_is_unknown_without_the_triangle_inequality():
    assert np.isnan(cost_of_moves([0.3, 0.1], "braycurtis"))
    assert np.isnan(cost_of_moves([np.nan, 0.1], "euclidean"))
    assert np.isnan(cost_of_moves([np.nan, 0.0], "euclidean"))
