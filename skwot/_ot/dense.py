"""The unmixing objective with a dense cost matrix and POT's network simplex."""

import numpy as np
import torch
from numpy.typing import NDArray

from skwot._ot.measures import Measure, SourceMeasures
from skwot._ot.transport import Metric, c_transform, ground_cost, transport_cost
from skwot._ot.unmixing import Evaluation, Plane, source_shares

Array = NDArray[np.float64]


class DenseObjective:
    """The unmixing objective, differentiated by torch autograd.

    Each evaluation is an exact transport problem that starts from the potentials
    of the one before. Implements :class:`skwot._ot.unmixing.Objective`.

    Parameters
    ----------
    sources : SourceMeasures
    target : Measure
    metric : str or callable
        See :func:`skwot._ot.transport.ground_cost`.
    """

    def __init__(
        self, sources: SourceMeasures, target: Measure, metric: Metric
    ) -> None:
        cost = ground_cost(sources.points, target.points, metric)
        self.unit = float(cost.mean()) or 1.0
        self.cost = np.divide(cost, self.unit, out=cost)
        self.masses = sources.masses
        self.target = target.masses
        masses = sources.masses.tocoo()
        self._masses = torch.sparse_coo_tensor(
            torch.from_numpy(np.vstack(masses.coords).astype(np.int64)),
            torch.from_numpy(masses.data),
            size=masses.shape,
            check_invariants=False,
            is_coalesced=True,
        )
        self._target = torch.from_numpy(self.target)
        self._cost = torch.from_numpy(self.cost)
        self._beta: torch.Tensor | None = None

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
        target the cost of its nearest atom.
        """
        nearest = self.cost.min(axis=0)
        return [self._plane(np.zeros_like(nearest)), self._plane(nearest)]

    def _plane(self, beta: Array) -> Plane:
        alpha = c_transform(self.cost, beta)
        return Plane(self.masses.T @ alpha, float(self.target @ beta), beta)

    def nearest_source_weights(self) -> Array:
        """Share of the target whose nearest atom belongs to each source, (K,)."""
        return source_shares(self.masses, self.target, self.cost.argmin(axis=0))

    def potentials(
        self, planes: list[Plane], multipliers: Array
    ) -> tuple[Array, Array]:
        """Combine the target potentials and complete them by the c-transform."""
        beta = multipliers @ np.array([plane.record for plane in planes])
        return c_transform(self.cost, beta), beta
