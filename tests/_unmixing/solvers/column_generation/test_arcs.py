import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skwot._unmixing.solvers.column_generation.arcs import (
    DUAL_TOL,
    Arcs,
    arc_columns,
    arc_transforms,
    join_arcs,
    least_arcs,
    reduced_costs,
    scattered,
    tightest,
    violated,
)


def dense_arcs(cost):
    """All arcs of a matrix."""
    i, j = np.indices(cost.shape)
    return Arcs(i.ravel(), j.ravel(), cost.ravel())


def random_arcs(seed, n=6, m=5):
    rng = np.random.default_rng(seed)
    cost = rng.random((n, m))
    return cost, dense_arcs(cost), rng.normal(size=n), rng.normal(size=m)


def test_reduced_costs_are_those_of_the_matrix():
    cost, arcs, alpha, beta = random_arcs(0)
    expected = cost - alpha[:, None] - beta
    assert_array_equal(reduced_costs(arcs, alpha, beta), expected.ravel())


def test_joined_arcs_are_unique_once():
    _, arcs, _, _ = random_arcs(1)
    joined = join_arcs([arcs, arcs.select(np.arange(7))])
    assert len(joined.cost) == len(arcs.cost) + 7
    for one, other in zip(joined.unique(5), arcs, strict=True):
        assert_array_equal(one, other)


def test_violated_arcs_are_negative_beyond_rounding():
    cost, arcs, alpha, beta = random_arcs(2)
    expected = (cost - alpha[:, None] - beta < 0).ravel()
    assert_array_equal(violated(arcs, alpha, beta), expected)
    # Potentials with a large common offset have lost the digits of a small violation.
    zero = Arcs(arcs.source, arcs.target, (alpha[:, None] + beta).ravel())
    assert not violated(zero, alpha + 1e6, beta - 1e6).any()


def test_a_violation_has_to_exceed_the_tolerance():
    arcs = Arcs(np.zeros(4, int), np.zeros(4, int), DUAL_TOL * np.array([1, 0, -1, -3]))
    none = np.zeros(1)
    assert_array_equal(violated(arcs, none, none), [False, False, False, True])
    assert not violated(arcs, none, none, 1e-9).any()
    # What potentials of this size lose is larger than the tolerance.
    far = Arcs(np.zeros(2, int), np.zeros(2, int), np.array([-1e-11, -1e-9]))
    assert_array_equal(violated(far, none + 1e4, none - 1e4), [False, True])


def test_columns_have_a_one_at_each_end():
    _, arcs, _, _ = random_arcs(6)
    few = arcs.select(np.array([0, 7, 11]))
    columns = arc_columns(few, 6, 5)
    assert columns.shape == (11, 3)
    marginals = columns @ np.array([1.0, 2.0, 4.0])
    plan = np.zeros((6, 5))
    plan[few.source, few.target] = [1, 2, 4]
    assert_array_equal(marginals, np.append(plan.sum(axis=1), plan.sum(axis=0)))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("size", [0, 1, 13, 29, 30, 31])
def test_least_arcs_are_so_many_of_the_least_reduced_cost(size, ties):
    _, arcs, alpha, beta = random_arcs(5)
    if ties:
        # Many arcs with one of three reduced costs.
        arcs = arcs._replace(cost=np.floor(3 * arcs.cost))
        alpha, beta = np.zeros(6), np.zeros(5)
    chosen = least_arcs(arcs, alpha, beta, size)
    reduced = reduced_costs(arcs, alpha, beta)
    assert np.count_nonzero(chosen) == min(size, 30)
    if 0 < size < 30:
        assert reduced[chosen].max() <= reduced[~chosen].min()


def test_arcs_that_tie_are_spread_over_rows_and_columns():
    arcs = dense_arcs(np.ones((60, 60)))
    order = scattered(arcs, 60)
    assert len(np.unique(order)) == 3600
    # As if at random: ten arcs a row leave hardly any row or column out.
    chosen = arcs.select(least_arcs(arcs, np.zeros(60), np.zeros(60), 600))
    assert len(np.unique(chosen.source)) >= 58
    assert len(np.unique(chosen.target)) >= 58
    # One arc a row and one a column, whatever their number.
    assert np.count_nonzero(tightest(arcs, np.zeros(60), np.zeros(60))) <= 120


def test_no_arcs_have_no_tightest():
    none = Arcs(np.zeros(0, int), np.zeros(0, int), np.zeros(0))
    found = tightest(none, np.zeros(2), np.zeros(3))
    assert found.dtype == bool
    assert found.shape == (0,)


def test_the_tightest_arcs_are_each_rows_and_columns():
    cost, arcs, alpha, beta = random_arcs(3)
    reduced = cost - alpha[:, None] - beta
    expected = np.zeros(cost.shape, bool)
    expected[np.arange(6), reduced.argmin(axis=1)] = True
    expected[reduced.argmin(axis=0), np.arange(5)] = True
    assert_array_equal(tightest(arcs, alpha, beta), expected.ravel())


def test_transforms_are_feasible_on_the_arcs():
    cost, arcs, _, beta = random_arcs(4)
    alpha, transform = arc_transforms(arcs, beta, 6)
    assert_allclose(alpha, (cost - beta).min(axis=1))
    assert_allclose(transform, (cost - alpha[:, None]).min(axis=0))
    assert (reduced_costs(arcs, alpha, transform) >= -1e-15).all()
