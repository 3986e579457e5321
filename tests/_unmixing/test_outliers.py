from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skwot._ot.ground_costs import ground_cost
from skwot._ot.measures import stack_measures
from skwot._unmixing.outliers import (
    calibrate_outlier_cost,
    drop_outliers,
    has_idle_outliers,
    outlying_cost,
    restore_outliers,
)
from skwot._unmixing.problem import Problem
from skwot._unmixing.solve import solve
from tests.generators.measures import measure, overlapping_sources, settings


def test_two_points_pay_their_distance():
    sources = [measure([[0.0], [3.0]]), measure([[7.0]])]
    found = calibrate_outlier_cost(sources, "euclidean", 0)
    assert found == 3


def test_the_level_is_a_percentile_over_sources_of_equal_mass():
    # Nine sources pay 1, one pays 100: the 87th percentile is still 1.
    sources = [measure([[0.0], [1.0]])] * 9 + [measure([[0.0], [100.0]])]
    assert calibrate_outlier_cost(sources, "euclidean", 0) == 1
    assert calibrate_outlier_cost(sources[4:], "euclidean", 0) == 100


def test_it_has_the_units_of_the_cost():
    points = np.random.default_rng(0).normal(size=(60, 3))
    one, other = (
        calibrate_outlier_cost([measure(unit * points)], metric, 1)
        for unit, metric in ((1.0, "sqeuclidean"), (1e3, "sqeuclidean"))
    )
    assert_allclose(other, 1e6 * one)


def test_single_points_tell_nothing():
    with pytest.raises(ValueError, match="at least two distinct rows"):
        calibrate_outlier_cost([measure([[0.0]])], "euclidean", 0)


@pytest.mark.parametrize("seed", [1, 3, 8])
@pytest.mark.parametrize("factor", [1.0, 1.001, 1e6, 1e290])
@pytest.mark.parametrize("surcharges", [0.0, np.array([0.3, 0.0, 0.1])])
def test_outliers_that_cost_too_much_are_left_out(factor, seed, surcharges):
    case = overlapping_sources(seed, n_sources=3)
    plain = case.problem(surcharges=surcharges)
    cost = ground_cost(plain.sources.points, plain.target.points, "euclidean")
    idle = replace(
        plain,
        outlier_cost=factor * (cost.max() + np.max(surcharges)),
        surcharges=np.append(surcharges * np.ones(3), 0.0),
    )
    assert has_idle_outliers(idle)
    found, without = (solve(one, settings(solver="auto")) for one in (idle, plain))
    assert_array_equal(found.weights, np.append(without.weights, 0.0))
    assert found.value == without.value
    assert found.lower_bound == without.lower_bound
    # The potentials certify the bound with the outliers, too.
    alpha, beta = found.alpha, found.beta
    assert len(alpha) == len(without.alpha) + 1
    assert alpha[-1] + beta.max() <= idle.outlier_cost
    bound = idle.marginals.bound(alpha, beta)
    assert_allclose(bound, found.lower_bound, rtol=1e-9, atol=1e-12)


def test_outliers_that_may_be_used_stay():
    case = overlapping_sources(3, n_sources=3)
    plain = case.problem()
    assert not has_idle_outliers(plain)
    cost = ground_cost(plain.sources.points, plain.target.points, "euclidean")
    assert not has_idle_outliers(replace(plain, outlier_cost=0.99 * cost.max()))
    assert drop_outliers(replace(plain, outlier_cost=1.0)).outlier_cost is None


def test_two_in_a_hundred_rows_of_the_sources_lie_above_the_outlying_cost():
    soft_costs = np.random.default_rng(0).normal(size=1000)
    assert np.count_nonzero(soft_costs > outlying_cost(soft_costs)) == 20


def test_the_highest_cost_is_the_last_percentile():
    # All mass of the one source pays the same.
    source = [measure([[0.0], [2.0]], np.array([0.3, 0.7]))]
    assert calibrate_outlier_cost(source, "euclidean", 0) == 2


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_the_level_has_the_unit_of_the_costs_whatever_it_is(unit):
    rng = np.random.default_rng(5)
    points = rng.normal(size=(40, 2))
    one = calibrate_outlier_cost([measure(points)], "sqeuclidean", 0)
    other = calibrate_outlier_cost([measure(unit * points)], "sqeuclidean", 0)
    assert_allclose(other, unit**2 * one, rtol=1e-9)


def test_costs_that_no_mass_pays_do_not_count():
    # Halves of two clusters: nearly all mass stays in its cluster.
    rng = np.random.default_rng(0)
    points = np.append(rng.normal(size=100), 1e4 + rng.normal(size=4))
    level = calibrate_outlier_cost([measure(points)], "euclidean", 0)
    assert level < 10


def test_a_source_of_outliers_is_idle_by_its_own_surcharge_and_the_others():
    plain = overlapping_sources(4, n_sources=2).problem()
    cost = ground_cost(plain.sources.points, plain.target.points, "euclidean")
    largest = cost.max()

    def is_idle(outlier_cost, surcharges):
        return has_idle_outliers(
            replace(plain, outlier_cost=outlier_cost, surcharges=np.array(surcharges))
        )

    assert not is_idle(1.01 * largest, [0.0, 0.1 * largest, 0.0])
    assert is_idle(1.11 * largest, [0.0, 0.1 * largest, 0.0])
    assert is_idle(0.91 * largest, [0.0, 0.0, 0.1 * largest])
    assert not is_idle(0.89 * largest, [0.0, 0.0, 0.1 * largest])


@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_rows_that_are_not_sampled_count_too(scale):
    # The largest cost is that of one row among many.
    points = np.zeros((200, 1))
    points[:, 0] = scale * np.linspace(0, 1, 200)
    points[101] = 5 * scale
    sources = stack_measures([measure(points)])
    problem = Problem(sources, measure([[0.0], [scale]]), "euclidean", 4.9 * scale)
    assert not has_idle_outliers(problem)
    assert has_idle_outliers(replace(problem, outlier_cost=5.01 * scale))


def test_the_outliers_potential_is_the_largest_that_is_feasible():
    plain = overlapping_sources(5, n_sources=2).problem()
    found = solve(plain, settings(solver="auto"))
    for constant in (0.0, 2.0):
        shifted = found._replace(
            alpha=found.alpha - constant, beta=found.beta + constant
        )
        restored = restore_outliers(shifted, replace(plain, outlier_cost=9.0))
        assert_array_equal(restored.alpha[:-1], shifted.alpha)
        assert_allclose(restored.alpha[-1] + shifted.beta.max(), 9)
