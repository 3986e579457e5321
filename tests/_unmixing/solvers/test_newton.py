import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from skwot._ot.measures import stack_measures
from skwot._unmixing.losses.semirelaxed import SemirelaxedLoss
from skwot._unmixing.problem import Problem, StoppingRule
from skwot._unmixing.solvers import newton
from skwot._unmixing.solvers.bundle import solve_bundle
from skwot._unmixing.solvers.newton import solve_newton
from skwot._unmixing.views import View
from tests._unmixing.checks import check_watch
from tests.generators.measures import measure, overlapping_sources, rule


def objective_of(seed):
    rng = np.random.default_rng(seed)
    case = overlapping_sources(seed, n_sources=int(rng.integers(1, 7)))
    n_sources = len(case.sources)
    surcharges = rng.uniform(0, 0.3, n_sources) * (seed % 2)
    problem = case.problem(surcharges=surcharges)
    return SemirelaxedLoss(problem, [View(float(rng.uniform(0.05, 1.0)), 1.0)])


def by_expectation_maximisation(objective, weights, n_steps=3000):
    for _ in range(n_steps):
        weights = weights * objective.gradient_function(weights)
        weights /= weights.sum()
    return weights


@pytest.mark.parametrize("block", range(8))
def test_weights_are_those_of_an_independent_solver(block):
    for seed in range(25 * block, 25 * (block + 1)):
        objective = objective_of(seed)
        found = solve_newton(objective, rule(500, 1e-9))
        weights, unit = found.weights, objective.unit
        assert found.converged
        assert_allclose(weights.sum(), 1, rtol=1e-14)
        assert ((weights == 0) | (weights >= 1e-12)).all()
        # Where the optimum is one point, SciPy's general solver finds it, too; its own
        # accuracy is made better by steps of expectation maximisation.
        result = minimize(
            lambda w, one=objective: (one.value(w), -one.gradient_function(w)),
            np.full(len(weights), 1 / len(weights)),
            jac=True,
            method="SLSQP",
            bounds=[(0, 1)] * len(weights),
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
            options={"ftol": 1e-16, "maxiter": 500},
        )
        other = by_expectation_maximisation(objective, np.clip(result.x, 1e-12, None))
        assert_allclose(weights, other, atol=1e-7)
        # The certificate: nothing is lower than the bound, and the gap is rounding.
        assert found.lower_bound <= unit * objective.value(other) + 1e-13
        assert found.value - found.lower_bound <= 1e-9 * abs(found.value) + 1e-12


def test_the_curve_falls():
    found = solve_newton(objective_of(3), rule(500, 1e-9))
    assert (np.diff(found.curve) <= 1e-14).all()
    assert len(found.curve) < 15


def test_descent_ends_at_the_same_weights():
    objective = objective_of(5)
    newton, bundle = (
        solve(objective, rule(500, 1e-10)) for solve in (solve_newton, solve_bundle)
    )
    assert_allclose(bundle.value, newton.value, rtol=1e-9)
    assert bundle.lower_bound <= newton.value


def test_equal_sources_share_without_a_failure():
    points = np.random.default_rng(0).normal(size=(20, 2))
    sources = stack_measures([measure(points), measure(points), measure(points + 5)])
    target = measure(np.vstack([points[:15], points[:5] + 5]))
    found = solve_newton(
        SemirelaxedLoss(Problem(sources, target, "euclidean"), [View(0.3, 1.0)]),
        rule(500, 1e-9),
    )
    assert found.converged
    assert_allclose(found.weights[:2].sum(), 0.75, atol=0.02)
    # The steps are Newton's: those of expectation maximisation are many more.
    assert len(found.curve) < 10


def test_a_single_step_says_so():
    found = solve_newton(objective_of(8), rule(1, 1e-12))
    assert len(found.curve) == 1
    assert not found.converged


@pytest.mark.parametrize("least", [1e-9, 1e-4, 1e-2])
@pytest.mark.parametrize("seed", range(1, 60, 2))
def test_each_step_descends_from_wherever_it_begins(seed, least):
    objective = objective_of(seed)
    n_sources = objective.marginals.n_weights
    rng = np.random.default_rng(seed)
    # From near a corner the quadratic model leads too far now and then.
    for drawn in rng.dirichlet(np.full(n_sources, 0.05), size=40):
        weights = np.maximum(drawn, least) / np.maximum(drawn, least).sum()
        value, gap = objective.value(weights), newton._gap(objective, weights)
        following = newton._newton_step(objective, weights, value)
        if gap > 1e-6:
            assert following is not None
        if following is not None:
            assert (following >= 0).all()
            assert_allclose(following.sum(), 1)
            assert objective.value(following) <= value + 1e-14


def test_expectation_maximisation_steps_in(monkeypatch):
    objective = objective_of(8)
    monkeypatch.setattr(newton, "_newton_step", lambda *_: None)
    found = solve_newton(objective, rule(3, 1e-12))
    weights = objective.initial_weights()
    expected = []
    for _ in range(3):
        weights = objective.improved(weights)
        expected.append(objective.unit * objective.value(weights))
    assert_allclose(found.curve, expected, rtol=1e-12)
    assert_allclose(found.weights, weights, atol=1e-12)


def test_it_ends_where_nothing_gets_better(monkeypatch):
    objective = objective_of(8)
    monkeypatch.setattr(newton, "_newton_step", lambda _, weights, value: weights)
    found = solve_newton(objective, rule(50, 1e-12))
    assert len(found.curve) == 1
    assert_allclose(found.weights, objective.improved(objective.initial_weights()))


def test_it_tells_of_each_step():
    objective = objective_of(8)
    check_watch(
        lambda watch: solve_newton(objective, StoppingRule(50, 1e-9, 1e-9, watch)), 2
    )


def test_no_more_steps_are_made_than_the_rule_says():
    for max_iter in (1, 2, 3):
        found = solve_newton(objective_of(8), rule(max_iter, 1e-12))
        assert len(found.curve) == max_iter


def test_what_has_converged_is_said_by_the_tolerance():
    found = solve_newton(objective_of(8), rule(2, 1e-12))
    gap = found.relative_gap
    assert gap > 1e-9
    assert not solve_newton(objective_of(8), rule(2, 0.9 * gap)).converged
    assert solve_newton(objective_of(8), rule(2, 1.1 * gap)).converged
