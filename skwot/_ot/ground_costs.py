"""Ground costs, whole and by blocks."""

import os
from collections.abc import Iterator
from functools import cached_property

import numpy as np

from skwot._ot.metrics import Metric, name_of, raw_costs
from skwot._typing import Array, Index

_BLOCK_ENTRIES = 200_000  # of a block of costs, which then fits the cache
_BLOCK_ROWS = 64  # at least, since each block costs a pass over all columns
# A matrix of up to so many entries is kept: 32 MB of them, or 400 MB where an entry is
# expensive, because it is a call of a Python function or there are many features.
_KEPT_ENTRIES, _KEPT_EXPENSIVE = 4_000_000, 50_000_000
_MANY_FEATURES = 200
_SAMPLED_ROWS = 64  # rows of the costs from which their unit is estimated
_PAIRS_AT_ONCE = 16
_COVARIANCES = 2  # of the size of all sources', while they are collected
# Matrices of the size of the costs that a solver on dense matrices holds at once, which
# were measured: POT's network simplex has copies of its own.
_MATRICES = 7


def ground_cost(points: Array, others: Array, metric: Metric) -> Array:
    """Cost of moving a unit of mass between each pair of points.

    Parameters
    ----------
    points : ndarray of shape (n, d)
    others : ndarray of shape (m, d)
    metric : Metric

    Returns
    -------
    ndarray of shape (n, m)

    Raises
    ------
    ValueError
        If a cost is negative, infinite or not a number.
    """
    cost = raw_costs(points, others, metric)
    if cost.size and not (cost.min() >= 0 and np.isfinite(cost.max())):
        raise ValueError(
            f"metric={name_of(metric)!r} must give finite, non-negative costs; "
            f"got costs between {cost.min()} and {cost.max()}."
        )
    return cost


def check_memory(n: int, m: int, n_matrices: int = _MATRICES) -> None:
    """Refuse to allocate matrices of costs that the machine cannot hold.

    Parameters
    ----------
    n, m : int
        Numbers of points.
    n_matrices : int, default=7
        How many matrices are held at once.

    Raises
    ------
    MemoryError
        Before anything is allocated, with what to do instead.
    """
    needed = n_matrices * 8 * n * m
    if needed > _usable_memory():
        raise MemoryError(
            f"A dense matrix of {n} x {m} ground costs, and what is computed from it, "
            f"takes {needed / 1e9:.3g} GB, which is more than there is. Set "
            "max_support to quantise the samples, or use loss='wasserstein' with "
            "solver='auto', which needs no such matrix."
        )


def check_covariances(n_sources: int, n_features: int) -> None:
    """Refuse to allocate covariances that the machine cannot hold.

    Parameters
    ----------
    n_sources, n_features : int

    Raises
    ------
    MemoryError
        Before anything is allocated, with what to do instead.
    """
    needed = _COVARIANCES * 8 * n_sources * n_features**2
    if needed > _usable_memory():
        raise MemoryError(
            f"The covariances_ of {n_sources} sources with {n_features} features take "
            f"{needed / 1e9:.3g} GB, which is more than there is. Give fewer features, "
            "such as the first principal components, or the costs between the rows, "
            "with metric='precomputed'."
        )


def _usable_memory() -> float:
    """Bytes of the machine, or of its limit on the process if that is less."""
    return min(_physical_memory(), _limit_of_process())


