"""Ground costs, whole and by blocks, so that no matrix need exist."""

from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Metric = str | Callable[..., Any]

# Distances that SciPy computes row by row; "seuclidean" and "mahalanobis" are
# absent, because SciPy scales them by the variance of the rows of each call.
METRICS = frozenset(
    {
        "braycurtis",
        "canberra",
        "chebyshev",
        "cityblock",
        "correlation",
        "cosine",
        "euclidean",
        "jensenshannon",
        "minkowski",
        "sqeuclidean",
    }
)

# Those by which a point is at exactly no distance from itself.
REFLEXIVE = METRICS - {"braycurtis", "correlation", "cosine"}


_BLOCK_ENTRIES = 200_000  # fits the cache
_BLOCK_ROWS = 64  # at least, since each block costs a pass over all columns
# Matrices up to these sizes are kept: 32 MB, or 400 MB where each entry is a call.
_KEPT_ENTRIES, _KEPT_CALLS = 4_000_000, 50_000_000
_SAMPLED_ROWS = 64  # from which the unit is estimated
_PAIRS_AT_ONCE = 16


def ground_cost(points: Array, others: Array, metric: Metric) -> Array:
    """Cost of moving a unit of mass between each pair of points.

    Parameters
    ----------
    points : ndarray of shape (n, d)
    others : ndarray of shape (m, d)
    metric : str or callable
        A name that :func:`scipy.spatial.distance.cdist` knows, or a function of
        two vectors that returns a number.

    Returns
    -------
    ndarray of shape (n, m)

    Raises
    ------
    ValueError
        If a cost is negative, infinite or not a number.
    """
    # An overflow shows as an infinite cost, which is reported below.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        cost = np.asarray(cdist(points, others, cast(Any, metric)), dtype=np.float64)
    if cost.size and not (cost.min() >= 0 and np.isfinite(cost.max())):
        raise ValueError(
            f"metric={metric!r} must give finite, non-negative costs; "
            f"got costs between {cost.min()} and {cost.max()}."
        )
    return cost


class BlockCost:
    """The ground cost between two sets of points, in units of its median.

    The median and not the mean, because a single far outlier can multiply the mean,
    and the simplex methods have absolute tolerances.

    Parameters
    ----------
    points : ndarray of shape (n, d)
    others : ndarray of shape (m, d)
    metric : str or callable
        See :func:`ground_cost`.
    unit : float, default=None
        The unit to use instead.
    outlier_cost : float, default=None
        Adds a last point at this cost from everything.

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
        unit: float | None = None,
        outlier_cost: float | None = None,
    ) -> None:
        self._points, self._others, self._metric = points, others, metric
        self._outlier_cost = outlier_cost
        self.shape = len(points) + (outlier_cost is not None), len(others)
        self._matrix: Array | None = None
        self.unit = 1.0
        kept = _KEPT_CALLS if callable(metric) else _KEPT_ENTRIES
        if len(points) * len(others) <= kept:
            self._matrix = self.block(slice(None), slice(None))
        self.unit = self._typical() if unit is None else unit
        if self._matrix is not None:
            self._matrix /= self.unit

    def _typical(self) -> float:
        rows = np.linspace(0, len(self._points) - 1, _SAMPLED_ROWS).astype(np.intp)
        sample = self.block(np.unique(rows), slice(None))
        return float(np.median(sample)) or float(sample.mean()) or 1.0

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
            return BlockCost(points, others, self._metric, self.unit, outlier_cost)
        # Calls of the metric are not repeated.
        part = BlockCost.__new__(BlockCost)
        part.__dict__.update(
            self.__dict__, _points=points, _others=others, _outlier_cost=outlier_cost
        )
        part.shape = len(rows), len(columns)
        part._matrix = self._matrix[np.ix_(rows, columns)]
        return part
