import numpy as np
import ot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import wasserstein_distance

from skwot._ot import transport
from skwot._ot.ground_costs import ground_cost
from skwot._ot.transport import (
    _repair_plan,
    c_transform,
    is_optimal,
    solve_transport,
)


def random_problem(seed, n=7, m=5):
    rng = np.random.default_rng(seed)
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    return a, b, rng.random((n, m))


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 30), st.integers(1, 30))
def test_plan_and_potentials_prove_the_value(seed, n, m):
    a, b, cost = random_problem(seed, n, m)
    solved = solve_transport(a, b, cost)
    assert_allclose(solved.plan.sum(axis=1), a, atol=1e-14)
    assert_allclose(solved.plan.sum(axis=0), b, atol=1e-14)
    assert (solved.plan >= 0).all()
    assert (solved.alpha[:, None] + solved.beta <= cost + 1e-14).all()
    assert_allclose(a @ solved.alpha + b @ solved.beta, solved.value, atol=1e-13)
    assert_allclose(solved.value, ot.emd2(a, b, cost), rtol=1e-12)


def test_one_dimensional_closed_form():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 50))
    a, b = rng.dirichlet(np.ones(50), size=2)
    cost = ground_cost(x[:, None], y[:, None], "euclidean")
    assert_allclose(
        solve_transport(a, b, cost).value,
        wasserstein_distance(x, y, a, b),
        rtol=1e-12,
    )


def test_the_start_does_not_change_the_value():
    a, b, cost = random_problem(0, 20, 30)
    cold = solve_transport(a, b, cost)
    for beta in (cold.beta, np.zeros(30), np.arange(30.0)):
        assert_allclose(solve_transport(a, b, cost, beta).value, cold.value, rtol=1e-13)


@pytest.mark.parametrize(
    ("rows", "columns"), [([0, 3], [2]), ([0, 3], []), ([], [2]), ([], [])]
)
@pytest.mark.parametrize("start", [None, np.arange(5.0)])
def test_massless_atoms_get_feasible_potentials(rows, columns, start):
    a, b, cost = random_problem(1)
    a[rows], b[columns] = 0, 0
    a, b = a / a.sum(), b / b.sum()
    solved = solve_transport(a, b, cost, start)
    assert_allclose(solved.alpha, c_transform(cost, solved.beta), atol=1e-14)
    assert_allclose(solved.beta, c_transform(cost.T, solved.alpha), atol=1e-14)
    assert_allclose(solved.plan.sum(axis=1), a, rtol=0, atol=1e-15)
    assert_allclose(solved.plan.sum(axis=0), b, rtol=0, atol=1e-15)
    assert_allclose(np.vdot(solved.plan, cost), solved.value)
    assert_allclose(a @ solved.alpha + b @ solved.beta, solved.value)


def test_masses_below_the_solvers_tolerance_are_still_transported():
    cost = np.array([[0.0, 1.0], [1.0, 0.0]])
    a = np.array([1 - 1e-12, 1e-12])
    b = np.array([1e-11, 1 - 1e-11])
    solved = solve_transport(a, b, cost)
    assert_allclose(solved.plan.sum(axis=1), a, rtol=0, atol=1e-16)
    assert_allclose(solved.plan.sum(axis=0), b, rtol=0, atol=1e-16)
    assert_allclose(solved.value, 1 - 1.1e-11, rtol=1e-14)


def test_costs_of_zero_to_rounding_have_any_plan():
    cost = np.array([[4.27e-13, 1.3e-13], [2.2e-13, 0.0]])
    found = solve_transport(np.array([0.3, 0.7]), np.array([0.6, 0.4]), cost)
    assert_allclose(found.plan.sum(axis=1), [0.3, 0.7])
    assert is_optimal(found.plan, cost, 0.0)
    assert not is_optimal(np.eye(2) / 2, np.eye(2), 0.0)


@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e6])
def test_a_plan_may_cost_more_than_the_dual_by_rounding_of_the_largest_cost(scale):
    plan, cost = np.eye(2) / 2, scale * np.array([[0.5, 1.0], [1.0, 0.5]])
    assert is_optimal(plan, cost, 0.5 * scale * (1 - 1e-10))
    assert not is_optimal(plan, cost, 0.5 * scale * (1 - 1e-7))


def disturbed(monkeypatch, change, *, when=lambda options: True):
    """Let POT's network simplex return something else."""
    emd = ot.emd

    def wrong(*arguments, **options):
        flow, log = emd(*arguments, **options)
        return change(flow, log) if when(options) else (flow, log)

    monkeypatch.setattr(ot, "emd", wrong)