def _physical_memory() -> float:
    """Memory of the machine in bytes; infinite, if the system does not tell."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return np.inf


def _limit_of_process() -> float:
    """Limit on the address space in bytes, as by ``ulimit -v``; infinite without."""
    try:
        import resource
    except ImportError:
        return np.inf
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return np.inf if soft == resource.RLIM_INFINITY else float(soft)


class BlockCost:
    """The ground cost between two sets of points, in units of its median.

    The unit is the median and not the mean, because a single far outlier can multiply
    the mean, and the simplex methods have absolute tolerances. It is the outlier cost
    if that is less.

    Parameters
    ----------
    points : ndarray of shape (n, d)
    others : ndarray of shape (m, d)
    metric : Metric
    outlier_cost : float, default=None
        Adds a last point at this cost from everything.
    unit : float, default=None
        The unit to use instead.

    Attributes
    ----------
    shape : (int, int)
        n and m, where n includes the last point.
    unit : float
    """

    def __init__(
        self,
        points: Array,
        others: Array,
        metric: Metric,
        outlier_cost: float | None = None,
        unit: float | None = None,
    ) -> None:
        self._points, self._others, self._metric = points, others, metric
        self._outlier_cost = outlier_cost
        self.shape = len(points) + (outlier_cost is not None), len(others)
        self._matrix: Array | None = None
        self.unit = 1.0
        expensive = callable(metric) or points.shape[1] >= _MANY_FEATURES
        kept = _KEPT_EXPENSIVE if expensive else _KEPT_ENTRIES
        if len(points) * len(others) <= kept:
            self._matrix = self.block(slice(None), slice(None))
        self.unit = self._typical() if unit is None else unit
        if self._matrix is not None:
            self._matrix /= self.unit

    def _typical(self) -> float:
        sample = self.sample()
        typical = float(np.median(sample)) or float(sample.mean()) or 1.0
        # What costs more than being an outlier is not paid.
        return min(typical, self._outlier_cost or np.inf)

    @cached_property
    def largest(self) -> float:
        """Largest of all costs, by a pass over them."""
        return max(float(block.max()) for _, block in self.blocks())

    def sample(self) -> Array:
        """Return the rows of a few points, which are not the outliers'."""
        rows = np.linspace(0, len(self._points) - 1, _SAMPLED_ROWS).astype(np.intp)
        return self.block(np.unique(rows), slice(None))

    def whole(self) -> Array:
        """Return the matrix of all costs, which is not to be changed.

        Raises
        ------
        MemoryError
            See :func:`check_memory`.
        """
        check_memory(*self.shape)
        return self.block(slice(None), slice(None))

    def block(self, rows: slice | Index, columns: slice | Index) -> Array:
        """Return costs between some of the points and some of the others."""
        if self._matrix is not None:
            return self._matrix[rows][:, columns]
        index = np.arange(self.shape[0])[rows]
        points = self._points.take(index, axis=0, mode="clip")
        cost = ground_cost(points, self._others[columns], self._metric)
        if self._outlier_cost is not None:
            cost[index == len(self._points)] = self._outlier_cost
        return np.divide(cost, self.unit, out=cost)

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """Yield slices of rows with their blocks, which are not to be changed."""
        n, m = self.shape
        step = max(_BLOCK_ROWS, _BLOCK_ENTRIES // m)
        for start in range(0, n, step):
            rows = slice(start, min(start + step, n))
            yield rows, self.block(rows, slice(None))

    def pairs(self, i: Index, j: Index) -> Array:
        """Return costs between points i and others j, one by one: shape of `i`."""
        order = np.argsort(i, kind="stable")
        costs = np.empty(len(i))
        for part in np.array_split(order, max(1, len(order) // _PAIRS_AT_ONCE)):
            costs[part] = np.diagonal(self.block(i[part], j[part]))
        return costs

    def between(self, rows: Index, columns: Index) -> "BlockCost":
        """Restrict to subsets of the points, sorted, in the same unit."""
        is_outlier = rows == len(self._points)
        points, others = self._points[rows[~is_outlier]], self._others[columns]
        outlier_cost = self._outlier_cost if is_outlier.any() else None
        if self._matrix is None:
            return BlockCost(points, others, self._metric, outlier_cost, self.unit)
        # Calls of the metric are not repeated.
        part = BlockCost.__new__(BlockCost)
        part.__dict__.update(
            self.__dict__, _points=points, _others=others, _outlier_cost=outlier_cost
        )
        part.shape = len(rows), len(columns)
        part._matrix = self._matrix[np.ix_(rows, columns)]
        return part
