import numpy as np
import pytest
from numpy.testing import assert_allclose

from skwot._ot.transport import solve_transport
from skwot._unmixing.solvers.column_generation.arcs import (
    Arcs,
    BlockProblem,
    reduced_costs,
)
from skwot._unmixing.solvers.column_generation.network import (
    Box,
    network_simplex,
    plan_cost,
    starting_flow,
)
from skwot._unmixing.solvers.column_generation.sinkhorn import entropic_start
from tests.generators.measures import overlapping_sources


def block_problem(seed, **parameters):
    problem = overlapping_sources(seed, n_sources=3).problem(**parameters)
    cost = problem.costs()
    return BlockProblem(cost, problem.marginals.in_unit(cost.unit))


def all_arcs(problem):
    cost = problem.cost.whole()
    i, j = np.indices(cost.shape)
    return Arcs(i.ravel(), j.ravel(), cost.ravel()), cost


WEIGHTS = np.array([0.5, 0.3, 0.2])


@pytest.mark.parametrize("seed", range(5))
def test_a_flow_over_all_arcs_is_the_transport(seed):
    problem = block_problem(seed)
    arcs, cost = all_arcs(problem)
    n, m = cost.shape
    a, b = problem.marginals.masses @ WEIGHTS, problem.marginals.target
    flow = network_simplex(a, b, arcs, np.full(n + m, 1e3), np.zeros(n), np.zeros(m))
    expected = solve_transport(a, b, cost)
    assert flow.stranded <= 1e-15  # what the sums of the masses differ by
    real = flow.is_real
    value = flow.mass[real] @ cost[flow.source[real], flow.target[real]]
    assert_allclose(value, expected.value, rtol=1e-12)
    dual = a @ flow.alpha + b @ flow.beta
    assert_allclose(dual, expected.value, rtol=1e-7)
    assert reduced_costs(arcs, flow.alpha, flow.beta).min() > -1e-7


def test_mass_without_an_arc_goes_over_the_ground_node():
    problem = block_problem(1)
    arcs, cost = all_arcs(problem)
    n, m = cost.shape
    a, b = problem.marginals.masses @ WEIGHTS, problem.marginals.target
    few = arcs.select(arcs.target != 0)
    flow = network_simplex(a, b, few, np.full(n + m, 1e3), np.zeros(n), np.zeros(m))
    # Counted at both ends.
    assert_allclose(flow.stranded, 2 * b[0], rtol=1e-9)


def test_a_box_grows():
    box = Box(np.arange(3.0), 2.0)
    assert_allclose(box.cost, [2, 3, 4])
    assert (box.grown().cost > box.cost).all()


@pytest.mark.parametrize("seed", range(5))
def test_the_starting_flow_is_optimal_over_the_pool(seed):
    problem = block_problem(seed)
    start = entropic_start(problem)
    arcs, pool, flow, box = starting_flow(problem, WEIGHTS, start)
    a, b = problem.marginals.masses @ WEIGHTS, problem.marginals.target
    pooled = np.full(problem.cost.shape, 1e3)
    pooled[pool.source, pool.target] = pool.cost
    expected = solve_transport(a, b, pooled).value
    assert_allclose(flow.mass[flow.is_real].sum(), 1, rtol=1e-12)
    assert_allclose(a @ flow.alpha + b @ flow.beta, expected, rtol=1e-6)
    assert reduced_costs(pool, flow.alpha, flow.beta).min() > -1e-7
    assert len(arcs.cost) <= len(pool.cost)
    assert len(box.centre) == sum(problem.cost.shape)


@pytest.mark.parametrize("kept", ["all", "few"])
@pytest.mark.parametrize("seed", range(4))
def test_the_cost_of_a_plan_is_that_of_a_feasible_one(seed, kept):
    surcharges = np.array([0.1, 0.0, 0.3])
    problem = block_problem(seed, surcharges=surcharges)
    arcs, cost = all_arcs(problem)
    a, b = problem.marginals.masses @ WEIGHTS, problem.marginals.target
    solved = solve_transport(a, b, cost)
    if kept == "few":
        # One column cannot be served, so that its mass has to be coupled by hand.
        arcs = arcs.select(arcs.target != 0)
    n, m = cost.shape
    box = Box(np.zeros(n + m), 1.0)
    value = plan_cost(problem, WEIGHTS, arcs, box, solved.alpha, solved.beta)
    charged = problem.marginals.surcharges @ WEIGHTS
    if kept == "all":
        assert_allclose(value, solved.value + charged, rtol=1e-12)
    else:
        assert solved.value + charged <= value <= cost.max() + charged
