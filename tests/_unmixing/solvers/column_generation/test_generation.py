import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from skwot._ot.ground_costs import ground_cost
from skwot._ot.measures import canonical_measure, stack_measures
from skwot._unmixing.losses.exact import ExactLoss
from skwot._unmixing.problem import ROUNDING, Problem, StoppingRule
from skwot._unmixing.solve import EXACT, solve
from skwot._unmixing.solvers.bundle import solve_bundle
from skwot._unmixing.solvers.column_generation import generate_columns, generation
from tests.exact import solve_dense_lp
from tests.generators.measures import (
    far_apart_diracs,
    gaussians,
    overlapping_sources,
    reweighted_sources,
    rule,
    settings,
)
from tests.generators.metrics import every_metric
from tests.watching import Watching

LP = settings(solver="lp")


def cost_of(sources, target, metric):
    return ground_cost(sources.points, target.points, metric)


def check_certificate(found, sources, target, cost):
    """Check the result with nothing but the definition of the problem."""
    unit = cost.mean() or 1.0
    rounding = 1e-14 * unit + 8 * np.spacing(np.abs(found.alpha).max())
    assert (found.weights >= 0).all()
    assert_allclose(found.weights.sum(), 1, rtol=1e-14)
    assert (found.alpha[:, None] + found.beta <= cost + rounding).all()
    bound = target.masses @ found.beta + (sources.masses.T @ found.alpha).min()
    assert_allclose(found.lower_bound, bound, rtol=1e-12, atol=1e-13 * unit)
    assert found.converged
    assert found.value - bound <= max(EXACT * found.value, ROUNDING * unit)


def check_optimum(sources, target, metric):
    """Check against the dense linear programme."""
    found = generate_columns(Problem(sources, target, metric), rule(500, EXACT))
    cost = cost_of(sources, target, metric)
    check_certificate(found, sources, target, cost)
    optimum, _ = solve_dense_lp(cost, sources.masses.toarray(), target.masses)
    # The reference has absolute tolerances in units of the mean cost.
    assert_allclose(found.value, optimum, rtol=1e-9, atol=1e-9 * (cost.mean() or 1))
    return found


def grid(*sizes):
    return np.stack(np.meshgrid(*map(np.arange, sizes)), -1).reshape(-1, len(sizes))


def orders(rng, size, low, high):
    return 10.0 ** rng.uniform(low, high, size)


def identical_sources(rng):
    points = rng.normal(size=(30, 3))
    return [(points, None)] * 3, (rng.normal(size=(20, 3)), None)


def all_points_equal(rng):
    zeros = np.zeros((10, 2))
    return [(zeros, None)] * 3, (zeros, None)


def equal_points_apart(rng):
    return [(np.ones((10, 2)), None)] * 2, (np.zeros((10, 2)), None)


def duplicates_everywhere(rng):
    sources = [(rng.integers(0, 3, (40, 2)), None) for _ in range(4)]
    return sources, (rng.integers(0, 3, (50, 2)), None)


def one_point_sources(rng):
    return [(x[None], None) for x in rng.normal(size=(5, 3))], (
        rng.normal(size=(30, 3)),
        None,
    )


def one_point_each(rng):
    return [(np.ones((1, 2)), None)], (np.zeros((1, 2)), None)


def one_source(rng):
    return [(rng.normal(size=(30, 3)), None)], (rng.normal(size=(25, 3)), None)


def one_target_point(rng):
    return [(rng.normal(size=(10, 3)), None) for _ in range(4)], (np.ones((1, 3)), None)


def tiny_masses(rng):
    sources = [(rng.normal(size=(12, 2)), orders(rng, 12, -12, 0)) for _ in range(3)]
    return sources, (rng.normal(size=(25, 2)), orders(rng, 25, -12, 0))


def spread_costs(rng):
    sources = [
        (rng.normal(size=(12, 2)) * orders(rng, (12, 1), -6, 6), None) for _ in range(3)
    ]
    return sources, (rng.normal(size=(25, 2)) * orders(rng, (25, 1), -6, 6), None)


def far_outlier(rng):
    points = rng.normal(size=(30, 2))
    points[0] = 1e6
    return [(points, None), (rng.normal(size=(20, 2)), None)], (
        rng.normal(size=(25, 2)),
        None,
    )


def far_target(rng):
    return [(rng.normal(size=(20, 2)) + k, None) for k in range(2)], (
        1e3 + rng.normal(size=(25, 2)),
        None,
    )


def exact_mixture(rng):
    points = rng.normal(size=(40, 2))
    both = np.concatenate([points, points, points + 5])
    return [(points, None), (points + 5, None)], (both, None)


