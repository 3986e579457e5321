"""Kernel densities of the sources, in one or several views of the rows.

In a view with the ground cost c and the temperature eps, source k with masses H_k has
at a point x the density ``sum_i H_ik exp(-c(x_i, x) / eps)``; minus eps times its
logarithm is the soft cost of x, which falls to the least cost as eps falls to zero.
The densities of several views, each raised to an exponent tau of its own, are
multiplied. So the log-density, and minus it the cost of mass at x for source k, in
units of a temperature, is

    log L_k(x) = sum_v tau_v log sum_i H_ik exp(-c_v(x_i, x) / eps_v).

Each sum is at least 1e-300 of its largest possible term, that of the row nearest to x:
so every source has some density everywhere, and one row far from its own source cannot
decide about everything.

An exponent below one allows for densities that are too sure: a kernel knows nothing of
the dependence among features, nor does one view of what it shares with another.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse

from skwot._ot.ground_costs import BlockCost
from skwot._ot.measures import SourceMeasures
from skwot._ot.metrics import Metric, parts_of
from skwot._typing import Array, Index

_POINTS = 10_000  # whose posterior probabilities are computed at a time
_ROUNDING = 1e-12  # of the size of a feature, a deviation that is none
TINY = 1e-300  # replaces densities, relative to the nearest row's, that underflow


class View(NamedTuple):
    """How the densities of a view are computed, and how much they count.

    Attributes
    ----------
    temperature : float
        In units of the view's own ground cost.
    exponent : float
    """

    temperature: float
    exponent: float


def unit_of(views: Sequence[View]) -> float:
    """Cost of one unit of log-density: that of the one view; one, if there are more."""
    if len(views) > 1:
        return 1.0
    return views[0].temperature / views[0].exponent


class Densities:
    """Densities of the sources at some points, by blocks of costs.

    Parameters
    ----------
    atoms : ndarray of shape (n, d)
        Of the sources.
    points : ndarray of shape (m, d)
    metric : Metric
        With as many parts as there are views.
    views : sequence of V View
    """

    def __init__(
        self, atoms: Array, points: Array, metric: Metric, views: Sequence[View]
    ) -> None:
        self._views = views
        self._costs = [
            BlockCost(atoms[:, columns], points[:, columns], part, unit=1.0)
            for part, columns in parts_of(metric)
        ]

    def logarithms(self, masses: sparse.csr_array) -> Array:
        """Log-densities of sources with these masses of the atoms, shape (m, K)."""
        total = np.zeros((self._costs[0].shape[1], masses.shape[1]))
        for view, costs in zip(self._views, self._costs, strict=True):
            shift, sums = _kernel_sums(costs, masses, view.temperature)
            total += view.exponent * (np.log(np.maximum(sums, TINY)) - shift[:, None])
        return total

    def between(self, rows: Index, columns: Index) -> "Densities":
        """Restrict to some of the atoms and some of the points, both sorted."""
        other = object.__new__(Densities)
        other._views = self._views
        other._costs = [costs.between(rows, columns) for costs in self._costs]
        return other


def scales_within(means: Array, covariances: Array) -> Array:
    """Compute the standard deviation of each feature within the sources.

    Parameters
    ----------
    means : ndarray of shape (K, d)
    covariances : ndarray of shape (K, d, d)

    Returns
    -------
    ndarray of shape (d,)
        Root of the mean variance. For a feature that is constant in each source, the
        standard deviation among the sources instead, which may be zero.
    """
    within = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2).mean(axis=0))
    rounding = _ROUNDING * abs(means).max(axis=0)
    among = means.std(axis=0)
    among = np.where(among > rounding, among, 0.0)
    return np.where(within > rounding, within, among)


def _kernel_sums(
    costs: BlockCost, masses: sparse.csr_array, eps: float
) -> tuple[Array, Array]:
    """Sum the kernel over the atoms of each source, in one pass over the costs.

    Returns
    -------
    shift : ndarray of shape (m,)
        Least cost of each point, in temperatures.
    sums : ndarray of shape (m, K)
        ``sum_i masses_ik exp(shift_j - c_ij / eps)``.
    """
    m = costs.shape[1]
    shift, sums = np.full(m, np.inf), np.zeros((m, masses.shape[1]))
    for rows, block in costs.blocks():
        levels = block / eps
        lower = np.minimum(shift, levels.min(axis=0))
        sums *= np.exp(lower - shift)[:, None]
        np.subtract(lower, levels, out=levels)
        np.exp(levels, out=levels)
        sums += (masses[rows].T @ levels).T
        shift = lower
    return shift, sums


def posterior(
    points: Array,
    sources: SourceMeasures,
    log_prior: Array,
    metric: Metric,
    views: Sequence[View],
) -> Array:
    """Share each point among the sources, in proportion to their densities there.

    Parameters
    ----------
    points : ndarray of shape (m, d)
    sources : SourceMeasures
    log_prior : ndarray of shape (K,)
        Is added to the log-densities; minus infinity for a source that takes nothing.
    metric : Metric
    views : sequence of View

    Returns
    -------
    ndarray of shape (m, K)
        Rows sum to one; each depends on its own point alone.
    """
    atoms, masses = sources
    starts = range(0, len(points), _POINTS)
    parts = (points[start : start + _POINTS] for start in starts)
    logs = np.concatenate(
        [Densities(atoms, part, metric, views).logarithms(masses) for part in parts]
    )
    logs += log_prior
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
