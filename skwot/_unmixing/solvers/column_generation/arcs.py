"""Arcs of the transport graph, as parallel arrays."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from skwot._ot.ground_costs import BlockCost
from skwot._typing import Array, Index, Mask
from skwot._unmixing.problem import Marginals

# Reduced costs count as negative below -DUAL_TOL, in units of the median cost, and
# below the rounding error of the potentials, a few times the machine's precision.
DUAL_TOL = 1e-12
_POTENTIAL_ROUNDING = 4e-15


class BlockProblem(NamedTuple):
    """An unmixing problem whose costs are computed block by block, where needed.

    Attributes
    ----------
    cost : BlockCost
        Between n source atoms and m target atoms.
    marginals : Marginals
        With surcharges in the unit of the cost. Every row of the masses has a positive
        entry, and every mass of the target is positive.
    """

    cost: BlockCost
    marginals: Marginals


class Arcs(NamedTuple):
    """Arcs from source atoms to target atoms, with their costs, shapes (E,)."""

    source: Index
    target: Index
    cost: Array

    def select(self, keep: Mask | Index) -> "Arcs":
        """Return some of the arcs."""
        return Arcs(self.source[keep], self.target[keep], self.cost[keep])

    def unique(self, m: int) -> "Arcs":
        """Return each arc once, where `m` is the number of target atoms."""
        _, first = np.unique(self.source * m + self.target, return_index=True)
        return self.select(first)


def join_arcs(parts: Sequence[Arcs]) -> Arcs:
    """All arcs of several sets."""
    return Arcs(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def reduced_costs(arcs: Arcs, alpha: Array, beta: Array) -> Array:
    """``c_ij - alpha_i - beta_j`` on each arc."""
    return arcs.cost - alpha[arcs.source] - beta[arcs.target]


def arc_rows(arcs: Arcs, n: int) -> Index:
    """Rows of the two ones in each arc's column, that of the source first, (2 E,)."""
    return np.stack([arcs.source, arcs.target + n], axis=1).ravel()


def arc_columns(arcs: Arcs, n: int, m: int) -> sparse.csc_array:
    """Columns of the marginals' constraints that belong to the arcs, (n + m, E)."""
    length = len(arcs.cost)
    starts = np.arange(0, 2 * length + 1, 2)
    entries = np.ones(2 * length), arc_rows(arcs, n), starts
    return sparse.csc_array(entries, shape=(n + m, length))


def violated(arcs: Arcs, alpha: Array, beta: Array, tol: float = DUAL_TOL) -> Mask:
    """Mask of the arcs whose reduced cost is negative beyond rounding."""
    size = abs(alpha[arcs.source]) + abs(beta[arcs.target])
    limit = -tol - _POTENTIAL_ROUNDING * size
    return reduced_costs(arcs, alpha, beta) < limit


def tightest(arcs: Arcs, alpha: Array, beta: Array) -> Mask:
    """Mask of one arc a row and one a column, those of the least reduced cost."""
    reduced = reduced_costs(arcs, alpha, beta)
    order = scattered(arcs, len(beta))
    return _leading(arcs.source, reduced, order) | _leading(arcs.target, reduced, order)


def least_arcs(arcs: Arcs, alpha: Array, beta: Array, size: int) -> Mask:
    """Mask of so many arcs of the least reduced cost."""
    reduced = reduced_costs(arcs, alpha, beta)
    if size >= len(reduced):
        return np.ones(len(reduced), bool)
    limit = np.partition(reduced, size)[size]
    chosen = reduced < limit
    ties = np.flatnonzero(reduced == limit)
    order = scattered(arcs, len(beta))[ties]
    n_missing = size - np.count_nonzero(chosen)
    chosen[ties[np.argsort(order)[:n_missing]]] = True
    return chosen


def scattered(arcs: Arcs, m: int) -> NDArray[np.uint64]:
    """Order arcs as if at random, each with a number of its own.

    Where many arcs tie, a set of them then serves all rows and columns alike, and is no
    larger than without ties. Sets of all tied arcs made programmes hundred times as
    large.
    """
    key = arcs.source.astype(np.uint64) * np.uint64(m) + arcs.target.astype(np.uint64)
    # The finaliser of SplitMix64 (Steele, Lea & Flood, 2014), which is a bijection.
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))


def _leading(group: Index, values: Array, order: NDArray[np.uint64]) -> Mask:
    """Mask of one member a group: that of the least value, and the first of equals."""
    if not len(group):
        return np.zeros(0, bool)
    least = np.full(group.max() + 1, np.inf)
    np.minimum.at(least, group, values)
    tied = np.flatnonzero(values <= least[group])
    first = np.full(len(least), np.iinfo(np.uint64).max)
    np.minimum.at(first, group[tied], order[tied])
    leading = np.zeros(len(group), bool)
    leading[tied[order[tied] <= first[group[tied]]]] = True
    return leading


def arc_transforms(arcs: Arcs, beta: Array, n: int) -> tuple[Array, Array]:
    """c-transforms over the arcs alone, of `beta` and then of the result."""
    alpha, transform = np.full(n, np.inf), np.full(len(beta), np.inf)
    np.minimum.at(alpha, arcs.source, arcs.cost - beta[arcs.target])
    np.minimum.at(transform, arcs.target, arcs.cost - alpha[arcs.source])
    return alpha, transform