FAILURES = {
    "status": lambda flow, log: (flow, log | {"result_code": 3}),
    "plan": lambda flow, log: (flow[::-1, ::-1].copy(), log),
    "potentials": lambda flow, log: (flow, log | {"v": log["v"] + np.arange(3)}),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_failure_of_the_simplex_is_noticed(monkeypatch, failure):
    third = np.full(3, 1 / 3)
    cost = abs(np.arange(3) - np.array([[0.1], [1.3], [0.2]]))
    value = solve_transport(third, third, cost).value
    disturbed(monkeypatch, failure)
    for start in (None, np.zeros(3)):
        with pytest.raises(RuntimeError, match=r"status \d on a problem of 3 x 3"):
            solve_transport(third, third, cost, start)
    # A start that leads astray is left out.
    monkeypatch.undo()
    disturbed(monkeypatch, failure, when=lambda o: o["potentials_init"] is not None)
    assert solve_transport(third, third, cost, np.zeros(3)).value == value


@pytest.mark.parametrize("offset", [-1e3, 1e3])
def test_an_offset_of_the_potentials_does_not_matter(monkeypatch, offset):
    a, b, cost = random_problem(2)
    expected = solve_transport(a, b, cost)
    disturbed(monkeypatch, lambda flow, log: (flow, log | {"v": log["v"] + offset}))
    for start in (None, expected.beta + offset):
        found = solve_transport(a, b, cost, start)
        assert_allclose(found.value, expected.value, rtol=1e-13)
        assert_allclose(found.beta - found.beta[0], expected.beta - expected.beta[0])


def test_a_solved_start_needs_few_pivots(monkeypatch):
    a, b, cost = random_problem(3, 40, 30)
    solved = solve_transport(a, b, cost)
    monkeypatch.setattr(transport, "MAX_PIVOTS", 60)
    with (
        pytest.warns(UserWarning, match="numItermax reached"),  # POT's own
        pytest.raises(RuntimeError, match="status"),
    ):
        solve_transport(a, b, cost)
    assert_allclose(solve_transport(a, b, cost, solved.beta).value, solved.value)


def wrong_plan(seed, error):
    """A plan of which some rows and columns hold too much, others too little."""
    rng = np.random.default_rng(seed)
    a, b, cost = random_problem(seed)
    plan = solve_transport(a, b, cost).plan
    plan = plan * (1 + error * rng.uniform(-1, 1, cost.shape))
    return plan, a, b, cost


@pytest.mark.parametrize("error", [1.0, 1e-6, 1e-12])
@pytest.mark.parametrize("seed", range(3))
def test_a_repaired_plan_has_the_marginals_and_is_near(seed, error):
    plan, a, b, cost = wrong_plan(seed, error)
    if error == 1:
        plan[1], plan[:, 3] = 0, 0
    before = plan.copy()
    repaired, value = _repair_plan(plan, a, b, cost)
    assert (repaired >= 0).all()
    assert_allclose(repaired.sum(axis=1), a, rtol=1e-14)
    assert_allclose(repaired.sum(axis=0), b, rtol=1e-14)
    assert_allclose(value, (repaired * cost).sum(), rtol=1e-14)
    # Altschuler, Weed & Rigollet (2017), lemma 7.
    missing = abs(plan.sum(axis=1) - a).sum() + abs(plan.sum(axis=0) - b).sum()
    assert abs(repaired - plan).sum() <= 2 * missing + 1e-15
    assert (plan == before).all()


def test_a_repair_that_needs_no_cut_only_adds():
    plan, a, b, cost = wrong_plan(4, 1e-3)
    plan *= 0.9
    repaired, _ = _repair_plan(plan, a, b, cost)
    assert (repaired >= plan).all()
    # Where the columns hold enough there is nothing to add.
    row = np.array([[0.5, 0.5], [0.5, 0.5]])
    repaired, _ = _repair_plan(row, np.full(2, 0.5), np.full(2, 0.5), np.ones((2, 2)))
    assert_allclose(repaired, 0.25)


def test_a_plan_with_the_marginals_stays_as_it_is():
    plan = np.array([[0.25, 0.25], [0.0, 0.5]])
    a, b = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    repaired, value = _repair_plan(plan, a, b, np.eye(2))
    assert repaired is plan
    assert value == 0.75
