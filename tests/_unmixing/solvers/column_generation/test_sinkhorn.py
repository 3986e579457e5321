import numpy as np
import pytest
from numpy.testing import assert_allclose

from skwot._unmixing.problem import Problem
from skwot._unmixing.solve import solve
from skwot._unmixing.solvers.column_generation import sinkhorn
from skwot._unmixing.solvers.column_generation.arcs import BlockProblem, reduced_costs
from skwot._unmixing.solvers.column_generation.sinkhorn import entropic_start
from tests.generators.measures import gaussians, settings


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
@pytest.mark.parametrize("coarse", [100, 1000])
def test_the_start_is_near_the_optimum(metric, coarse, monkeypatch):
    # Few coarse points make it descend through several levels of samples.
    monkeypatch.setattr(sinkhorn, "_COARSE_POINTS", coarse)
    problem = Problem(*gaussians(800), metric)
    cost = problem.costs()
    posed = BlockProblem(cost, problem.marginals.in_unit(cost.unit))
    start = entropic_start(posed)
    exact = solve(problem, settings(solver="lp"))
    assert_allclose(start.weights.sum(), 1)
    assert_allclose(start.weights, exact.weights, atol=0.03)
    # The potentials are feasible on the pool, and near the optimal ones there.
    reduced = reduced_costs(start.pool, start.alpha, start.beta)
    assert reduced.min() > -1e-12
    bound = posed.marginals.bound(start.alpha, start.beta)
    assert abs(cost.unit * bound / exact.value - 1) < 0.1
    assert start.eps > 0


def test_surcharges_move_the_weights():
    sources, target = gaussians(200, n_sources=2)
    weights = []
    for surcharge in (0.0, 0.3):
        problem = Problem(
            sources, target, "euclidean", None, surcharge * np.array([1.0, 0.0])
        )
        posed = BlockProblem(problem.costs(), problem.marginals)
        weights.append(entropic_start(posed).weights[0])
    assert weights[1] < weights[0]
