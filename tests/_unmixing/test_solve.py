import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist

from skwot._ot.measures import canonical_measure, stack_measures
from skwot._ot.quantization import quantize
from skwot._unmixing import solve as solve_module
from skwot._unmixing.losses.divergence import DivergenceLoss
from skwot._unmixing.losses.exact import ExactLoss
from skwot._unmixing.losses.line import LineLoss
from skwot._unmixing.losses.semirelaxed import SemirelaxedLoss
from skwot._unmixing.problem import ROUNDING, Problem, SolverFailed, StoppingRule
from skwot._unmixing.solve import (
    EXACT,
    check_combination,
    loss_between,
    make_objective,
    minimise,
    solve,
    solve_reduced,
)
from skwot._unmixing.solvers.column_generation import generate_columns
from skwot._unmixing.views import View
from tests.generators.measures import gaussians, measure, overlapping_sources, settings
from tests.watching import Watching

VIEWS = (View(0.2, 1.0),)
NEUTRAL = {
    "loss": "wasserstein",
    "solver": "auto",
    "learning_rate": "auto",
    "reg": "auto",
    "device": None,
    "outlier_cost": None,
    "metric": "euclidean",
    "metric_params": None,
    "max_support": None,
    "classifier": None,
}


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
def test_one_feature_is_solved_to_the_gap_of_the_programme(metric):
    problem = Problem(*gaussians(300, n_features=1), metric)
    found = solve(problem, settings(solver="lp"))
    mean = cdist(problem.sources.points, problem.target.points, metric).mean()
    assert found.converged
    gap = found.value - found.lower_bound
    assert gap <= max(EXACT * found.value, ROUNDING * mean)
    exact = generate_columns(problem, settings(solver="lp").rule)
    assert_allclose(found.value, exact.value, atol=1e-9 * mean)


def test_the_loss_chooses_the_objective():
    plane = overlapping_sources(0).problem()
    line = Problem(*gaussians(20, n_features=1), "euclidean")
    assert type(make_objective(line, settings())) is LineLoss
    assert type(make_objective(line.with_target(line.target), settings())) is LineLoss
    capped = Problem(line.sources, line.target, "euclidean", outlier_cost=1.0)
    assert type(make_objective(capped, settings())) is ExactLoss
    assert type(make_objective(plane, settings(loss="sinkhorn"))) is DivergenceLoss
    likely = settings(loss="semirelaxed", views=VIEWS)
    assert type(make_objective(plane, likely)) is SemirelaxedLoss


def test_auto_is_a_twentieth_of_the_mean_cost():
    problem = overlapping_sources(1).problem()
    objective = make_objective(problem, settings(loss="sinkhorn"))
    mean = cdist(problem.sources.points, problem.target.points).mean()
    assert_allclose(objective.unit * objective.eps, 0.05 * mean)
    assert settings().fixed_at(problem).temperature is None
    fixed = settings(loss="sinkhorn", reg=0.2).fixed_at(problem)
    assert_allclose(fixed.temperature, 0.2 * mean)


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
def test_the_loss_between_two_measures(metric):
    rng = np.random.default_rng(2)
    one, other = rng.normal(size=(2, 30, 1))
    distance = abs(np.sort(one, axis=0) - np.sort(other, axis=0))
    if metric == "sqeuclidean":
        distance = distance**2
    first, second = measure(one), measure(other)
    found = loss_between(first, second, metric, settings())
    assert_allclose(found, distance.mean(), rtol=1e-12)
    smooth = settings(loss="sinkhorn", reg=0.01)
    near = loss_between(first, second, metric, smooth)
    assert_allclose(near, found, rtol=0.1)
    mean = cdist(one, other, metric).mean()
    absolute = smooth._replace(reg=0.5, temperature=0.01 * mean)
    same = loss_between(first, second, metric, absolute)
    assert_allclose(same, near, rtol=1e-9)


CONTRADICTIONS = [
    ({"loss": "sinkhorn", "solver": "lp"}, "solver='lp' needs loss='wasserstein'"),
    (
        {"solver": "lp", "learning_rate": 1.0},
        "rate=1.0 needs solver='auto' or solver='pgd'",
    ),
    ({"reg": 0.1}, "reg=0.1 needs loss='sinkhorn' or loss='semirelaxed'; got"),
    ({"device": "cpu"}, "device='cpu' needs loss='sinkhorn'"),
    ({"loss": "sinkhorn", "outlier_cost": 2.0}, "outlier_cost=2.0 needs loss other"),
    (
        {"metric": "precomputed", "max_support": 9},
        "max_support=9 needs metric other than 'precomputed'; got metric='precomp",
    ),
    ({"metric": "precomputed", "loss": "sinkhorn"}, "loss='sinkhorn' needs metric"),
    ({"metric": "precomputed", "classifier": object()}, "classifier=.* needs metric"),
    ({"metric": "precomputed", "metric_params": {"p": 3}}, "metric_params=.* needs"),
]


