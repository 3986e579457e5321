"""The unmixing objective on the line, by sorting once.

For a cost that is a convex function of ``x - y`` the monotone plan is optimal
(Santambrogio, 2015, theorem 2.9). It is a staircase through the sorted points, and
potentials follow by summing the changes of the cost along it: they are feasible,
because such a cost has the Monge property.
"""

from copy import copy

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from skwot._ot.ground_costs import Metric
from skwot._ot.measures import Measure, SourceMeasures
from skwot._unmixing.problem import ROUNDING, Evaluation, Plane, source_shares

Array = NDArray[np.float64]

# Names of ``|x - y|`` and of its square in one dimension.
_ABSOLUTE = frozenset({"chebyshev", "cityblock", "euclidean", "minkowski"})
_SQUARE = frozenset({"sqeuclidean"})


def applies(sources: SourceMeasures, metric: Metric) -> bool:
    """Whether the points are numbers and the cost is convex in their difference."""
    return sources.points.shape[1] == 1 and metric in _ABSOLUTE | _SQUARE


class LineObjective:
    """The unmixing objective for points on the line.

    An evaluation takes O(n + m) time and memory, beside a merge of sorted masses.
    Implements :class:`skwot._unmixing.problem.Objective`.

    Parameters
    ----------
    sources : SourceMeasures
    target : Measure
    metric : str
        A name of the absolute difference, or "sqeuclidean".
    """

    rounding = ROUNDING

    def __init__(
        self, sources: SourceMeasures, target: Measure, metric: Metric
    ) -> None:
        self.masses = sources.masses
        self.target = target.masses
        self._square = metric in _SQUARE
        # Measures are sorted. Centring avoids cancellation in the squares.
        centre = target.masses @ target.points[:, 0]
        self._x = sources.points[:, 0] - centre
        self._y = target.points[:, 0] - centre
        self.unit = self._mean_cost() or 1.0
        scale = np.sqrt(self.unit) if self._square else self.unit
        self._x, self._y = self._x / scale, self._y / scale
        self._levels = _cumulative(self.target)

    def _cost(self, x: Array, y: Array) -> Array:
        return (x - y) ** 2 if self._square else abs(x - y)

    def _mean_cost(self) -> float:
        x, y = self._x, self._y
        if self._square:
            return float((x**2).mean() + (y**2).mean() - 2 * x.mean() * y.mean())
        below = np.searchsorted(y, x)
        sums = np.concatenate([[0.0], np.cumsum(y)])
        distances = x * (2 * below - len(y)) + sums[-1] - 2 * sums[below]
        return float(distances.mean() / len(y))

    def __call__(self, weights: Array) -> Evaluation:
        """Transport monotonically at `weights`, shape (K,), on the simplex."""
        levels = _cumulative(self.masses @ weights)
        masses = np.concatenate([levels, self._levels])
        order = np.argsort(masses, kind="stable")
        stairs = order < len(levels)
        flow = np.diff(masses[order], prepend=0.0, append=1.0)
        i, j = _cells(stairs)
        value = float(flow @ self._cost(self._x[i], self._y[j]))
        alpha, beta = self._potentials(stairs)
        slope, offset = self.masses.T @ alpha, float(self.target @ beta)
        plane = Plane(slope, offset, np.packbits(stairs))
        return Evaluation(weights, value, plane)

    def _potentials(self, stairs: NDArray[np.bool_]) -> tuple[Array, Array]:
        """Potentials that are tight on every cell of the staircase."""
        i, j = _cells(stairs)
        x, y = self._x, self._y
        beside, below = y[j[1:][stairs]], x[i[1:][~stairs]]
        to_right = self._cost(x[1:], beside) - self._cost(x[:-1], beside)
        upward = self._cost(below, y[1:]) - self._cost(below, y[:-1])
        first = self._cost(x[0], y[0])
        alpha = np.concatenate([[0.0], np.cumsum(to_right)])
        return alpha, first + np.concatenate([[0.0], np.cumsum(upward)])

    def coarsened(self, n_atoms: int) -> "LineObjective":
        """Merge neighbouring atoms into about `n_atoms` of the sources and the target.

        The result is in the same units, and its optimum is near this one's.
        """
        coarse = copy(self)
        mixture = self.masses.mean(axis=1)
        coarse.masses, coarse._x = _merge(self._x, self.masses, mixture, n_atoms)
        target = sparse.csr_array(self.target[:, None])
        merged, coarse._y = _merge(self._y, target, self.target, n_atoms)
        coarse.target = merged.toarray()[:, 0]
        coarse._levels = _cumulative(coarse.target)
        return coarse

    def free_planes(self) -> list[Plane]:
        """Give the plane of the staircase through equal weights."""
        n_sources = self.masses.shape[1]
        return [self(np.full(n_sources, 1 / n_sources)).plane]

    def initial_weights(self) -> Array:
        """Share of the target whose nearest atom belongs to each source, (K,)."""
        right = np.searchsorted(self._x, self._y).clip(1, len(self._x) - 1)
        left = np.maximum(right - 1, 0)
        is_left = self._y - self._x[left] <= self._x[right] - self._y
        atoms = np.where(is_left, left, right)
        return source_shares(self.masses, self.target, atoms)

    def potentials(
        self, planes: list[Plane], multipliers: Array
    ) -> tuple[Array, Array]:
        """Combine the potentials of the planes, which stay feasible."""
        n_steps = len(self._x) + len(self._y) - 2
        alpha, beta = np.zeros(len(self._x)), np.zeros(len(self._y))
        for plane, multiplier in zip(planes, multipliers, strict=True):
            record = plane.record.astype(np.uint8, copy=False)
            stairs = np.unpackbits(record, count=n_steps).astype(bool)
            for total, part in zip(
                (alpha, beta), self._potentials(stairs), strict=True
            ):
                total += multiplier * part
        return alpha, beta


def _merge(
    points: Array, masses: sparse.csr_array, total: Array, n_atoms: int
) -> tuple[sparse.csr_array, Array]:
    """Merge sorted points into groups of about equal mass, at their means."""
    group = np.floor(n_atoms * (np.cumsum(total) - total / 2) / total.sum())
    _, group = np.unique(group, return_inverse=True)
    merge = sparse.csr_array((np.ones(len(group)), (group, np.arange(len(group)))))
    return merge @ masses, (merge @ (total * points)) / (merge @ total)


def _cumulative(masses: Array) -> Array:
    """Cumulated shares of all but the last mass."""
    sums = np.cumsum(masses)
    return sums[:-1] / sums[-1]


def _cells(stairs: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Source and target atom of each cell of a staircase."""
    i = np.concatenate([[0], np.cumsum(stairs)])
    return i, np.arange(len(i)) - i
