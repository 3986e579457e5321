import numpy as np
import pytest
from numpy.testing import assert_allclose

from skwot._unmixing.losses.divergence import DivergenceLoss
from skwot._unmixing.losses.exact import ExactLoss
from skwot._unmixing.problem import StoppingRule
from skwot._unmixing.solvers.bundle import solve_bundle
from skwot._unmixing.solvers.gradient import solve_gradient
from tests._unmixing.checks import check_watch
from tests.generators.measures import overlapping_sources, rule


def test_a_fixed_rate_reports_its_best_step():
    objective = ExactLoss(overlapping_sources(9, n_sources=3).problem())
    found = solve_gradient(objective, rule(15, 1e-4), 1.0)
    assert len(found.curve) == 15
    assert found.value == found.curve.min()


@pytest.mark.parametrize("seed", range(10))
def test_the_optimum_with_surcharges_is_between_its_bounds(seed):
    surcharges = 0.3 * np.random.default_rng(seed).uniform(size=4)
    case = overlapping_sources(seed, n_sources=4)
    objective = ExactLoss(case.problem(surcharges=surcharges))
    found = solve_gradient(objective, rule(50, 1.0), 0.05)
    exact = solve_bundle(objective, rule(500, 1e-10))
    assert found.lower_bound <= exact.value * (1 + 1e-9)
    assert found.value >= exact.lower_bound * (1 - 1e-9)


def test_a_smooth_loss_descends():
    case = overlapping_sources(9, n_sources=3)
    objective = DivergenceLoss(case.problem(), 0.05)
    best = solve_bundle(objective, rule(200, 1e-8))
    found = solve_gradient(objective, rule(60, 1e-2), 0.3)
    assert found.value < found.curve[0]
    assert best.lower_bound <= found.value <= 1.01 * best.value


@pytest.mark.parametrize("rate", [0.01, 0.2, 1e12, 1e300])
def test_a_step_is_projected_onto_the_simplex(rate):
    case = overlapping_sources(3, n_sources=2)
    scaled = case._replace(
        sources=[(3 * points, masses) for points, masses in case.sources],
        target=(3 * case.target[0], case.target[1]),
    )
    objective = ExactLoss(scaled.problem())
    first = objective(np.full(2, 0.5))
    # Two weights sum to one: the step is one of the first weight, cut off at 0 and 1.
    slope = objective.unit * (first.plane.slope[0] - first.plane.slope[1]) / 2
    weight = np.clip(0.5 - rate * slope, 0, 1)
    second = objective(np.array([weight, 1 - weight]))
    found = solve_gradient(objective, rule(3, 1e-4), rate)
    expected = objective.unit * np.array([first.value, second.value])
    assert_allclose(found.curve[:2], expected, rtol=1e-9)


@pytest.mark.parametrize("max_iter", [1, 2, 5])
def test_all_problems_of_the_rule_are_solved(max_iter):
    objective = ExactLoss(overlapping_sources(4, n_sources=3).problem())
    found = solve_gradient(objective, rule(max_iter, 1e-12), 0.1)
    assert len(found.curve) == max_iter
    assert_allclose(found.curve[0], objective.unit * objective(np.full(3, 1 / 3)).value)


def test_it_tells_of_each_step():
    objective = ExactLoss(overlapping_sources(5, n_sources=3).problem())
    check_watch(
        lambda watch: solve_gradient(objective, StoppingRule(6, 0.1, 0.1, watch), 0.1),
        3,
    )
