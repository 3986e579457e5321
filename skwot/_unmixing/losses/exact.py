"""The unmixing objective with a dense cost matrix and POT's network simplex."""

from copy import copy

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from skwot._ot.ground_costs import Metric, ground_cost
from skwot._ot.measures import Measure, SourceMeasures
from skwot._ot.transport import c_transform, transport_cost
from skwot._unmixing.outliers import add_outlier_source
from skwot._unmixing.problem import ROUNDING, Evaluation, Plane, source_shares

Array = NDArray[np.float64]


class DenseObjective:
    """The unmixing objective, differentiated by torch autograd.

    Each evaluation is an exact transport problem that starts from the potentials
    of the one before. Implements :class:`skwot._unmixing.problem.Objective`.

    Parameters
    ----------
    sources : SourceMeasures
    target : Measure
    metric : str or callable
        See :func:`skwot._ot.ground_costs.ground_cost`.
    outlier_cost : float, default=None
        Adds an atom at this cost from everything, and a last source that is this
        atom: what no source explains more cheaply.
    """

    rounding = ROUNDING

    def __init__(
        self,
        sources: SourceMeasures,
        target: Measure,
        metric: Metric,
        outlier_cost: float | None = None,
    ) -> None:
        cost = ground_cost(sources.points, target.points, metric)
        masses = sources.masses
        self.unit = float(cost.mean()) or 1.0
        if outlier_cost is not None:
            everywhere = np.full((1, cost.shape[1]), float(outlier_cost))
            cost = np.vstack([cost, everywhere])
            masses = add_outlier_source(masses)
        self.cost = np.divide(cost, self.unit, out=cost)
        self._cost = torch.from_numpy(self.cost)
        self._pool: tuple[Array, Array] | None = None
        self._set_masses(masses, target.masses)
        atoms = self.cost.argmin(axis=0)
        self._start = source_shares(masses, target.masses, atoms)

    def _set_masses(self, masses: sparse.csr_array, target: Array) -> None:
        self.masses, self.target = masses, target
        entries = masses.tocoo()
        self._masses = torch.sparse_coo_tensor(
            torch.from_numpy(np.vstack(entries.coords).astype(np.int64)),
            torch.from_numpy(entries.data),
            size=entries.shape,
            check_invariants=False,
            is_coalesced=True,
        )
        self._target = torch.from_numpy(target)
        self._beta: torch.Tensor | None = None

    def reweighted(
        self,
        masses: sparse.csr_array,
        target: Array,
        start: Array,
        pool: tuple[Array, Array],
        rounding: float = ROUNDING,
    ) -> "DenseObjective":
        """Pose the problem for other masses on the same points.

        Descent begins at `start`. Feasibility of potentials does not depend on
        masses: each pair of the pool, of shapes (n_pairs, n) and (n_pairs, m), gives
        a plane of the new problem, too. Massless atoms are left out of it. Values need
        not be told apart below `rounding`.
        """
        rows, columns = np.flatnonzero(masses.sum(axis=1)), np.flatnonzero(target)
        other = copy(self)
        other.cost = self.cost[np.ix_(rows, columns)]
        other._cost = torch.from_numpy(other.cost)
        other._set_masses(masses[rows], target[columns])
        other.rounding = rounding
        other._start, other._pool = start, (pool[0][:, rows], pool[1][:, columns])
        return other

    def __call__(self, weights: Array) -> Evaluation:
        """Solve the transport problem at `weights`, shape (K,), on the simplex."""
        w = torch.tensor(weights, requires_grad=True)
        reweighted = torch.mv(self._masses, w)
        reweighted = reweighted * (self._target.sum() / reweighted.detach().sum())
        value, _, beta = transport_cost(
            reweighted, self._target, self._cost, self._beta
        )
        value.backward()
        assert w.grad is not None
        self._beta = beta
        offset = float(self._target @ beta)
        plane = Plane(w.grad.numpy(), offset, beta.numpy())
        return Evaluation(weights, value.item(), plane)

    def free_planes(self) -> list[Plane]:
        """Every unit of mass moves at least to its nearest neighbour.

        Seen from the sources that is the target potential zero, and seen from the
        target the cost of its nearest atom. Or those of the pool, if there is one.
        """
        if self._pool is not None:
            slopes = self._pool[0] @ self.masses
            offsets = self._pool[1] @ self.target
            return [
                Plane(slope, float(offset), beta)
                for slope, offset, beta in zip(
                    slopes, offsets, self._pool[1], strict=True
                )
            ]
        nearest = self.cost.min(axis=0)
        return [self._plane(np.zeros_like(nearest)), self._plane(nearest)]

    def _plane(self, beta: Array) -> Plane:
        alpha = c_transform(self.cost, beta)
        return Plane(self.masses.T @ alpha, float(self.target @ beta), beta)

    def initial_weights(self) -> Array:
        """Share of the target nearest to each source, (K,), or where it was set."""
        return self._start

    def potentials(
        self, planes: list[Plane], multipliers: Array
    ) -> tuple[Array, Array]:
        """Combine the target potentials and complete them by the c-transform."""
        beta = multipliers @ np.array([plane.record for plane in planes])
        return c_transform(self.cost, beta), beta
