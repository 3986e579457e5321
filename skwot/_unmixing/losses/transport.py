"""What losses have in common whose gradient is a potential of optimal transport."""

from abc import abstractmethod
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray

from skwot._typing import Array, Index
from skwot._unmixing.problem import Marginals, Objective, Touching


class Solved(NamedTuple):
    """The loss between the reweighted sources and the target.

    Attributes
    ----------
    value : float
    alpha : ndarray of shape (n,)
        Source potential, a subgradient of the value in the masses.
    offset : float
        ``b . beta`` for the target potential.
    record : ndarray
        See :class:`Plane`.
    """

    value: float
    alpha: Array
    offset: float
    record: NDArray[Any]


class TransportLoss(Objective):
    """A loss between the reweighted sources and the target, from transport problems."""

    def differentiable(self, w: torch.Tensor) -> tuple[torch.Tensor, Touching]:
        """See :meth:`Objective.differentiable`."""
        solved: list[Solved] = []
        surcharges = torch.from_numpy(self.marginals.surcharges)
        value = _Loss.apply(w, self, solved) + surcharges @ w
        return value, Touching(solved[0].offset, solved[0].record)

    @abstractmethod
    def _solve(self, a: Array) -> Solved:
        """Solve for masses `a` of the source atoms, which sum to one."""

    def initial_weights(self) -> Array:
        """See :meth:`Objective.initial_weights`.

        The share of the target whose nearest atom belongs to each source, unless
        another start was given.
        """
        if self._start is not None:
            return self._start
        return source_shares(self.marginals, self._nearest_atoms())

    @abstractmethod
    def _nearest_atoms(self) -> Index:
        """Nearest source atom of each target atom, shape (m,)."""


class _Loss(torch.autograd.Function):
    """The loss as a function of the weights.

    By duality the source potential alpha is a subgradient with respect to the masses of
    the source atoms (Peyré & Cuturi, 2019, section 9.1), and so ``H^T alpha`` is one
    with respect to the weights. It is determined up to a constant, which cancels as
    long as the weights keep their sum. The products are SciPy's, because those of a
    sparse tensor take ten times as long.
    """

    @staticmethod
    def forward(
        ctx: Any, w: torch.Tensor, objective: TransportLoss, solved: list[Solved]
    ) -> torch.Tensor:
        masses, target, _ = objective.marginals
        a = masses @ w.detach().numpy()
        scale = target.sum() / a.sum()
        found = objective._solve(a * scale)
        solved.append(found)
        ctx.save_for_backward(torch.from_numpy(scale * (masses.T @ found.alpha)))
        return w.new_tensor(found.value)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (slope,) = ctx.saved_tensors
        return grads[0] * slope, None, None


def source_shares(marginals: Marginals, atoms: Index) -> Array:
    """Distribute the target's masses among the sources of given atoms.

    Parameters
    ----------
    marginals : Marginals
    atoms : ndarray of shape (m,)
        An atom of the sources for each atom of the target.

    Returns
    -------
    ndarray of shape (K,)
        On the simplex.
    """
    chosen = marginals.masses[atoms]
    weights = chosen.T @ (marginals.target / chosen.sum(axis=1))
    return weights / weights.sum()