@pytest.mark.parametrize("metric", ["cityblock", max])
def test_another_metric_goes_with_everything(metric):
    given = {"max_support": 9, "metric_params": {"w": 1}, "classifier": object()}
    check_combination({**NEUTRAL, **given, "metric": metric})
    check_combination({**NEUTRAL, "loss": "sinkhorn", "metric": metric})
    check_combination({**NEUTRAL, "metric": "precomputed", "metric_params": {}})


@pytest.mark.parametrize(("changed", "message"), CONTRADICTIONS)
def test_contradictions_name_both_parameters(changed, message):
    with pytest.raises(ValueError, match=message):
        check_combination({**NEUTRAL, **changed})


def test_every_other_combination_is_allowed():
    values = {
        "loss": ["wasserstein", "sinkhorn"],
        "solver": ["auto", "pgd", "lp"],
        "learning_rate": ["auto", 1.0],
        "reg": ["auto", 0.1],
        "device": [None, "cpu"],
        "outlier_cost": [None, 2.0],
    }
    allowed = 0
    for chosen in itertools.product(*values.values()):
        parameters = dict(zip(values, chosen, strict=True))
        smooth = parameters["loss"] == "sinkhorn"
        contradicts = (
            (parameters["solver"] == "lp" and smooth)
            or (parameters["solver"] == "lp" and parameters["learning_rate"] != "auto")
            or (not smooth and parameters["reg"] != "auto")
            or (not smooth and parameters["device"] is not None)
            or (smooth and parameters["outlier_cost"] is not None)
        )
        if not contradicts:
            check_combination({**NEUTRAL, **parameters})
            allowed += 1
    assert allowed == 5 * 2 + 2 * 2 * 2 * 2


EXACTLY = settings(solver="lp")


@pytest.mark.parametrize("solver", ["lp", "auto"])
@pytest.mark.parametrize("fault", ["raises", "stops early"])
def test_descent_takes_over_where_the_programme_fails(fault, solver, monkeypatch):
    problem = overlapping_sources(3, n_sources=3).problem()
    chosen = settings(solver=solver)
    exact = solve(problem, chosen)
    asked = []

    def failing(problem, rule, cost):
        asked.append(rule)
        if fault == "raises":
            raise SolverFailed("HiGHS ended with status 'Unknown'.")
        return exact._replace(value=2 * exact.value, converged=False)

    monkeypatch.setattr("skwot._unmixing.solve.generate_columns", failing)
    found = solve(problem, chosen)
    assert len(asked) == 1
    assert found.converged
    assert_allclose(found.value, exact.value, rtol=1e-9)
    assert_allclose(found.weights, exact.weights, atol=1e-6)
    # Descent would take too long on large problems, and nobody waits for it who has
    # asked for an end.
    watch = Watching(0)
    assert (solve(problem, chosen, watch).value < exact.value * 1.5) == (
        fault == "raises"
    )
    assert asked[-1].watch is watch
    size = len(problem.sources.points) * len(problem.target.points)
    for most, descends in ((size, True), (size - 1, fault == "raises")):
        monkeypatch.setattr("skwot._unmixing.solve._DESCENDED", most)
        assert solve(problem, chosen).converged == descends


@pytest.mark.parametrize("converges", [True, False])
def test_categories_have_a_programme_of_their_own(converges, monkeypatch):
    # All of them are as far apart, so that the loss is the total variation.
    rng = np.random.default_rng(0)
    *sources, target = (measure(np.eye(30), rng.gamma(0.5, size=30)) for _ in range(5))
    problem = Problem(stack_measures(sources), target, "cityblock")
    called = []

    def recorded(name):
        method = getattr(solve_module, name)

        def solve_and_record(*arguments):
            found = method(*arguments)
            called.append((name, *arguments))
            return found._replace(converged=converges or name != "solve_saturated")

        monkeypatch.setattr(solve_module, name, solve_and_record)

    recorded("solve_saturated")
    recorded("generate_columns")
    watch = Watching()
    found = solve(problem, EXACTLY, watch)
    mixture = problem.marginals.masses @ found.weights
    variation = 1 - np.minimum(mixture, target.masses).sum()
    assert found.converged
    assert_allclose(found.value, 2 * variation, rtol=1e-9)
    (first, given, cost, _, stopping), *others = called
    assert first == "solve_saturated"
    assert given is problem
    assert stopping == EXACTLY.rule._replace(watch=watch)
    # Where it fails, columns are generated for the same costs.
    expected = [] if converges else [("generate_columns", problem, stopping, cost)]
    assert others == expected


