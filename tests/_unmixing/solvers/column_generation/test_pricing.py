import numpy as np
from numpy.testing import assert_allclose
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
