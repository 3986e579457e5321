"""What has to hold for every solution of an unmixing problem."""

import numpy as np
import torch
from numpy.testing import assert_allclose

from skwot._unmixing.solve import solve
from tests.exact import solve_dense_lp
from tests.generators.measures import settings
from tests.generators.ties import KINDS, draw_problem

SOLVERS = {"auto": 1e-9, "pgd": 1e-4}  # and the relative gaps that they promise


def check_problem(seed):
    """Solve a generated problem by every solver, and check all that is promised."""
    rng = np.random.default_rng(seed)
    kind = list(KINDS)[seed % len(KINDS)]
    problem = draw_problem(kind, rng, int(rng.integers(5, 40)), int(rng.integers(1, 7)))
    costs = problem.costs()
    cost, (masses, target, _) = costs.unit * costs.whole(), problem.marginals
    optimum, _ = solve_dense_lp(cost, masses.toarray(), target)
    for solver, gap in SOLVERS.items():
        found = solve(problem, settings(solver=solver))
        check_solution(problem, cost, found)
        # The reference has absolute tolerances in units of the mean cost.
        allowed = max(gap * found.value, 1e-9 * cost.mean())
        assert found.converged
        assert found.value <= optimum + allowed
        assert found.lower_bound <= optimum + 1e-9 * max(optimum, cost.mean())
        assert found.value >= optimum - 1e-9 * max(optimum, cost.mean())


def check_solution(problem, cost, found):
    """Check weights and certificate with nothing but the definition of the problem."""
    weights, marginals = found.weights, problem.marginals
    assert_allclose(weights.sum(), 1, rtol=1e-14)
    assert ((weights == 0) | (weights >= 1e-12)).all()
    assert (found.alpha[:, None] + found.beta <= cost + 1e-13 * cost.max()).all()
    bound = marginals.bound(found.alpha, found.beta)
    assert_allclose(found.lower_bound, bound, rtol=1e-11, atol=1e-12 * cost.mean())
    assert found.lower_bound <= found.value


def check_gradient(objective):
    """Check the gradient of a loss against finite differences."""
    n_sources = objective.marginals.n_weights
    logits = torch.arange(n_sources, dtype=torch.float64) / 10

    def value(logits):
        return objective.differentiable(torch.softmax(logits, 0))[0]

    assert torch.autograd.gradcheck(value, [logits.requires_grad_()])


def check_planes_below(planes, objective, atol=1e-12):
    """Check that planes are nowhere above the loss, at random weights."""
    n_sources = objective.marginals.n_weights
    for weights in np.random.default_rng(2).dirichlet(np.ones(n_sources), size=10):
        value = objective(weights).value
        for plane in planes:
            assert plane.slope @ weights + plane.offset <= value + atol


class Recorder:
    """A watch that keeps the results of all steps, and stops at one of them."""

    def __init__(self, last=None):
        self.results, self._last = [], last

    @property
    def stopped(self):
        return len(self.results) == self._last

    def __call__(self, snapshot):
        self.results.append(snapshot())
        return self.stopped


def check_watch(solve, n_steps):
    """Check that a solver, given a watch, tells of each step and stops when asked."""
    every, some = Recorder(), Recorder(n_steps)
    whole, found = solve(every), solve(some)
    assert [len(one.curve) for one in every.results] == [
        1 + i for i in range(len(whole.curve))
    ]
    assert len(some.results) == len(found.curve) == n_steps
    for one, other in zip(some.results, every.results, strict=False):
        assert_allclose(one.value, other.value, rtol=1e-9)
        assert_allclose(one.value, one.curve.min(), rtol=1e-14)
        assert isinstance(one.converged, bool | np.bool_)
    assert_allclose(found.value, some.results[-1].value, rtol=1e-14)
    assert found.lower_bound <= whole.value * (1 + 1e-12)
