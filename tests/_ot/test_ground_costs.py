import os

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist

from skwot._ot import ground_costs
from skwot._ot.ground_costs import BlockCost, check_memory, ground_cost
from tests.generators.metrics import every_metric


@pytest.mark.parametrize("metric", every_metric(4).values(), ids=every_metric(4))
def test_every_metric_has_rows_that_depend_on_nothing_else(metric):
    rng = np.random.default_rng(3)
    points, others = rng.random((6, 4)), rng.random((5, 4))
    cost = ground_cost(points, others, metric)
    for i in range(6):
        assert (ground_cost(points[[i]], others, metric) == cost[i]).all()


def test_callable_metric():
    points, others = np.random.default_rng(4).normal(size=(2, 6, 3))
    by_name = ground_cost(points, others, "cityblock")
    assert_allclose(ground_cost(points, others, lambda u, v: abs(u - v).sum()), by_name)


@pytest.mark.parametrize(
    "metric", [lambda u, v: -1.0, lambda u, v: np.nan, lambda u, v: np.inf]
)
def test_impossible_costs_raise(metric):
    with pytest.raises(ValueError, match="finite, non-negative costs"):
        ground_cost(np.zeros((2, 1)), np.ones((2, 1)), metric)


def test_overflowing_costs_raise():
    with pytest.raises(ValueError, match="'sqeuclidean' must give finite"):
        ground_cost(np.full((1, 1), 1e200), np.full((1, 1), -1e200), "sqeuclidean")


@pytest.mark.parametrize("outlier_cost", [None, 7.0])
@pytest.mark.parametrize("kept", [0, 10**6])
def test_blocks_are_those_of_the_matrix(monkeypatch, outlier_cost, kept):
    monkeypatch.setattr(ground_costs, "_KEPT_ENTRIES", kept)
    monkeypatch.setattr(ground_costs, "_BLOCK_ENTRIES", 100)
    monkeypatch.setattr(ground_costs, "_BLOCK_ROWS", 3)
    rng = np.random.default_rng(6)
    points, others = rng.normal(size=(40, 3)), rng.normal(size=(30, 3))
    costs = BlockCost(points, others, "euclidean", outlier_cost)
    dense = cdist(points, others)
    if outlier_cost is not None:
        dense = np.vstack([dense, np.full((1, 30), outlier_cost)])
    assert costs.shape == dense.shape
    assert_allclose(costs.unit * costs.whole(), dense)
    stacked = np.vstack([block for _, block in costs.blocks()])
    assert_allclose(costs.unit * stacked, dense)
    i, j = rng.integers(len(dense), size=50), rng.integers(30, size=50)
    assert_allclose(costs.unit * costs.pairs(i, j), dense[i, j])
    rows, columns = np.unique(i), np.unique(j)
    # Also of a part, with or without the outliers' row, and of a part of that.
    for chosen in (np.unique(np.append(rows, len(dense) - 1)), rows[rows < 40]):
        part = costs.between(chosen, columns)
        expected = dense[np.ix_(chosen, columns)]
        assert part.unit == costs.unit
        assert part.shape == expected.shape
        assert_allclose(part.unit * part.whole(), expected)
        assert_allclose(part.unit * part.largest, expected.max())
        size = np.count_nonzero(chosen < 40)
        assert_allclose(part.unit * part.sample(), expected[:size])
        again = part.between(np.arange(1, len(chosen)), np.arange(2, len(columns)))
        assert_allclose(again.unit * again.whole(), expected[1:, 2:])


@pytest.mark.parametrize(
    ("metric", "n_features", "size", "is_kept"),
    [
        ("euclidean", 2, 12, True),
        ("euclidean", 2, 13, False),
        ("euclidean", 200, 13, True),
        (lambda u, v: abs(u - v).sum(), 2, 13, True),
        (lambda u, v: abs(u - v).sum(), 2, 21, False),
        ("euclidean", 200, 21, False),
    ],
)
def test_expensive_costs_are_computed_once(
    monkeypatch, metric, n_features, size, is_kept
):
    monkeypatch.setattr(ground_costs, "_KEPT_ENTRIES", 12 * 5)
    monkeypatch.setattr(ground_costs, "_KEPT_EXPENSIVE", 20 * 5)
    points = np.random.default_rng(0).normal(size=(size, n_features))
    costs = BlockCost(points, points[:5], metric)
    expected = cdist(points, points[:5], metric)
    computed = []

    def counted(*arguments):
        computed.append(arguments)
        return ground_cost(*arguments)

    monkeypatch.setattr(ground_costs, "ground_cost", counted)
    assert_allclose(costs.unit * costs.whole(), expected)
    part = costs.between(np.arange(2), np.arange(3))
    assert_allclose(part.unit * part.whole(), expected[:2, :3])
    assert (not computed) == is_kept


def test_few_points_are_all_in_the_sample():
    points = np.random.default_rng(9).normal(size=(64, 2))
    costs = BlockCost(points, points[:7], "euclidean", outlier_cost=0.1)
    assert costs.unit == 0.1
    assert_allclose(costs.unit * costs.sample(), cdist(points, points[:7]))


def test_the_unit_is_the_median_of_many_costs():
    points = np.random.default_rng(7).normal(size=(500, 3))
    points[0] = 1e9
    unit = BlockCost(points, points, "euclidean").unit
    assert_allclose(unit, np.median(cdist(points, points)), rtol=0.1)
    # Where most costs are zero, and where all are.
    half = np.repeat([0.0, 1.0], [90, 10])[:, None]
    assert 0 < BlockCost(half, half, "euclidean").unit < 1
    assert BlockCost(half[:9], half[:9], "euclidean").unit == 1


def test_a_matrix_that_does_not_fit_is_refused_before_it_is_made(monkeypatch):
    costs = BlockCost(np.zeros((40, 1)), np.zeros((30, 1)), "euclidean")
    assert costs.whole().shape == (40, 30)
    matrices = 7 * 8 * 40 * 30
    monkeypatch.setattr(ground_costs, "_physical_memory", lambda: matrices)
    assert costs.whole().shape == (40, 30)
    monkeypatch.setattr(ground_costs, "_physical_memory", lambda: matrices - 1)
    with pytest.raises(MemoryError, match=r"40 x 30 .* 6.72e-05 GB.* Set max_support"):
        costs.whole()


def test_memory_that_the_system_does_not_tell_is_not_a_limit(monkeypatch):
    numbers = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1000}
    monkeypatch.setattr(os, "sysconf", numbers.__getitem__)
    assert ground_costs._physical_memory() == 4_096_000

    def unknown(name):
        raise ValueError(name)

    monkeypatch.setattr(os, "sysconf", unknown)
    check_memory(10**9, 10**9)


def test_a_function_is_not_known_by_its_name():
    def dice(u, v):
        return float(abs(u - v).sum())

    def minkowski(u, v):
        return float(abs(u - v).sum())

    points, others = np.random.default_rng(8).normal(size=(2, 6, 3))
    expected = ground_cost(points, others, "cityblock")
    for metric in (dice, minkowski):
        assert_allclose(ground_cost(points, others, metric), expected)
