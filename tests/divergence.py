"""The Sinkhorn divergence as a differentiable function of masses and costs."""

from typing import Any

import torch
from torch import Tensor

from skwot._ot.entropic import (
    entropic_transport,
    self_transport,
    softmin,
    symmetric_scaling,
)


class _Divergence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        a: Tensor,
        b: Tensor,
        cost_ab: Tensor,
        cost_aa: Tensor,
        cost_bb: Tensor,
        eps: float,
    ) -> Tensor:
        f, g, _ = entropic_transport(a, b, cost_ab, eps)
        value = a @ f + b @ g
        gradients, plans = [f, g], []
        for i, (masses, cost) in enumerate([(a, cost_aa), (b, cost_bb)]):
            kernel = torch.exp(-cost / eps)
            scaling = symmetric_scaling(masses, kernel)
            value = value - self_transport(masses, scaling, eps) / 2
            gradients[i] = gradients[i] - softmin(cost, scaling.mu.log(), eps)
            plans.append(-scaling.mu[:, None] * kernel * scaling.mu / 2)
        plan = a[:, None] * b * torch.exp((f[:, None] + g - cost_ab) / eps)
        ctx.save_for_backward(*gradients, plan, *plans)
        return value

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return *(grad * saved for saved in ctx.saved_tensors), None


def sinkhorn_divergence(
    a: Tensor,
    b: Tensor,
    cost_ab: Tensor,
    cost_aa: Tensor,
    cost_bb: Tensor,
    eps: float,
) -> Tensor:
    """Sinkhorn divergence as a differentiable function of masses and costs.

    By the envelope theorem the gradients are the debiased potentials and the plans
    (Feydy et al., 2019, proposition 2): nothing is differentiated through the
    iterations. The potentials are determined up to a constant that cancels as long
    as the masses keep their sums.

    Parameters
    ----------
    a : tensor of shape (n,)
        Non-negative, sum one, in double precision as everything here.
    b : tensor of shape (m,)
        Positive, sum one.
    cost_ab : tensor of shape (n, m)
    cost_aa : tensor of shape (n, n)
        Symmetric, with a positive semidefinite ``exp(-cost_aa / eps)``.
    cost_bb : tensor of shape (m, m)
        Likewise.
    eps : float
        Temperature, in the units of the costs.

    Returns
    -------
    tensor, scalar

    References
    ----------
    Feydy, J., Séjourné, T., Vialard, F.-X., Amari, S., Trouvé, A., & Peyré, G.
    (2019). Interpolating between optimal transport and MMD using Sinkhorn
    divergences. AISTATS.
    """
    return _Divergence.apply(a, b, cost_ab, cost_aa, cost_bb, eps)
