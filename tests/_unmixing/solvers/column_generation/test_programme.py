import numpy as np
import pytest
from numpy.testing import assert_allclose

from skwot._ot.transport import solve_transport
from skwot._unmixing.problem import SolverFailed
from skwot._unmixing.solvers.column_generation import programme as module
from skwot._unmixing.solvers.column_generation.arcs import Arcs, BlockProblem
from skwot._unmixing.solvers.column_generation.network import (
    Box,
    network_simplex,
    starting_flow,
)
from skwot._unmixing.solvers.column_generation.programme import JointProgramme
from skwot._unmixing.solvers.column_generation.sinkhorn import entropic_start
from tests.exact import solve_dense_lp
from tests.generators.measures import overlapping_sources

SURCHARGES = np.array([0.2, 0.0, 0.1])
WEIGHTS = np.array([0.5, 0.3, 0.2])


def programme_of(seed, weights):
    """The programme at its start, its problem, and all arcs."""
    posed = overlapping_sources(seed, n_sources=3).problem(surcharges=SURCHARGES)
    cost = posed.costs()
    problem = BlockProblem(cost, posed.marginals.in_unit(cost.unit))
    arcs, _, flow, box = starting_flow(problem, weights, entropic_start(problem))
    i, j = np.indices(cost.shape)
    every = Arcs(i.ravel(), j.ravel(), cost.whole().ravel())
    return JointProgramme(problem, weights, arcs, flow, box), problem, every


def sparse_programme(seed, width, **case):
    """The programme over nothing but the arcs of an optimal flow, in a box."""
    case = overlapping_sources(seed, **{"n_sources": 3} | case)
    n_sources = len(case.sources)
    posed = case.problem(surcharges=SURCHARGES[:n_sources])
    cost = posed.costs()
    problem = BlockProblem(cost, posed.marginals.in_unit(cost.unit))
    (n, m), (i, j) = cost.shape, np.indices(cost.shape)
    every = Arcs(i.ravel(), j.ravel(), cost.whole().ravel())
    weights = np.array([0.6, 0.3, 0.1])[:n_sources]
    weights = weights / weights.sum()
    a, b = problem.marginals.masses @ weights, problem.marginals.target
    ground = np.full(n + m, 1e2)
    flow = network_simplex(a, b, every, ground, np.zeros(n), np.zeros(m))
    shift = a @ flow.alpha
    flow = flow._replace(alpha=flow.alpha - shift, beta=flow.beta + shift)
    used = flow.source[flow.is_real] * m + flow.target[flow.is_real]
    arcs = every.select(used)
    box = Box(np.append(flow.alpha, flow.beta), width)
    return JointProgramme(problem, weights, arcs, flow, box), problem, every, box


def optimum_of(problem):
    masses, target, surcharges = problem.marginals
    matrix = problem.cost.whole()
    return solve_dense_lp(matrix, masses.toarray(), target, surcharges)[0]


def loss_at(problem, weights):
    """The loss by a solver that knows nothing of the weights."""
    masses, target, surcharges = problem.marginals
    found = solve_transport(masses @ weights, target, problem.cost.whole())
    return found.value + surcharges @ weights


@pytest.mark.parametrize("weights", [[0.5, 0.3, 0.2], [1.0, 0.0, 0.0], [0.2, 0.8, 0.0]])
@pytest.mark.parametrize("seed", range(5))
def test_over_all_arcs_it_is_the_dense_programme(seed, weights):
    programme, problem, every = programme_of(seed, np.array(weights))
    before = programme.solve()
    programme.add(programme.missing(every))
    assert len(programme.missing(every).cost) == 0
    found = programme.solve()
    optimum = optimum_of(problem)
    assert_allclose(found.value, optimum, rtol=1e-9)
    assert_allclose(loss_at(problem, found.weights), optimum, rtol=1e-9)
    assert found.value <= before.value * (1 + 1e-9)
    assert_allclose(found.weights.sum(), 1)
    assert (found.weights >= 0).all()
    assert found.stranded <= 1e-13
    # Strong duality.
    bound = problem.marginals.bound(found.alpha, found.beta)
    assert_allclose(bound, optimum, rtol=1e-9)
    reduced = problem.cost.whole() - found.alpha[:, None] - found.beta
    assert reduced.min() > -1e-9


