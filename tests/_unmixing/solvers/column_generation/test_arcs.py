import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from skwot._unmixing.solvers.column_generation.arcs import (
    Arcs,
    arc_transforms,
    join_arcs,
    reduced_costs,
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