def lattice(rng):
    points = grid(10, 10)
    return [(points[k::3], None) for k in range(3)], (grid(7, 7) + 0.5, None)


def spectra_on_common_bins(rng):
    bins = grid(5, 5)
    sources = [(bins, rng.random(25)) for _ in range(4)]
    return sources, (bins, rng.random(25))


def many_sources(rng):
    return [(rng.normal(size=(2, 2)), None) for _ in range(40)], (
        rng.normal(size=(15, 2)),
        None,
    )


DEGENERATE = [
    identical_sources,
    all_points_equal,
    equal_points_apart,
    duplicates_everywhere,
    one_point_sources,
    one_point_each,
    one_source,
    one_target_point,
    tiny_masses,
    spread_costs,
    far_outlier,
    far_target,
    exact_mixture,
    lattice,
    spectra_on_common_bins,
    many_sources,
]


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cityblock"])
@pytest.mark.parametrize("problem", DEGENERATE)
def test_degenerate_problems_are_certified(problem, metric):
    sources, target = problem(np.random.default_rng(0))
    stacked = stack_measures([canonical_measure(x * 1.0, h) for x, h in sources])
    check_optimum(stacked, canonical_measure(target[0] * 1.0, target[1]), metric)


@hypothesis_settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.booleans())
def test_optimum_is_the_dense_linear_programmes(seed, repeated):
    case = overlapping_sources(seed, repeated=repeated)
    check_optimum(*case.measures, "euclidean")


@pytest.mark.parametrize("metric", every_metric(3).values(), ids=every_metric(3))
def test_every_metric(metric):
    rng = np.random.default_rng(1)
    sources = [canonical_measure(rng.gamma(k + 1, size=(15, 3))) for k in range(3)]
    target = canonical_measure(rng.gamma(2, size=(25, 3)))
    check_optimum(stack_measures(sources), target, metric)


@hypothesis_settings(deadline=None, max_examples=20)
@given(case=reweighted_sources())
def test_exact_mixtures_cost_nothing(case):
    sources, target = case.measures
    found = solve(Problem(sources, target, "euclidean"), LP)
    assert found.converged
    assert_allclose(found.weights, case.weights, atol=1e-9)
    assert_allclose(found.value, 0, atol=1e-11)


@hypothesis_settings(deadline=None, max_examples=20)
@given(case=far_apart_diracs())
def test_weights_of_far_apart_diracs_are_shares(case):
    sources, target = case.measures
    found = solve(Problem(sources, target, "euclidean"), LP)
    assert_allclose(found.weights, case.weights, atol=1e-12)
    assert_allclose(found.value, case.loss, rtol=1e-9)


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
@pytest.mark.parametrize("seed", range(6))
def test_surcharges_and_outliers_are_in_the_programme(seed, metric):
    case = overlapping_sources(seed, repeated=seed % 3 == 0)
    sources, target = case.measures
    cost = cost_of(sources, target, metric)
    level = (0.1, 0.5, 1.0, 30.0)[seed % 4] * cost.mean()
    cost = np.vstack([cost, np.full((1, cost.shape[1]), level)])
    rng = np.random.default_rng(seed)
    n_weights = sources.masses.shape[1] + 1
    surcharges = 0.3 * cost.mean() * rng.uniform(size=n_weights)
    problem = case.problem(metric, outlier_cost=level, surcharges=surcharges)
    masses = problem.marginals.masses
    found = generate_columns(problem, rule(500, EXACT))
    assert (found.alpha[:, None] + found.beta <= cost + 1e-13 * cost.mean()).all()
    slope = masses.T @ found.alpha + surcharges
    bound = target.masses @ found.beta + slope.min()
    assert_allclose(found.lower_bound, bound, rtol=1e-12)
    assert found.converged
    optimum, _ = solve_dense_lp(cost, masses.toarray(), target.masses, surcharges)
    assert_allclose(found.value, optimum, rtol=1e-9, atol=1e-9 * cost.mean())


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
def test_it_agrees_with_the_bundle(metric):
    sources, target = gaussians(400)
    other = solve_bundle(ExactLoss(Problem(sources, target, metric)), rule(500, 1e-8))
    found = solve(Problem(sources, target, metric), LP)
    check_certificate(found, sources, target, cost_of(sources, target, metric))
    assert other.lower_bound <= found.value * (1 + 1e-12)
    assert found.lower_bound <= other.value * (1 + 1e-12)
    assert_allclose(found.value, other.value, rtol=1e-7)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_nothing_depends_on_the_unit(unit):
    measures = gaussians(200)
    one = solve(Problem(*measures, "sqeuclidean"), LP)
    moved = [measure._replace(points=unit * measure.points) for measure in measures]
    other = solve(Problem(*moved, "sqeuclidean"), LP)
    assert_allclose(other.weights, one.weights, atol=1e-9)
    assert_allclose(other.value, one.value * unit**2, rtol=1e-12)


