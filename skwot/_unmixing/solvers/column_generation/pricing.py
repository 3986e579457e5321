"""Pricing: one pass over the ground cost, by blocks."""

from typing import NamedTuple

import numpy as np

from skwot._ot.ground_costs import BlockCost
from skwot._typing import Array
from skwot._unmixing.solvers.column_generation.arcs import Arcs, join_arcs


class Scan(NamedTuple):
    """What a pass over the costs finds.

    Attributes
    ----------
    alpha : ndarray of shape (n,)
        c-transform of the target potential, ``min_j c_ij - beta_j``.
    beta : ndarray of shape (m,)
        c-transform of `alpha`, nowhere below the target potential given. The pair is
        feasible on every arc.
    arcs : Arcs
        The arcs of small reduced cost, and every column's least.
    mean : float
        Mean of the costs.
    """

    alpha: Array
    beta: Array
    arcs: Arcs
    mean: float


def scan_costs(
    cost: BlockCost,
    beta: Array,
    width: float,
    *,
    per_row: int,
    alpha: Array | None = None,
) -> Scan:
    """Make potentials feasible, and collect arcs near them.

    Parameters
    ----------
    cost : BlockCost
    beta : ndarray of shape (m,)
    width : float
        Arcs of at most this reduced cost are collected.
    per_row : float
        How many of them, at most, in the mean over the rows of a block.
    alpha : ndarray of shape (n,), default=None
        The potential in the reduced costs. The c-transform of `beta` if None.

    Returns
    -------
    Scan
    """
    n, m = cost.shape
    transform, least = np.empty(n), np.full(m, np.inf)
    least_row = np.zeros(m, np.intp)
    found, total = [], 0.0
    for rows, c in cost.blocks():
        total += float(c.sum())
        reduced = c - beta
        transform[rows] = reduced.min(axis=1)
        reduced -= (transform if alpha is None else alpha)[rows, None]
        found.append(_near_arcs(reduced, c, rows.start, width, per_row))
        c = np.subtract(c, transform[rows, None], out=reduced)
        lower = np.flatnonzero(c.min(axis=0) < least)
        best = c[:, lower].argmin(axis=0)
        least[lower], least_row[lower] = c[best, lower], best + rows.start
    found.append(Arcs(least_row, np.arange(m), least + transform[least_row]))
    return Scan(transform, least, join_arcs(found), total / (n * m))


def _near_arcs(
    reduced: Array, c: Array, start: int, width: float, per_row: int
) -> Arcs:
    """Arcs of a block with reduced costs up to `width`, each row's least among them."""
    values = reduced.ravel()
    near = np.flatnonzero(values <= width)
    limit = per_row * len(c)
    if len(near) > limit:
        chosen = np.zeros(len(values), bool)
        chosen[near[np.argpartition(values[near], limit)[:limit]]] = True
        least = reduced.argmin(axis=1) + np.arange(len(c)) * c.shape[1]
        chosen[least[values[least] <= width]] = True
        near = np.flatnonzero(chosen)
    i, j = np.divmod(near, c.shape[1])
    return Arcs(i + start, j, c[i, j])
