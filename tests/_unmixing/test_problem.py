import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skwot._unmixing.problem import (
    Marginals,
    Unmixing,
    is_closed,
    own_mixture,
)
from tests.generators.measures import measure, overlapping_sources


def test_outliers_are_a_last_source_of_one_atom():
    problem = overlapping_sources(0, n_sources=3).problem(outlier_cost=2.0)
    plain = overlapping_sources(0, n_sources=3).problem()
    masses, target, surcharges = problem.marginals
    assert_array_equal(masses.toarray()[:-1, :-1], plain.marginals.masses.toarray())
    assert_array_equal(masses.toarray()[-1], [0, 0, 0, 1])
    assert_array_equal(masses.toarray()[:, -1].nonzero()[0], [masses.shape[0] - 1])
    assert_array_equal(target, plain.marginals.target)
    assert_array_equal(surcharges, np.zeros(4))
    costs = problem.costs()
    assert_allclose(costs.unit * costs.whole()[-1], 2.0)
    # No more than the outlier cost is ever paid.
    assert costs.unit == 2.0
    far = overlapping_sources(0, n_sources=3).problem(outlier_cost=1e9)
    assert far.costs().unit == plain.costs().unit


def test_a_new_target_keeps_everything_else():
    problem = overlapping_sources(1, n_sources=3).problem(
        outlier_cost=2.0, surcharges=np.arange(4.0)
    )
    moved = problem.with_target(measure(np.zeros((1, 3))))
    assert_array_equal(moved.marginals.target, [1.0])
    assert_array_equal(moved.marginals.surcharges, np.arange(4.0))
    assert moved.sources is problem.sources


def test_the_bound_is_the_least_value_of_the_plane():
    rng = np.random.default_rng(2)
    case = overlapping_sources(2, n_sources=4)
    marginals = case.problem(surcharges=rng.random(4)).marginals
    alpha = rng.normal(size=marginals.masses.shape[0])
    beta = rng.normal(size=len(marginals.target))
    bound = marginals.bound(alpha, beta)
    slope, offset = marginals.slope(alpha), marginals.target @ beta
    corners = np.eye(4) @ slope + offset
    assert_allclose(bound, corners.min())
    for weights in rng.dirichlet(np.ones(4), size=20):
        assert slope @ weights + offset >= bound - 1e-12
    assert_allclose(marginals.in_unit(2.0).surcharges, marginals.surcharges / 2)


@pytest.mark.parametrize("outlier_cost", [None, 3.0])
def test_sources_mixed_with_themselves_cost_nothing(outlier_cost):
    problem = overlapping_sources(3, n_sources=3).problem(outlier_cost=outlier_cost)
    shares = np.array([0.5, 0.5, 0.0])
    target, found = own_mixture(problem, shares)
    assert_allclose(target.masses.sum(), 1)
    assert_array_equal(found.weights[:3], shares)
    assert len(found.weights) == problem.marginals.n_weights
    assert found.value == found.lower_bound == 0
    posed = problem.with_target(target)
    assert_allclose(posed.marginals.bound(found.alpha, found.beta), 0)


def test_a_gap_is_closed_within_the_tolerance_or_rounding():
    assert is_closed(0.09, 1.0, 0.1, 0.0)
    assert not is_closed(0.11, 1.0, 0.1, 0.0)
    assert is_closed(1e-13, 0.0, 0.1, 1e-12)


def test_units_multiply_all_that_is_a_cost():
    found = Unmixing(
        np.array([0.4, 0.6]),
        3.0,
        2.0,
        np.ones(3),
        np.ones(2),
        np.array([4.0, 3.0]),
        True,
        np.full(3, 5.0),
        0.5,
    )
    scaled = found.in_units(10.0)
    assert_array_equal(scaled.weights, found.weights)
    assert scaled.converged
    assert scaled.relative_gap == found.relative_gap == 1 / 3
    assert scaled.value == 30
    assert scaled.lower_bound == 20
    assert scaled.temperature == 5
    for name in ("alpha", "beta", "curve", "plan_alpha"):
        assert_allclose(getattr(scaled, name), 10 * getattr(found, name))


def test_marginals_know_the_number_of_weights():
    marginals = overlapping_sources(5, n_sources=6).problem().marginals
    assert isinstance(marginals, Marginals)
    assert marginals.n_weights == 6