def test_no_matrix_of_costs_exists():
    sources, target = gaussians(3000)
    dense = 8 * len(sources.points) * len(target.points)
    tracemalloc.start()
    found = solve(Problem(sources, target, "euclidean"), LP)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < dense / 2
    assert found.relative_gap < EXACT


def test_a_function_is_called_once_for_each_pair():
    calls = []

    def metric(u, v):
        calls.append(1)
        return abs(u - v).sum()

    sources, target = gaussians(100)
    found = solve(Problem(sources, target, metric), LP)
    assert len(calls) == len(sources.points) * len(target.points)
    named = solve(Problem(sources, target, "cityblock"), LP)
    assert_allclose(found.value, named.value, rtol=1e-12)


def test_few_programmes_leave_a_gap_that_is_stated():
    problem = Problem(*gaussians(800, n_sources=8, n_features=2, seed=1), "sqeuclidean")
    found = generate_columns(problem, rule(1, 0.0))
    exact = generate_columns(problem, rule(500, 0.0))
    assert len(found.curve) == 1
    assert not found.converged
    assert found.lower_bound <= exact.value * (1 + 1e-12)
    assert found.value >= exact.lower_bound * (1 - 1e-12)
    loose = generate_columns(problem, rule(1, 1.0))
    assert loose.converged


def test_it_tells_of_each_programme():
    problem = Problem(*gaussians(800, n_sources=8, n_features=2, seed=1), "sqeuclidean")
    whole = generate_columns(problem, rule(500, EXACT))
    assert len(whole.curve) > 2
    watch, end = Watching(), Watching(2)
    generate_columns(problem, StoppingRule(500, EXACT, EXACT, watch))
    ended = generate_columns(problem, StoppingRule(500, EXACT, EXACT, end))
    assert [len(one.curve) for one in watch.told] == [
        1 + i for i in range(len(whole.curve))
    ]
    for one, value in zip(watch.told, whole.curve, strict=True):
        # Each has weights, the cost of a plan at these, and a bound.
        assert_allclose(one.curve[:-1], whole.curve[: len(one.curve) - 1])
        assert one.curve[-1] == one.value
        assert value * (1 - 1e-12) <= one.value
        assert one.lower_bound <= whole.value * (1 + 1e-12)
        assert one.converged == (one.relative_gap <= EXACT)
    assert len(ended.curve) == 2
    assert_allclose(ended.weights, watch.told[1].weights)


def test_the_best_bound_is_kept_with_its_potentials(monkeypatch):
    problem = Problem(*gaussians(800, n_sources=8, n_features=2, seed=1), "sqeuclidean")
    costs = problem.costs()
    marginals = problem.marginals.in_unit(costs.unit)
    bounds, scan_costs = [], generation.scan_costs
    starting_flow = generation.starting_flow

    def start_without_a_pool(*arguments):
        # So each set of new arcs takes a pass over all costs.
        arcs, _, flow, box = starting_flow(*arguments)
        return arcs, arcs, flow, box

    def worsening_scan(*arguments, **options):
        found = scan_costs(*arguments, **options)
        # Smaller potentials are feasible, too.
        found = found._replace(alpha=found.alpha - len(bounds))
        bounds.append(marginals.bound(found.alpha, found.beta))
        return found

    monkeypatch.setattr(generation, "starting_flow", start_without_a_pool)
    monkeypatch.setattr(generation, "scan_costs", worsening_scan)
    found = generate_columns(problem, rule(500, EXACT))
    assert len(bounds) > 1
    assert max(bounds) > bounds[-1]
    assert_allclose(found.lower_bound, costs.unit * max(bounds), rtol=1e-12)
    bound = problem.marginals.bound(found.alpha, found.beta)
    assert_allclose(found.lower_bound, bound, rtol=1e-12)


@pytest.mark.parametrize("width", [1e-9, 1e-3])
def test_a_box_that_cuts_off_the_optimum_is_grown(width, monkeypatch):
    starting_flow = generation.starting_flow

    def boxed_start(*arguments):
        *start, box = starting_flow(*arguments)
        return *start, box._replace(width=width)

    monkeypatch.setattr(generation, "starting_flow", boxed_start)
    sources, target = gaussians(100)
    check_optimum(sources, target, "euclidean")