def test_missing_arcs_are_those_it_does_not_have():
    programme, problem, every = programme_of(7, np.full(3, 1 / 3))
    missing = programme.missing(every)
    assert len(missing.cost) + len(programme.arcs.cost) == len(every.cost)
    m = len(problem.marginals.target)
    known = programme.arcs.source * m + programme.arcs.target
    assert not np.isin(missing.source * m + missing.target, known).any()


@pytest.mark.parametrize("seed", range(5))
def test_arcs_that_join_take_part(seed):
    programme, problem, every, _ = sparse_programme(seed, 1e2)
    optimum = optimum_of(problem)
    assert programme.solve().value > (1 + 1e-6) * optimum
    missing = programme.missing(every)
    # In two parts, so that the second finds a basis that the first has changed.
    for part in (missing.select(slice(None, None, 2)), missing):
        programme.add(programme.missing(part))
        found = programme.solve()
    assert_allclose(found.value, optimum, rtol=1e-12)
    assert_allclose(loss_at(problem, found.weights), optimum, rtol=1e-9)
    bound = problem.marginals.bound(found.alpha, found.beta)
    assert_allclose(bound, found.value, rtol=1e-12)


def test_a_tight_box_strands_all_mass_until_it_is_widened():
    programme, problem, every, box = sparse_programme(1, 1e2)
    programme.add(programme.missing(every))
    programme.set_box(Box(np.zeros(len(box.centre)), 1e-4))
    found = programme.solve()
    # All of the target is, and no weight is worth its surcharge: the start's are kept.
    assert_allclose(found.stranded, 1)
    assert_allclose(found.weights, [0.6, 0.3, 0.1])
    programme.set_box(box)
    found = programme.solve()
    assert found.stranded <= 1e-13
    assert_allclose(found.value, optimum_of(problem), rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_optimal_flow_of_one_source_needs_hardly_a_step(seed):
    programme, problem, _, _ = sparse_programme(seed, 1e2, n_sources=1)
    value = programme.solve().value
    assert_allclose(value, optimum_of(problem), rtol=1e-9)
    assert programme._solver.getInfo().simplex_iteration_count <= 2


@pytest.mark.parametrize("seed", range(3))
def test_the_first_basis_is_a_spanning_tree_with_the_flow(seed):
    _, problem, every, box = sparse_programme(seed, 1e2)
    n, m = problem.cost.shape
    a, b = problem.marginals.masses @ WEIGHTS, problem.marginals.target
    flow = network_simplex(a, b, every, box.cost, np.zeros(n), np.zeros(m))
    basic, ground = module._spanning_tree(every, flow, box)
    assert np.count_nonzero(basic) + np.count_nonzero(ground) == n + m
    used = flow.source[flow.is_real] * m + flow.target[flow.is_real]
    assert basic[used].all()
    # All but the arcs that have to complete the forest are tight.
    reduced = every.cost - flow.alpha[every.source] - flow.beta[every.target]
    assert np.count_nonzero(basic & (reduced > 1e-6)) <= n + m - len(used)


def test_a_failure_is_tried_again_from_scratch(monkeypatch):
    programme, _, every = programme_of(2, WEIGHTS)
    programme.add(programme.missing(every))
    expected, calls, original = programme.solve(), [], module.optimise

    def failing_once(solver):
        calls.append(solver.getOptionValue(module._PERTURBATION)[1])
        if len(calls) == 1:
            raise SolverFailed("HiGHS ended with status 'Unknown'.")
        return original(solver)

    monkeypatch.setattr(module, "optimise", failing_once)
    assert_allclose(programme.solve().value, expected.value, rtol=1e-9)
    # The second time with perturbed bounds.
    assert calls == [0, 1]
