import numpy as np
import pytest

from skwot._unmixing.losses.divergence import DivergenceLoss
from skwot._unmixing.losses.exact import ExactLoss
from skwot._unmixing.solvers.bundle import solve_bundle
from skwot._unmixing.solvers.gradient import solve_gradient
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