@pytest.fixture
def minimised(monkeypatch):
    """Names of the methods of descent that are called, with their arguments."""
    calls = []

    def record(name):
        method = getattr(solve_module, name)

        def recorded(*arguments):
            calls.append((name, *arguments))
            return method(*arguments)

        monkeypatch.setattr(solve_module, name, recorded)

    for name in ("solve_newton", "solve_bundle", "solve_gradient"):
        record(name)
    return calls


def test_a_certified_programme_is_not_solved_again(minimised):
    problem = overlapping_sources(3, n_sources=3).problem()
    assert solve(problem, EXACTLY).converged
    assert solve(problem, settings(solver="auto")).converged
    assert not minimised
    # Numbers are sorted, whatever the solver.
    assert solve(Problem(*gaussians(20, n_features=1), "euclidean"), EXACTLY).converged
    assert [name for name, *_ in minimised] == ["solve_bundle"]


@pytest.mark.parametrize(
    ("chosen", "method"),
    [
        (settings(), "solve_bundle"),
        (settings(learning_rate=0.5), "solve_gradient"),
        (settings(loss="sinkhorn"), "solve_bundle"),
        (settings(loss="sinkhorn", solver="auto"), "solve_bundle"),
        (settings(loss="semirelaxed"), "solve_bundle"),
        (settings(loss="semirelaxed", solver="auto"), "solve_newton"),
        (
            settings(loss="semirelaxed", solver="auto", learning_rate=0.5),
            "solve_gradient",
        ),
    ],
)
def test_the_settings_choose_the_method(chosen, method, minimised):
    problem = overlapping_sources(3, n_sources=3).problem()
    chosen = chosen._replace(max_iter=7, tol=1e-3)
    if chosen.loss == "semirelaxed":
        chosen = chosen._replace(views=VIEWS)
    objective = make_objective(problem, chosen)
    watch = Watching()
    found = minimise(objective, chosen, watch)
    ((name, given, stopping, *rates),) = minimised
    assert name == method
    assert given is objective
    assert stopping == StoppingRule(7, 1e-3, 1e-3, watch)
    assert rates == ([0.5] if method == "solve_gradient" else [])
    assert_allclose(watch.told[-1].weights, found.weights)


@pytest.mark.parametrize("loss", ["sinkhorn", "semirelaxed"])
def test_each_step_that_is_told_of_is_complete(loss):
    problem = overlapping_sources(3, n_sources=3).problem()
    chosen, watch = settings(loss=loss, solver="auto"), Watching()
    if loss == "semirelaxed":
        chosen = chosen._replace(views=VIEWS)
    found = solve(problem, chosen, watch)
    told = watch.told[-1]
    assert_allclose(told.weights, found.weights)
    completed = make_objective(problem, chosen).complete(told)
    if loss == "sinkhorn":
        assert found.temperature == told.temperature > 0
        for one in (found, told):
            # Potentials have no constant.
            difference = one.plan_alpha - completed.plan_alpha
            assert_allclose(difference, difference.mean(), rtol=1e-6)
    else:
        for one in (found, told):
            assert_allclose(one.beta, completed.beta)


def test_a_reduced_target_is_solved_as_if_it_had_been_given():
    rng = np.random.default_rng(0)
    sources = stack_measures(
        [canonical_measure(rng.normal(k, size=(30, 2))) for k in (0, 3)]
    )
    target = canonical_measure(rng.normal(1, size=(80, 2)))
    problem = Problem(sources, target, "euclidean")
    fewer = quantize(target, 12, "euclidean", np.random.RandomState(3)).measure
    found = solve_reduced(problem, settings(solver="auto"), 12, 3)
    expected = solve(problem.with_target(fewer), settings(solver="auto"))
    assert_array_equal(found.weights, expected.weights)
    assert len(found.beta) == 12
    whole = solve_reduced(problem, settings(solver="auto"), None, 3)
    assert_array_equal(whole.weights, solve(problem, settings(solver="auto")).weights)
