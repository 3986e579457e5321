from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skwot._unmixing.losses import line
from skwot._unmixing.losses.exact import ExactLoss
from skwot._unmixing.problem import Problem, StoppingRule
from skwot._unmixing.solvers import bundle, cutting_planes
from skwot._unmixing.solvers.bundle import solve_bundle
from skwot._unmixing.solvers.cutting_planes import CuttingPlanes
from tests._unmixing.checks import check_watch
from tests.exact import solve_dense_lp
from tests.generators.measures import gaussians, overlapping_sources, rule
from tests.watching import Watching


def optimum_of(problem):
    """The least loss, by the dense linear programme, and the costs."""
    costs = problem.costs()
    matrix = costs.unit * costs.whole()
    masses, target, surcharges = problem.marginals
    return solve_dense_lp(matrix, masses.toarray(), target, surcharges)[0], matrix


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
@pytest.mark.parametrize("seed", range(20))
def test_optimum_is_the_linear_programmes(seed, metric):
    problem = overlapping_sources(seed, repeated=seed % 3 == 0).problem(metric)
    found = solve_bundle(ExactLoss(problem), rule(500, 1e-10))
    assert found.converged
    assert_allclose(found.value, optimum_of(problem)[0], rtol=1e-8)
    assert_allclose(found.weights.sum(), 1)
    assert (found.weights >= 0).all()


@pytest.mark.parametrize("outlier_cost", [None, 1.0])
@pytest.mark.parametrize("seed", range(10))
def test_surcharges_are_costs_of_the_weights(seed, outlier_cost):
    n_weights = 4 + (outlier_cost is not None)
    surcharges = 0.3 * np.random.default_rng(seed).uniform(size=n_weights)
    problem = overlapping_sources(seed, n_sources=4).problem(
        outlier_cost=outlier_cost, surcharges=surcharges
    )
    found = solve_bundle(ExactLoss(problem), rule(500, 1e-10))
    assert found.converged
    assert_allclose(found.value, optimum_of(problem)[0], rtol=1e-8)
    bound = problem.marginals.bound(found.alpha, found.beta)
    assert_allclose(bound, found.lower_bound, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_certificate_holds_and_can_be_checked(seed):
    problem = overlapping_sources(seed, n_sources=4).problem()
    found = solve_bundle(ExactLoss(problem), rule(4, 1e-12))
    optimum, cost = optimum_of(problem)
    assert (found.alpha[:, None] + found.beta <= cost + 1e-14 * cost.max()).all()
    bound = problem.marginals.bound(found.alpha, found.beta)
    assert_allclose(bound, found.lower_bound, atol=1e-12)
    assert found.lower_bound <= optimum + 1e-10
    assert found.value >= optimum - 1e-10


def test_leaves_torch_as_it_was():
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    state = torch.random.get_rng_state()
    solve_bundle(ExactLoss(overlapping_sources(1).problem()), rule(50, 1e-4))
    assert torch.get_num_threads() == threads
    assert torch.get_default_dtype() == dtype
    assert torch.equal(torch.random.get_rng_state(), state)


class Recorded(ExactLoss):
    """A loss that keeps where it was evaluated."""

    def __init__(self, problem):
        super().__init__(problem)
        self.points = []

    def __call__(self, weights):
        self.points.append(weights)
        return super().__call__(weights)


@pytest.mark.parametrize("seed", range(4))
def test_steps_go_halfway_down_and_to_the_minimiser_of_the_planes_at_the_end(seed):
    objective = Recorded(overlapping_sources(seed, n_sources=5).problem())
    found = solve_bundle(objective, rule(60, 1e-8))
    assert len(found.curve) == len(objective.points)
    planes, kinds = CuttingPlanes(objective), set()
    for weights, following in pairwise(objective.points.copy()):
        planes.evaluate(weights)
        minimiser = planes.raise_lower_bound()
        height = (planes.slopes @ following + planes.offsets).max()
        far = planes.gap > 1e-4 * planes.best.value
        kinds.add(far)
        if far:
            # All planes are at or below the middle of the gap, and one is at it.
            goal = planes.lower_bound + planes.gap / 2
            assert_allclose(height, goal, atol=1e-6 * planes.gap)
        else:
            # HiGHS's tolerance is 1e-7, in units of the gap or of the steepest slope.
            assert_allclose(height, planes.lower_bound, atol=1e-6 * planes.gap)
            assert_allclose(following, minimiser, atol=1e-6)
    assert kinds == {False, True}


@pytest.mark.parametrize("max_iter", [1, 2, 3])
def test_no_more_problems_are_solved_than_the_rule_says(max_iter):
    objective = ExactLoss(overlapping_sources(7, n_sources=6).problem())
    assert len(solve_bundle(objective, rule(max_iter, 1e-12)).curve) == max_iter


def fails(*_, **__):
    """A linear programme that does not end."""
    return SimpleNamespace(status=4)


def test_one_of_the_two_programmes_suffices(monkeypatch):
    objective = ExactLoss(overlapping_sources(2, n_sources=4).problem())
    first = objective.unit * objective(objective.initial_weights()).value
    with monkeypatch.context() as patched:
        # Without the projection the steps go to the minimisers of the planes.
        patched.setattr(bundle, "project_level_set", lambda *_: None)
        found = solve_bundle(objective, rule(100, 1e-8))
        assert found.converged
        # Without both, the gap says how far this went.
        patched.setattr(cutting_planes, "linprog", fails)
        stuck = solve_bundle(objective, rule(100, 1e-8))
        assert len(stuck.curve) == 1
        assert_allclose(stuck.value, first)
        assert not stuck.converged
    monkeypatch.setattr(cutting_planes, "linprog", fails)
    some = solve_bundle(objective, rule(30, 1e-8))
    assert len(some.curve) > 1
    assert some.value < first
    assert some.lower_bound <= found.value


def test_it_tells_of_each_step():
    objective = ExactLoss(overlapping_sources(5, n_sources=5).problem())

    def solve(watch):
        return solve_bundle(objective, StoppingRule(6, 1e-10, 1e-10, watch))

    check_watch(solve, 1)
    check_watch(solve, 3)


def test_a_coarse_loss_shows_where_to_begin(monkeypatch):
    monkeypatch.setattr(line, "_COARSE_ATOMS", 100)
    measures = gaussians(1000, n_features=1)
    objective = line.LineLoss(Problem(*measures, "euclidean"))
    evaluated = Watching()
    stopping = StoppingRule(200, 1e-3, 1e-12, evaluated)
    found = solve_bundle(objective, stopping)
    # It ends at the tolerance, and only the loss itself is told of.
    assert found.converged
    assert 1e-12 < found.relative_gap <= 1e-3
    assert len(evaluated.told) == len(found.curve)
    monkeypatch.undo()
    alone = solve_bundle(objective, rule(200, 1e-3))
    assert_allclose(found.value, alone.value, rtol=2e-3)
    # The first point that is tried is as good as the coarse optimum is near.
    assert found.curve[0] < alone.curve[0]
