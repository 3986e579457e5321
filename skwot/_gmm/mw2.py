"""MW2, optimal transport between Gaussian mixtures, as a differentiable value.

MW2 is the Wasserstein distance restricted to plans that are Gaussian mixtures
themselves. It is a discrete transport problem between the components, whose
ground cost is the squared Bures-Wasserstein distance (Delon & Desolneux, 2020).
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from skwot._gmm.gaussians import to_numpy
from skwot._gmm.mixtures import MASS_ROUNDING, Array
from skwot._gmm.pair_costs import PairCosts
from skwot._ot.transport import Transport


class Gradient(NamedTuple):
    """Gradient of MW2 squared in a mixture.

    Attributes
    ----------
    weights : array of shape (n,)
        The potential of the mixture, centred.
    means : array of shape (n, d)
    covariances : array of shape (n, d, d), or (n, d) if diagonal
    """

    weights: Array
    means: Any
    covariances: Any


def solve_mw2(
    weights: Array, means: Any, covariances: Any, costs: PairCosts
) -> Transport:
    """MW2 squared and an optimal plan between the components.

    Parameters
    ----------
    weights : ndarray of shape (n,)
    means : array of shape (n, d)
    covariances : array of shape (n, d, d), or (n, d) if diagonal
    costs : PairCosts
        Costs towards the target; afterwards they are those of this mixture.

    Returns
    -------
    Transport
    """
    costs.move(means, covariances)
    return costs.solve(weights)


def differentiate_mw2(solved: Transport, means: Any, costs: PairCosts) -> Gradient:
    """Gradient in closed form, at the mixture that was solved last.

    With the plan P between components, and T_ij the linear map of a pair, it is
    ``2 sum_j P_ij (m_i - m_j)`` in the means, ``sum_j P_ij (I - T_ij)`` in the
    covariances, and the linear programme's potential in the weights. Only the
    pairs that carry mass contribute, at most n + m - 1 of them.

    Parameters
    ----------
    solved : Transport
    means : array of shape (n, d)
    costs : PairCosts

    Returns
    -------
    Gradient
    """
    plan, target = solved.plan, costs.target
    rows, columns = np.nonzero(plan > MASS_ROUNDING)
    maps = costs.maps(rows, columns)
    shares = np.zeros((len(plan), len(rows)))
    shares[rows, np.arange(len(rows))] = plan[rows, columns]
    carried = _as_like(shares, means) @ maps.reshape(len(rows), -1)
    mass = _as_like(plan.sum(axis=1), means)
    kept = mass.reshape(-1, *(1 for _ in maps.shape[1:])) * costs.identity
    return Gradient(
        solved.alpha - solved.alpha.sum() / len(plan),
        2 * (mass[:, None] * means - _as_like(plan, means) @ target.means),
        kept - carried.reshape(-1, *maps.shape[1:]),
    )


def _as_like(array: Array, like: Any) -> Any:
    return array if isinstance(like, np.ndarray) else like.new_tensor(array)


class _MW2Function(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        weights: Tensor,
        means: Any,
        covariances: Any,
        costs: PairCosts,
    ) -> tuple[Tensor, Tensor]:
        # The plan has no gradient: do not make zeros for it.
        ctx.set_materialize_grads(False)
        masses = to_numpy(weights)
        if isinstance(costs.target.means, np.ndarray):
            means, covariances = to_numpy(means), to_numpy(covariances)
        solved = solve_mw2(masses, means, covariances, costs)
        gradient = differentiate_mw2(solved, means, costs)
        ctx.gradient = gradient
        plan = torch.from_numpy(solved.plan)
        ctx.mark_non_differentiable(plan)
        return weights.new_full((), solved.value), plan

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        if grads[0] is None:
            return None, None, None, None
        # Scaled as arrays: PyTorch's overhead exceeds that of NumPy.
        scale, device = grads[0].item(), grads[0].device
        return *(torch.as_tensor(scale * x, device=device) for x in ctx.gradient), None


def mw2(
    weights: Tensor, means: Tensor, covariances: Tensor, costs: PairCosts
) -> tuple[Tensor, Tensor]:
    """MW2 squared as a differentiable function of a mixture.

    Parameters
    ----------
    weights : tensor of shape (n,)
        On the simplex.
    means : tensor of shape (n, d)
    covariances : tensor of shape (n, d, d), or (n, d) if diagonal
        Symmetric, positive semi-definite.
    costs : PairCosts
        Costs towards the target. Repeated evaluations with the same object share
        what they find.

    Returns
    -------
    value : tensor, scalar
    plan : tensor of shape (n, m), without gradient
    """
    return _MW2Function.apply(weights, means, covariances, costs)
