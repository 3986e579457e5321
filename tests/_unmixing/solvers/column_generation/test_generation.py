import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist

from skwot._ot.ground_costs import METRICS, BlockCost
from skwot._ot.measures import canonical_measure, stack_measures
from skwot._unmixing.losses.exact import DenseObjective
from skwot._unmixing.outliers import add_outlier_source
from skwot._unmixing.problem import ROUNDING
from skwot._unmixing.solve import solve_unmixing
from skwot._unmixing.solvers.bundle import solve_bundle
from skwot._unmixing.solvers.column_generation import EXACT, solve_linear
from skwot._unmixing.solvers.column_generation.pricing import scan_costs
from tests.exact import solve_dense_lp
from tests.generators.measures import (
    far_apart_diracs,
    overlapping_sources,
    reweighted_sources,
)


def cost_of(sources, target, metric):
    return cdist(sources.points, target.points, metric)


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
    found = solve_linear(sources, target, metric, max_iter=500, tol=EXACT)
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


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.booleans())
def test_optimum_is_the_dense_linear_programmes(seed, repeated):
    case = overlapping_sources(seed, repeated=repeated)
    check_optimum(*case.measures, "euclidean")


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_every_metric(metric):
    rng = np.random.default_rng(1)
    sources = [canonical_measure(rng.gamma(k + 1, size=(15, 3))) for k in range(3)]
    target = canonical_measure(rng.gamma(2, size=(25, 3)))
    check_optimum(stack_measures(sources), target, metric)


@settings(deadline=None, max_examples=20)
@given(case=reweighted_sources())
def test_exact_mixtures_cost_nothing(case):
    sources, target = case.measures
    found = solve_linear(sources, target, "euclidean", max_iter=500, tol=1e-4)
    assert found.converged
    assert_allclose(found.weights, case.weights, atol=1e-9)
    assert_allclose(found.value, 0, atol=1e-11)


@settings(deadline=None, max_examples=20)
@given(case=far_apart_diracs())
def test_weights_of_far_apart_diracs_are_shares(case):
    sources, target = case.measures
    found = solve_linear(sources, target, "euclidean", max_iter=500, tol=1e-4)
    assert_allclose(found.weights, case.weights, atol=1e-12)
    assert_allclose(found.value, case.loss, rtol=1e-9)


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
@pytest.mark.parametrize("seed", range(6))
def test_surcharges_and_outliers_are_in_the_programme(seed, metric):
    sources, target = overlapping_sources(seed, repeated=seed % 3 == 0).measures
    cost = cost_of(sources, target, metric)
    masses = add_outlier_source(sources.masses)
    level = (0.1, 0.5, 1.0, 30.0)[seed % 4] * cost.mean()
    cost = np.vstack([cost, np.full((1, cost.shape[1]), level)])
    rng = np.random.default_rng(seed)
    surcharges = 0.3 * cost.mean() * rng.uniform(size=masses.shape[1])
    found = solve_linear(
        sources,
        target,
        metric,
        max_iter=500,
        tol=EXACT,
        outlier_cost=level,
        surcharges=surcharges,
    )
    assert (found.alpha[:, None] + found.beta <= cost + 1e-13 * cost.mean()).all()
    slope = masses.T @ found.alpha + surcharges
    bound = target.masses @ found.beta + slope.min()
    assert_allclose(found.lower_bound, bound, rtol=1e-12)
    assert found.converged
    optimum, _ = solve_dense_lp(cost, masses.toarray(), target.masses, surcharges)
    assert_allclose(found.value, optimum, rtol=1e-9, atol=1e-9 * cost.mean())


