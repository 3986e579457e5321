import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skwot._unmixing.losses.exact import ExactLoss
from skwot._unmixing.solvers.bundle import solve_bundle
from tests.exact import solve_dense_lp
from tests.generators.measures import overlapping_sources, rule


def optimum_of(problem):
    """The least loss, by the dense linear programme, and the costs."""
    costs = problem.costs()
    matrix = costs.unit * costs.whole()
    masses, target, surcharges = problem.marginals
    return solve_dense_lp(matrix, masses.toarray(), target, surcharges)[0], matrix


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
@pytest.mark.parametrize("seed", range(20))
def test_optimum_is_the_linear_programmes(seed, metric):
    problem = overlapping_sources(seed, repeated=seed % 3 == 0).problem(metric)
    found = solve_bundle(ExactLoss(problem), rule(500, 1e-10))
    assert found.converged
    assert_allclose(found.value, optimum_of(problem)[0], rtol=1e-8)
    assert_allclose(found.weights.sum(), 1)
    assert (found.weights >= 0).all()


@pytest.mark.parametrize("outlier_cost", [None, 1.0])
@pytest.mark.parametrize("seed", range(10))
def test_surcharges_are_costs_of_the_weights(seed, outlier_cost):
    n_weights = 4 + (outlier_cost is not None)
    surcharges = 0.3 * np.random.default_rng(seed).uniform(size=n_weights)
    problem = overlapping_sources(seed, n_sources=4).problem(
        outlier_cost=outlier_cost, surcharges=surcharges
    )
    found = solve_bundle(ExactLoss(problem), rule(500, 1e-10))
    assert found.converged
    assert_allclose(found.value, optimum_of(problem)[0], rtol=1e-8)
    bound = problem.marginals.bound(found.alpha, found.beta)
    assert_allclose(bound, found.lower_bound, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_certificate_holds_and_can_be_checked(seed):
    problem = overlapping_sources(seed, n_sources=4).problem()
    found = solve_bundle(ExactLoss(problem), rule(4, 1e-12))
    optimum, cost = optimum_of(problem)
    assert (found.alpha[:, None] + found.beta <= cost + 1e-14 * cost.max()).all()
    bound = problem.marginals.bound(found.alpha, found.beta)
    assert_allclose(bound, found.lower_bound, atol=1e-12)
    assert found.lower_bound <= optimum + 1e-10
    assert found.value >= optimum - 1e-10


def test_leaves_torch_as_it_was():
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    state = torch.random.get_rng_state()
    solve_bundle(ExactLoss(overlapping_sources(1).problem()), rule(50, 1e-4))
    assert torch.get_num_threads() == threads
    assert torch.get_default_dtype() == dtype
    assert torch.equal(torch.random.get_rng_state(), state)
