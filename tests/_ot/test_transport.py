import numpy as np
import ot
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import wasserstein_distance

from skwot._ot.ground_costs import ground_cost
from skwot._ot.transport import c_transform, is_optimal, solve_transport


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


def test_massless_atoms_get_feasible_potentials():
    a, b, cost = random_problem(1)
    a[[0, 3]], b[2] = 0, 0
    a, b = a / a.sum(), b / b.sum()
    solved = solve_transport(a, b, cost)
    assert_allclose(solved.alpha, c_transform(cost, solved.beta))
    assert_allclose(solved.beta, c_transform(cost.T, solved.alpha))
    assert (solved.plan[[0, 3]] == 0).all()
    assert (solved.plan[:, 2] == 0).all()
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