def gaussians(n, *, n_sources=5, n_features=4, seed=0):
    rng = np.random.default_rng(seed)
    means = 1.5 * rng.normal(size=(n_sources, n_features))
    noise = rng.normal(size=(n_sources, n // n_sources, n_features))
    sources = [canonical_measure(m + x) for m, x in zip(means, noise, strict=True)]
    label = rng.choice(n_sources, n, p=rng.dirichlet(np.ones(n_sources)))
    target = canonical_measure(means[label] + rng.normal(size=(n, n_features)))
    return stack_measures(sources), target


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
def test_it_agrees_with_the_bundle(metric):
    sources, target = gaussians(400)
    objective = DenseObjective(sources, target, metric)
    other = solve_bundle(objective, max_iter=500, tol=1e-8).in_units(objective.unit)
    found = solve_linear(sources, target, metric, max_iter=500, tol=1e-4)
    check_certificate(found, sources, target, cost_of(sources, target, metric))
    assert other.lower_bound <= found.value * (1 + 1e-12)
    assert found.lower_bound <= other.value * (1 + 1e-12)
    assert_allclose(found.value, other.value, rtol=1e-7)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_nothing_depends_on_the_unit(unit):
    sources, target = gaussians(200)
    one = solve_linear(sources, target, "sqeuclidean", max_iter=500, tol=1e-4)
    other = solve_linear(
        sources._replace(points=unit * sources.points),
        target._replace(points=unit * target.points),
        "sqeuclidean",
        max_iter=500,
        tol=1e-4,
    )
    assert_allclose(other.weights, one.weights, atol=1e-9)
    assert_allclose(other.value, one.value * unit**2, rtol=1e-12)


def test_no_matrix_of_costs_exists():
    sources, target = gaussians(3000)
    dense = 8 * len(sources.points) * len(target.points)
    tracemalloc.start()
    found = solve_linear(sources, target, "euclidean", max_iter=500, tol=1e-4)
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
    found = solve_linear(sources, target, metric, max_iter=500, tol=1e-4)
    assert len(calls) == len(sources.points) * len(target.points)
    named = solve_linear(sources, target, "cityblock", max_iter=500, tol=1e-4)
    assert_allclose(found.value, named.value, rtol=1e-12)


def test_few_programmes_leave_a_gap_that_is_stated():
    sources, target = gaussians(800, n_sources=8, n_features=2, seed=1)
    found = solve_linear(sources, target, "sqeuclidean", max_iter=1, tol=0.0)
    exact = solve_linear(sources, target, "sqeuclidean", max_iter=500, tol=0.0)
    assert len(found.curve) == 1
    assert not found.converged
    assert found.lower_bound <= exact.value * (1 + 1e-12)
    assert found.value >= exact.lower_bound * (1 - 1e-12)
    loose = solve_linear(sources, target, "sqeuclidean", max_iter=1, tol=1.0)
    assert loose.converged


def test_scans_of_blocks_are_those_of_the_matrix():
    rng = np.random.default_rng(0)
    points, others = rng.normal(size=(3000, 3)), rng.normal(size=(2000, 3))
    cost = BlockCost(points, others, "euclidean")
    dense = cdist(points, others)
    assert_allclose(cost.unit, np.median(dense), rtol=0.1)
    dense /= cost.unit
    beta = 0.3 * rng.normal(size=2000)
    found = scan_costs(cost, beta, 0.05, per_row=2000)
    alpha = (dense - beta).min(axis=1)
    assert_allclose(found.alpha, alpha)
    assert_allclose(found.beta, (dense - alpha[:, None]).min(axis=0))
    assert_allclose(found.mean, dense.mean())
    i, j = np.nonzero(dense - alpha[:, None] - beta <= 0.05)
    collected = set(zip(found.arcs.source, found.arcs.target, strict=True))
    assert collected >= set(zip(i, j, strict=True))
    assert_allclose(found.arcs.cost, dense[found.arcs.source, found.arcs.target])


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
def test_the_line_is_solved_to_the_same_gap(metric):
    sources, target = gaussians(300, n_features=1)
    found = solve_unmixing(sources, target, metric, solver="lp", max_iter=500, tol=1e-4)
    cost = cost_of(sources, target, metric)
    assert found.converged
    gap = found.value - found.lower_bound
    assert gap <= max(EXACT * found.value, ROUNDING * cost.mean())
    exact = solve_linear(sources, target, metric, max_iter=500, tol=1e-4)
    assert_allclose(found.value, exact.value, atol=1e-9 * cost.mean())
