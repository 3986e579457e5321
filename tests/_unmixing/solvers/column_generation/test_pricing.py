import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist

from skwot._ot.ground_costs import BlockCost
from skwot._unmixing.solvers.column_generation.pricing import scan_costs


def test_scans_of_blocks_are_those_of_the_matrix():
    rng = np.random.default_rng(0)
    points, others = rng.normal(size=(3000, 3)), rng.normal(size=(2000, 3))
    cost = BlockCost(points, others, "euclidean")
    dense = cdist(points, others)
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


def test_a_pass_collects_only_so_many_arcs_a_row():
    rng = np.random.default_rng(1)
    points, others = rng.normal(size=(40, 3)), rng.normal(size=(30, 3))
    cost = BlockCost(points, others, "euclidean")
    dense, beta = cost.whole(), 0.1 * rng.normal(size=30)
    alpha = (dense - beta).min(axis=1)
    reduced = dense - alpha[:, None] - beta
    found = scan_costs(cost, beta, 1.0, per_row=3)
    near = np.zeros(dense.shape, bool)
    # The last arcs are each column's least.
    near[found.arcs.source[:-30], found.arcs.target[:-30]] = True
    assert near[np.arange(40), reduced.argmin(axis=1)].all()
    limit = np.sort(reduced, axis=None)[119]
    others = near & (reduced > 0)
    assert reduced[others].max() <= limit
    assert 120 <= np.count_nonzero(near) <= 120 + 40
    expected = dense[found.arcs.source, found.arcs.target]
    assert_allclose(found.arcs.cost, expected, rtol=1e-14)


def test_no_width_leaves_the_least_of_each_row_and_column():
    rng = np.random.default_rng(2)
    cost = BlockCost(rng.normal(size=(20, 2)), rng.normal(size=(15, 2)), "euclidean")
    dense, beta = cost.whole(), rng.normal(size=15)
    for per_row in (0, 5):
        found = scan_costs(cost, beta, 0.0, per_row=per_row)
        kept = found.arcs.target[:20], found.arcs.target[20:]
        assert_array_equal(found.arcs.source[:20], np.arange(20))
        assert_array_equal(kept[0], (dense - beta).argmin(axis=1))
        assert_array_equal(kept[1], np.arange(15))


def test_potentials_from_outside_price_the_arcs():
    rng = np.random.default_rng(3)
    cost = BlockCost(rng.normal(size=(20, 2)), rng.normal(size=(15, 2)), "euclidean")
    dense, alpha, beta = cost.whole(), 0.5 * rng.normal(size=20), np.full(15, 0.5)
    found = scan_costs(cost, beta, -0.2, per_row=15, alpha=alpha)
    i, j = np.nonzero(dense - beta - alpha[:, None] <= -0.2)
    assert 0 < len(i) < 300
    assert_array_equal(found.arcs.source[:-15], i)
    assert_array_equal(found.arcs.target[:-15], j)
    assert_allclose(found.alpha, (dense - beta).min(axis=1))
