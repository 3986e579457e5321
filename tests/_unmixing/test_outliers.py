from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skwot._ot.ground_costs import ground_cost
from skwot._unmixing.outliers import (
    calibrate_outlier_cost,
    drop_outliers,
    has_idle_outliers,
    outlying_cost,
)
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
