"""Arcs of the transport graph, as parallel arrays."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

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


def violated(arcs: Arcs, alpha: Array, beta: Array, tol: float = DUAL_TOL) -> Mask:
    """Mask of the arcs whose reduced cost is negative beyond rounding."""
    size = abs(alpha[arcs.source]) + abs(beta[arcs.target])
    limit = -tol - _POTENTIAL_ROUNDING * size
    return reduced_costs(arcs, alpha, beta) < limit


def tightest(arcs: Arcs, alpha: Array, beta: Array) -> Mask:
    """Mask of the arcs with the least reduced cost of their row or column."""
    reduced = reduced_costs(arcs, alpha, beta)
    row, column = np.full(len(alpha), np.inf), np.full(len(beta), np.inf)
    np.minimum.at(row, arcs.source, reduced)
    np.minimum.at(column, arcs.target, reduced)
    return (reduced <= row[arcs.source]) | (reduced <= column[arcs.target])


def arc_transforms(arcs: Arcs, beta: Array, n: int) -> tuple[Array, Array]:
    """c-transforms over the arcs alone, of `beta` and then of the result."""
    alpha, transform = np.full(n, np.inf), np.full(len(beta), np.inf)
    np.minimum.at(alpha, arcs.source, arcs.cost - beta[arcs.target])
    np.minimum.at(transform, arcs.target, arcs.cost - alpha[arcs.source])
    return alpha, transform
