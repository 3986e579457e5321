import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skwot._ot.transport import solve_transport
from skwot._unmixing.problem import SolverFailed
from skwot._unmixing.solvers.column_generation import network
from skwot._unmixing.solvers.column_generation.arcs import (
    Arcs,
    BlockProblem,
    reduced_costs,
)
from skwot._unmixing.solvers.column_generation.network import (
    Box,
    Flow,
    flow_cost,
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
    for width in (0.1, 2.0, 40.0):
        box = Box(np.arange(3.0), width)
        assert_allclose(box.cost, np.arange(3) + width)
        assert_array_equal(box.grown().centre, box.centre)
        assert box.grown().width > 2 * width


def test_a_box_that_is_wider_than_all_costs_cuts_off_nothing():
    cost = block_problem(0).cost
    largest = cost.whole().max()
    assert Box(np.zeros(3), 4.01 * largest).is_wide(cost)
    assert not Box(np.zeros(3), 0.99 * largest).is_wide(cost)
    # Potentials that are larger than all costs need a wider box.
    assert not Box(np.array([0.0, -9 * largest]), 8 * largest).is_wide(cost)


def test_a_simplex_that_does_not_end_is_a_failure(monkeypatch):
    monkeypatch.setattr(network, "MAX_PIVOTS", 1)
    problem = block_problem(2)
    arcs, (n, m) = all_arcs(problem)[0], problem.cost.shape
    a, b = problem.marginals.masses @ WEIGHTS, problem.marginals.target
    with pytest.raises(SolverFailed, match="status"):
        network_simplex(a, b, arcs, np.full(n + m, 1e3), np.zeros(n), np.zeros(m))


def misplace(share):
    def spoil(mass, alpha):
        mass[mass.argmax()] += share * network._MASS

    return spoil


def flow_backwards(mass, alpha):
    mass[mass.argmin()] = -1e-9 * network._MASS


def lose_a_potential(mass, alpha):
    alpha[0] = np.nan


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (misplace(1e-12), None),
        (misplace(1e-10), "misplaced 2e-10 of the mass"),
        (misplace(-1e-10), "misplaced 2e-10 of the mass"),
        (flow_backwards, "misplaced .* of the mass"),
        (lose_a_potential, "misplaced .* of the mass"),
    ],
)
def test_a_simplex_that_misplaces_mass_is_a_failure(spoil, message, monkeypatch):
    simplex = network.emd_c_sparse

    def spoiled_simplex(*arguments):
        i, j, mass, value, alpha, beta, status = simplex(*arguments)
        spoil(mass, alpha)
        return i, j, mass, value, alpha, beta, status

    monkeypatch.setattr(network, "emd_c_sparse", spoiled_simplex)
    problem = block_problem(2)
    arcs, (n, m) = all_arcs(problem)[0], problem.cost.shape
    a, b = problem.marginals.masses @ WEIGHTS, problem.marginals.target
    given = a, b, arcs, np.full(n + m, 1e3), np.zeros(n), np.zeros(m)
    if message is None:
        assert_allclose(network_simplex(*given).mass.sum(), 2, rtol=1e-9)
    else:
        with pytest.raises(SolverFailed, match=message):
            network_simplex(*given)


@pytest.mark.parametrize("lost", [0.0, 1e-13])
def test_stranded_mass_is_coupled(lost):
    cost = block_problem(3).cost
    left, right = np.array([0.1, 0.3, 0.2]), (1 - lost) * np.array([0.25, 0.35])
    (n, m), rows, columns = cost.shape, [4, 0, 2], [1, 3]
    flow = Flow(
        np.array([5, *rows, n, n]),
        np.array([6, m, m, m, *columns]),
        np.concatenate([[0.4], left, right]),
        np.zeros(n),
        np.zeros(m),
    )
    assert_allclose(flow.stranded, left.sum() + right.sum())
    # In the order of the atoms: 0.1 and 0.15 go to the first, the rest to the second.
    c = cost.whole()
    expected = 0.4 * c[5, 6] + 0.1 * c[4, 1] + 0.15 * c[0, 1]
    expected += 0.15 * c[0, 3] + 0.2 * c[2, 3]
    assert_allclose(flow_cost(cost, flow), expected, rtol=1e-11)


