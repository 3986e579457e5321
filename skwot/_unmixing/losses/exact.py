"""The exact transport cost, with a dense cost matrix and POT's network simplex."""

from copy import copy

import numpy as np

from skwot._ot.transport import c_transform, solve_transport
from skwot._typing import Array, Index
from skwot._unmixing.losses.transport import Solved, TransportLoss
from skwot._unmixing.problem import (
    ROUNDING,
    Marginals,
    Plane,
    Problem,
)


class ExactLoss(TransportLoss):
    """The optimal transport cost.

    Each evaluation is an exact transport problem that starts from the potentials of
    the one before. A plane's record holds its source potential, then the target's.

    Parameters
    ----------
    problem : Problem

    Attributes
    ----------
    cost : ndarray of shape (n, m)
        In this objective's unit.
    """

    def __init__(self, problem: Problem) -> None:
        costs = problem.costs()
        self.cost = costs.whole()
        rounding = ROUNDING * float(self.cost.mean())
        super().__init__(problem.marginals, costs.unit, rounding)

    def _set_masses(self) -> None:
        # Where the next transport problem starts.
        self._beta: Array | None = None

    def _solve(self, a: Array) -> Solved:
        value, _, alpha, beta = solve_transport(
            a, self.marginals.target, self.cost, self._beta
        )
        self._beta = beta
        offset = float(self.marginals.target @ beta)
        return Solved(value, alpha, offset, np.concatenate([alpha, beta]))

    def _known_planes(self) -> list[Plane]:
        """Every unit of mass moves at least to its nearest neighbour.

        Seen from the sources that is the target potential zero, and seen from the
        target the cost of its nearest atom.
        """
        nearest = self.cost.min(axis=0)
        return [
            self._plane(c_transform(self.cost, beta), beta)
            for beta in (np.zeros_like(nearest), nearest)
        ]

    def _plane(self, alpha: Array, beta: Array) -> Plane:
        slope, offset = self.marginals.slope(alpha), self.marginals.target @ beta
        return Plane(slope, float(offset), np.concatenate([alpha, beta]))

    def _nearest_atoms(self) -> Index:
        return self.cost.argmin(axis=0)

    def potentials(
        self, planes: list[Plane], multipliers: Array
    ) -> tuple[Array, Array]:
        """Combine the target potentials and complete them by the c-transform."""
        records = np.array([plane.record for plane in planes])
        beta = multipliers @ records[:, len(self.cost) :]
        return c_transform(self.cost, beta), beta

    def reweighted(
        self, marginals: Marginals, around: list[Plane], start: Array
    ) -> "ExactLoss":
        """See :meth:`Objective.reweighted`. Atoms without mass are left out.

        Feasibility does not depend on masses, so the planes' potentials can be used as
        they are.
        """
        rows = np.flatnonzero(marginals.masses.sum(axis=1))
        columns = np.flatnonzero(marginals.target)
        other = copy(self)
        other.cost = self.cost[np.ix_(rows, columns)]
        other.marginals = marginals._replace(
            masses=marginals.masses[rows], target=marginals.target[columns]
        )
        other._set_masses()
        other._start = start
        n = len(self.cost)
        other._free = [
            other._plane(plane.record[:n][rows], plane.record[n:][columns])
            for plane in around
        ]
        return other
