"""Which source a point comes from, according to the potentials."""

from collections.abc import Callable

import numpy as np
from scipy import sparse

from skwot._ot.ground_costs import ground_cost
from skwot._ot.metrics import Metric
from skwot._typing import Array

# Reduced costs that differ by less than this fraction of their scale are ties.
TIE = 1e-9
_BLOCK = 2**24  # entries of the cost matrix that are held at a time


def assign(
    points: Array,
    support: Array,
    masses: sparse.csr_array,
    potentials: Array,
    metric: Metric,
) -> Array:
    """Share each point among the sources that transport it most cheaply.

    A point x goes to the atoms that attain ``min_i c(x_i, x) - alpha_i``, the
    c-transform of the source potential, as an optimal plan does
    (complementary slackness). Ties share it in proportion to their mass. The
    result for a point depends on no other point.

    Parameters
    ----------
    points : ndarray of shape (n_points, d)
    support : ndarray of shape (n, d)
        Atoms of the sources.
    masses : sparse array of shape (n, K)
        Mass of each atom in each source, times the weight of the source.
    potentials : ndarray of shape (n,)
        Source potential, in the units of the ground cost.
    metric : Metric

    Returns
    -------
    ndarray of shape (n_points, K)
        Rows sum to one.
    """
    return _shares(points, support, masses, potentials, metric, _ties)


def assign_entropic(
    points: Array,
    support: Array,
    masses: sparse.csr_array,
    potentials: Array,
    metric: Metric,
    eps: float,
) -> Array:
    """Share each point among the sources as an entropic plan does.

    The part of a source k in a point x is proportional to the sum over its atoms of
    ``masses_ik exp((alpha_i - c(x_i, x)) / eps)``, the softmin of ``c - alpha``
    restricted to the source. On the target of the plan with source potential alpha
    these are the plan's conditional probabilities, which average to the weights of
    the sources. The result for a point depends on no other point.

    Parameters
    ----------
    points : ndarray of shape (n_points, d)
    support : ndarray of shape (n, d)
        Atoms of the sources.
    masses : sparse array of shape (n, K)
        Mass of each atom in each source, times the weight of the source.
    potentials : ndarray of shape (n,)
        Source potential, in the units of the ground cost.
    metric : Metric
    eps : float
        Positive temperature, in the units of the ground cost.

    Returns
    -------
    ndarray of shape (n_points, K)
        Rows sum to one.
    """

    def closeness(cost: Array, potentials: Array) -> Array:
        logits = (potentials - cost) / eps
        return np.exp(logits - logits.max(axis=1, keepdims=True))

    return _shares(points, support, masses, potentials, metric, closeness)


def _shares(
    points: Array,
    support: Array,
    masses: sparse.csr_array,
    potentials: Array,
    metric: Metric,
    closeness: Callable[[Array, Array], Array],
) -> Array:
    """Mass of each source among the atoms near each point, in blocks of points."""
    used = np.flatnonzero(masses.sum(axis=1))
    support, masses, potentials = support[used], masses[used], potentials[used]
    rows = max(1, _BLOCK // len(support))
    shares = np.empty((len(points), masses.shape[1]))
    for start in range(0, len(points), rows):
        # In this order, as mass moves from the sources.
        cost = ground_cost(support, points[start : start + rows], metric).T
        shares[start : start + rows] = closeness(cost, potentials) @ masses
    return shares / shares.sum(axis=1, keepdims=True)


def _ties(cost: Array, potentials: Array) -> Array:
    reduced = cost - potentials
    winner = reduced.argmin(axis=1)[:, None]
    # The two terms whose difference is the least reduced cost set its precision.
    scale = np.take_along_axis(cost, winner, axis=1) + np.ptp(potentials)
    least = np.take_along_axis(reduced, winner, axis=1)
    return (reduced <= least + TIE * scale).astype(np.float64)
