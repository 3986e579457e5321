import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skwot._ot import ground_costs
from skwot._ot.measures import stack_measures
from skwot._unmixing.problem import Problem
from skwot._unmixing.solvers import saturated
from skwot._unmixing.solvers.saturated import cheap_pairs, solve_saturated
from tests.exact import solve_dense_lp
from tests.generators.measures import gaussians, measure, overlapping_sources, rule


def categories(seed, n=30, n_sources=4, **parameters):
    """Random shares of n categories, all of them as far apart."""
    rng = np.random.default_rng(seed)
    *sources, target = (
        measure(np.eye(n), rng.gamma(0.5, size=n)) for _ in range(n_sources + 1)
    )
    return Problem(stack_measures(sources), target, "euclidean", **parameters)


def solve(problem):
    cost = problem.costs()
    return solve_saturated(problem, cost, cheap_pairs(cost), rule(1, 1e-9))


def check_optimum(problem, found):
    costs = problem.costs()
    cost = costs.unit * costs.whole()
    masses, target, surcharges = problem.marginals
    optimum, _ = solve_dense_lp(cost, masses.toarray(), target, surcharges)
    assert_allclose(found.value, optimum, rtol=1e-9, atol=1e-9)
    assert (found.alpha[:, None] + found.beta <= cost + 1e-12).all()
    bound = problem.marginals.bound(found.alpha, found.beta)
    assert_allclose(bound, found.lower_bound, atol=1e-12)
    assert found.converged
    assert not ((found.weights > 0) & (found.weights < 1e-12)).any()


@pytest.mark.parametrize("seed", range(20))
def test_the_optimum_is_the_dense_programmes(seed):
    rng = np.random.default_rng(seed)
    surcharges = (seed % 2) * 0.2 * rng.random(4)
    problem = categories(seed, surcharges=surcharges)
    check_optimum(problem, solve(problem))


def test_among_categories_it_is_the_total_variation():
    problem = categories(0)
    found = solve(problem)
    masses, target, _ = problem.marginals
    mixture = masses @ found.weights
    variation = 1 - np.minimum(mixture, target).sum()
    assert_allclose(found.value, np.sqrt(2) * variation, rtol=1e-9)


def test_an_outlier_cost_above_the_largest_is_never_paid():
    problem = categories(1, outlier_cost=10.0)
    cost = problem.costs()
    assert cheap_pairs(cost) is None
    low = categories(1, outlier_cost=np.sqrt(2))
    check_optimum(low, solve(low))


def test_distances_that_are_cut_off():
    sources, target = gaussians(60, n_features=2)

    def cut_off(u, v):
        return min(0.3, abs(u - v).sum())

    problem = Problem(sources, target, cut_off)
    check_optimum(problem, solve(problem))


def test_other_costs_are_left_to_the_general_programme():
    assert cheap_pairs(overlapping_sources(0).problem().costs()) is None
    same = measure(np.zeros((3, 2)))
    assert (
        cheap_pairs(Problem(stack_measures([same]), same, "euclidean").costs()) is None
    )


def test_the_pairs_are_those_below_the_largest_cost():
    cost = categories(2).costs()
    arcs, largest = cheap_pairs(cost)
    assert_allclose(largest, cost.whole().max())
    i, j = np.nonzero(cost.whole() < largest * (1 - 1e-9))
    assert_array_equal(arcs.source, i)
    assert_array_equal(arcs.target, j)
    assert_array_equal(arcs.cost, cost.whole()[i, j])


def test_pairs_of_later_blocks_have_their_rows(monkeypatch):
    whole, _ = cheap_pairs(categories(3).costs())
    monkeypatch.setattr(ground_costs, "_KEPT_ENTRIES", 0)
    monkeypatch.setattr(ground_costs, "_BLOCK_ENTRIES", 1)
    monkeypatch.setattr(ground_costs, "_BLOCK_ROWS", 7)
    parts, _ = cheap_pairs(categories(3).costs())
    for one, other in zip(parts, whole, strict=True):
        assert_array_equal(one, other)
    # The pairs of all blocks together are counted.
    monkeypatch.setattr(saturated, "_PAIRS_PER_POINT", 20 / 60)
    assert cheap_pairs(categories(3).costs()) is None


@pytest.mark.parametrize("unit", [1e-5, 1e5])
def test_units_do_not_matter(unit):
    rng = np.random.default_rng(4)
    sources = [measure(unit * np.eye(12), rng.gamma(0.5, size=12)) for _ in range(3)]
    target = measure(unit * np.eye(12), rng.gamma(0.5, size=12))
    problem = Problem(stack_measures(sources), target, "euclidean")
    found = solve(problem)
    mixture = problem.marginals.masses @ found.weights
    variation = 1 - np.minimum(mixture, problem.marginals.target).sum()
    assert_allclose(found.value, unit * np.sqrt(2) * variation, rtol=1e-9)
    assert found.converged


def test_masses_of_the_sources_that_do_not_sum_to_one_are_scaled():
    problem = categories(5)
    sources = problem.sources
    scaled = Problem(
        sources._replace(masses=sources.masses * (1 + 1e-9)),
        problem.target,
        "euclidean",
    )
    assert_allclose(solve(scaled).value, solve(problem).value, rtol=1e-6)