@pytest.mark.parametrize("weights", [WEIGHTS, np.array([0.0, 1.0, 0.0])])
@pytest.mark.parametrize("per_point", [0.0, 3.0])
@pytest.mark.parametrize("seed", range(5))
def test_the_starting_flow_is_optimal_over_the_pool(
    seed, per_point, weights, monkeypatch
):
    # With few arcs at first, others have to join.
    monkeypatch.setattr(network, "_ARCS_PER_POINT", per_point)
    problem = block_problem(seed)
    start = entropic_start(problem)
    arcs, pool, flow, box = starting_flow(problem, weights, start)
    a, b = problem.marginals.masses @ weights, problem.marginals.target
    pooled = np.full(problem.cost.shape, 1e3)
    pooled[pool.source, pool.target] = pool.cost
    expected = solve_transport(a, b, pooled).value
    if (weights > 0).all():
        assert_allclose(flow.mass[flow.is_real].sum(), 1, rtol=1e-12)
        assert_allclose(a @ flow.alpha + b @ flow.beta, expected, rtol=1e-6)
    else:
        # The arcs around weights elsewhere may not carry all mass, in any box.
        assert flow.stranded <= 1e-13 or box.is_wide(problem.cost)
    assert reduced_costs(pool, flow.alpha, flow.beta).min() > -1e-7
    assert len(arcs.cost) <= len(pool.cost)
    # The box is around the start's potentials, the sources' zero in the mean.
    centre = np.split(box.centre, [len(a)])
    assert_allclose(a @ centre[0], 0, atol=1e-12)
    assert_allclose(
        centre[0][:, None] + centre[1], start.alpha[:, None] + start.beta, atol=1e-12
    )
    assert box.width >= 20 * start.eps * (1 - 1e-12)


def test_mass_that_the_pool_strands_gets_arcs_of_its_own():
    problem = block_problem(4)
    arcs, cost = all_arcs(problem)
    solved = entropic_start(problem)
    # Nothing in the pool serves half of the columns.
    start = solved._replace(pool=arcs.select(arcs.target % 2 == 0), eps=1e-3)
    _, pool, flow, box = starting_flow(problem, WEIGHTS, start)
    assert flow.stranded <= 1e-12 or box.is_wide(problem.cost)
    assert set(pool.target) == set(range(cost.shape[1]))
    assert reduced_costs(pool, flow.alpha, flow.beta).min() > -1e-7


@pytest.mark.parametrize("seed", range(3))
def test_a_box_that_strands_mass_at_the_start_is_grown(seed, monkeypatch):
    monkeypatch.setattr(network, "_BOX", 1e-9)
    problem = block_problem(seed)
    start = entropic_start(problem)
    _, pool, flow, box = starting_flow(problem, WEIGHTS, start)
    assert box.width > 1e-9 * start.eps
    assert flow.stranded <= 1e-13
    assert_allclose(flow.mass[flow.is_real].sum(), 1, rtol=1e-12)
    assert reduced_costs(pool, flow.alpha, flow.beta).min() > -1e-7


def test_the_first_arcs_are_about_three_a_point():
    problem = block_problem(0, outlier_cost=1.0)
    arcs, (n, m) = all_arcs(problem)[0], problem.cost.shape
    chosen = network._first_arcs(arcs, np.zeros(n), np.zeros(m))
    size = min(3 * (n + m), n * m)
    assert size <= np.count_nonzero(chosen) <= min(size + n + m, n * m)
    few = arcs.select(arcs.source == 0)  # of one row, all arcs are first ones
    assert network._first_arcs(few, np.zeros(n), np.zeros(m)).all()


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
    # No arc is tight at other potentials, nor is a narrow box in the way.
    n_all, narrow = all_arcs(problem)[0], Box(np.zeros(n + m), 0.0)
    again = plan_cost(problem, WEIGHTS, n_all, narrow, np.zeros(n), np.zeros(m))
    assert_allclose(again, solved.value + charged, rtol=1e-9)
    if kept == "all":
        assert_allclose(value, solved.value + charged, rtol=1e-12)
    else:
        assert solved.value + charged <= value <= cost.max() + charged
