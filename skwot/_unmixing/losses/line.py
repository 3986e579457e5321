"""The exact transport cost between samples of a single feature, by sorting once.

For a cost that is a convex function of ``x - y`` the monotone plan is optimal
(Santambrogio, 2015, theorem 2.9). It is a staircase through the sorted points, and
potentials follow by summing the changes of the cost along it: they are feasible,
because such a cost has the Monge property. Whatever the masses are, potentials of any
staircase through the same points are.
"""

from copy import copy

import numpy as np
from scipy import sparse

from skwot._ot.metrics import facts_of
from skwot._typing import Array, Index, Mask
from skwot._unmixing.losses.transport import Solved, TransportLoss
from skwot._unmixing.problem import (
    ROUNDING,
    Marginals,
    Plane,
    Problem,
)

# Samples with more atoms than this are merged into so many first, where evaluating
# takes a few milliseconds.
_COARSE_ATOMS = 20_000


def sorts(problem: Problem) -> bool:
    """Whether the points are numbers and the cost is convex in their difference."""
    numbers = problem.sources.points.shape[1] == 1 and problem.outlier_cost is None
    return numbers and facts_of(problem.metric).of_numbers is not None


class LineLoss(TransportLoss):
    """The optimal transport cost for points with a single feature.

    An evaluation takes O(n + m) time and memory, beside a merge of sorted masses. A
    plane's record holds the steps of its staircase, one bit each.

    Parameters
    ----------
    problem : Problem
        Which :func:`sorts`.
    """

    def __init__(self, problem: Problem) -> None:
        target = problem.target
        self._square = facts_of(problem.metric).of_numbers == "square"
        # Measures are sorted. Centring avoids cancellation in the squares.
        centre = target.masses @ target.points[:, 0]
        self._x = problem.sources.points[:, 0] - centre
        self._y = target.points[:, 0] - centre
        unit = self._mean_cost() or 1.0
        scale = np.sqrt(unit) if self._square else unit
        self._x, self._y = self._x / scale, self._y / scale
        super().__init__(problem.marginals, unit, ROUNDING)

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

    def _set_masses(self) -> None:
        self._levels = _cumulative(self.marginals.target)

    def _solve(self, a: Array) -> Solved:
        levels = _cumulative(a)
        masses = np.concatenate([levels, self._levels])
        order = np.argsort(masses, kind="stable")
        stairs = order < len(levels)
        flow = np.diff(masses[order], prepend=0.0, append=1.0)
        i, j = cells = _cells(stairs)
        value = float(flow @ self._cost(self._x[i], self._y[j]))
        alpha, beta = self._potentials(stairs, cells)
        offset = float(self.marginals.target @ beta)
        return Solved(value, alpha, offset, np.packbits(stairs))

    def _potentials(
        self, stairs: Mask, cells: tuple[Index, Index]
    ) -> tuple[Array, Array]:
        """Potentials that are tight on every cell of the staircase."""
        i, j = cells
        x, y = self._x, self._y
        beside, below = y[j[1:][stairs]], x[i[1:][~stairs]]
        to_right = self._cost(x[1:], beside) - self._cost(x[:-1], beside)
        upward = self._cost(below, y[1:]) - self._cost(below, y[:-1])
        first = self._cost(x[0], y[0])
        alpha = np.concatenate([[0.0], np.cumsum(to_right)])
        return alpha, first + np.concatenate([[0.0], np.cumsum(upward)])

    def _recorded(self, plane: Plane) -> tuple[Array, Array]:
        """Potentials of a plane, from the steps that it records."""
        n_steps = len(self._x) + len(self._y) - 2
        record = plane.record.astype(np.uint8, copy=False)
        stairs = np.unpackbits(record, count=n_steps).astype(bool)
        return self._potentials(stairs, _cells(stairs))

    def _known_planes(self) -> list[Plane]:
        """Give the plane of the staircase through equal weights."""
        n_sources = self.marginals.n_weights
        return [self(np.full(n_sources, 1 / n_sources)).plane]

    def _nearest_atoms(self) -> Index:
        right = np.searchsorted(self._x, self._y).clip(1, len(self._x) - 1)
        left = np.maximum(right - 1, 0)
        is_left = self._y - self._x[left] <= self._x[right] - self._y
        return np.where(is_left, left, right)

    def potentials(
        self, planes: list[Plane], multipliers: Array
    ) -> tuple[Array, Array]:
        """Combine the potentials of the planes, which stay feasible."""
        alpha, beta = np.zeros(len(self._x)), np.zeros(len(self._y))
        for plane, multiplier in zip(planes, multipliers, strict=True):
            part_alpha, part_beta = self._recorded(plane)
            alpha += multiplier * part_alpha
            beta += multiplier * part_beta
        return alpha, beta

    def reweighted(
        self, marginals: Marginals, around: list[Plane], start: Array
    ) -> "LineLoss":
        """See :meth:`Objective.reweighted`."""
        other = copy(self)
        other.marginals, other._start = marginals, start
        other._set_masses()
        other._free = []
        for plane in around:
            alpha, beta = self._recorded(plane)
            offset = float(marginals.target @ beta)
            other._free.append(Plane(marginals.slope(alpha), offset, plane.record))
        return other

    def coarsened(self) -> "LineLoss | None":
        """Merge neighbouring atoms of large samples into groups of about equal mass.

        The result is in the same unit, and its optimum is near this one's.
        """
        if len(self._x) + len(self._y) <= 2 * _COARSE_ATOMS:
            return None
        coarse = copy(self)
        masses, target, surcharges = self.marginals
        merged, coarse._x = _merge(self._x, masses, masses.mean(axis=1))
        column = sparse.csr_array(target[:, None])
        merged_target, coarse._y = _merge(self._y, column, target)
        coarse.marginals = Marginals(merged, merged_target.toarray()[:, 0], surcharges)
        coarse._set_masses()
        return coarse


def _merge(
    points: Array, masses: sparse.csr_array, total: Array
) -> tuple[sparse.csr_array, Array]:
    """Merge sorted points into groups of about equal mass, at their means."""
    group = np.floor(_COARSE_ATOMS * (np.cumsum(total) - total / 2) / total.sum())
    _, group = np.unique(group, return_inverse=True)
    merge = sparse.csr_array((np.ones(len(group)), (group, np.arange(len(group)))))
    return merge @ masses, (merge @ (total * points)) / (merge @ total)


def _cumulative(masses: Array) -> Array:
    """Cumulated shares of all but the last mass."""
    sums = np.cumsum(masses)
    return sums[:-1] / sums[-1]


def _cells(stairs: Mask) -> tuple[Index, Index]:
    """Source and target atom of each cell of a staircase."""
    i = np.concatenate([[0], np.cumsum(stairs)])
    return i, np.arange(len(i)) - i
