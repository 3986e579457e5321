"""Optimal transport between two discrete measures, as a differentiable value."""

from typing import Any, NamedTuple

import numpy as np
import ot
import torch
from numpy.typing import NDArray

Array = NDArray[np.float64]

OPTIMAL = 1  # status of POT's network simplex
MAX_PIVOTS = 10**12  # the network simplex ends by itself
_MASS_ROUNDING = 1e-15


class Transport(NamedTuple):
    """A solved transport problem.

    Attributes
    ----------
    value : float
        Cost of a feasible plan.
    plan : ndarray of shape (n, m)
    alpha : ndarray of shape (n,)
        Source potential, ``alpha_i = min_j cost_ij - beta_j``.
    beta : ndarray of shape (m,)
        Target potential.
    """

    value: float
    plan: Array
    alpha: Array
    beta: Array


def c_transform(cost: Array, beta: Array) -> Array:
    """Largest source potential that is feasible beside a target potential.

    Parameters
    ----------
    cost : ndarray of shape (n, m)
    beta : ndarray of shape (m,)

    Returns
    -------
    ndarray of shape (n,)
        ``min_j cost_ij - beta_j``.
    """
    return (cost - beta).min(axis=1)


def solve_transport(
    a: Array, b: Array, cost: Array, start: Array | None = None
) -> Transport:
    """Solve a transport problem by POT's network simplex.

    The cost should be of order one: the network simplex has absolute tolerances.

    Parameters
    ----------
    a : ndarray of shape (n,)
        Source masses, non-negative; massless rows get a potential, too.
    b : ndarray of shape (m,)
        Target masses, non-negative, with the sum of `a`.
    cost : ndarray of shape (n, m)
    start : ndarray of shape (m,), default=None
        A target potential to start from.

    Returns
    -------
    Transport

    Raises
    ------
    RuntimeError
        If the network simplex does not report an optimal plan.
    """
    rows, columns = np.flatnonzero(a > 0), np.flatnonzero(b > 0)
    every = len(rows) == len(a) and len(columns) == len(b)
    active = cost if every else np.ascontiguousarray(cost[np.ix_(rows, columns)])
    initial = None
    if start is not None:
        initial = c_transform(active, start[columns]), start[columns]
    flow, log = ot.emd(
        a[rows],
        b[columns],
        active,
        numItermax=MAX_PIVOTS,
        log=True,
        center_dual=False,
        check_marginals=False,
        potentials_init=initial,
    )
    if log["result_code"] != OPTIMAL:
        raise RuntimeError(f"The network simplex failed: {log['warning']}")
    flow, value = _repair_plan(flow, a[rows], b[columns], active)
    if every:
        return Transport(value, flow, c_transform(cost, log["v"]), log["v"])
    plan = np.zeros_like(cost)
    plan[np.ix_(rows, columns)] = flow
    # Massless columns get the largest potential that stays feasible.
    alpha = c_transform(cost[:, columns], log["v"])
    beta = c_transform(cost.T, alpha)
    return Transport(value, plan, c_transform(cost, beta), beta)


def _repair_plan(plan: Array, a: Array, b: Array, cost: Array) -> tuple[Array, float]:
    """Make the marginals exact, so that the cost is that of a feasible plan.

    Altschuler, Weed & Rigollet (2017), algorithm 2: shrink rows and columns that
    hold too much, then add the product of what is missing. The network simplex
    may leave out masses below its tolerance.
    """
    rows, columns = plan.sum(axis=1), plan.sum(axis=0)
    if max(abs(rows - a).max(), abs(columns - b).max()) > _MASS_ROUNDING:
        plan = plan * _shrink(a, rows)[:, None]
        plan *= _shrink(b, plan.sum(axis=0))
        missing_rows = (a - plan.sum(axis=1)).clip(0)
        missing_columns = (b - plan.sum(axis=0)).clip(0)
        missing = missing_rows.sum()
        if missing > 0:
            plan += np.outer(missing_rows, missing_columns / missing)
    return plan, float(np.vdot(plan, cost))


def _shrink(wanted: Array, held: Array) -> Array:
    """Factors that bring masses down to what is wanted, and leave smaller ones."""
    ratio = np.divide(wanted, held, out=np.ones_like(wanted), where=held > 0)
    return np.minimum(1, ratio)


def _as_array(tensor: torch.Tensor) -> Array:
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float64)


class _TransportCost(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        a: torch.Tensor,
        b: torch.Tensor,
        cost: torch.Tensor,
        start: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        initial = None if start is None else _as_array(start)
        solved = solve_transport(_as_array(a), _as_array(b), _as_array(cost), initial)
        value, plan, alpha, beta = (
            torch.as_tensor(x, dtype=a.dtype, device=a.device) for x in solved
        )
        ctx.save_for_backward(alpha, beta, plan if ctx.needs_input_grad[2] else None)
        ctx.mark_non_differentiable(alpha, beta)
        return value, alpha, beta

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        alpha, beta, plan = ctx.saved_tensors
        grad = grads[0]
        return grad * alpha, grad * beta, None if plan is None else grad * plan, None


def transport_cost(
    a: torch.Tensor,
    b: torch.Tensor,
    cost: torch.Tensor,
    start: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Optimal transport cost as a differentiable function of its arguments.

    By duality the potentials are a subgradient with respect to the masses and
    the plan one with respect to the cost (Peyré & Cuturi, 2019, section 9.1).
    The potentials of `a` and `b` are determined up to a constant that cancels as
    long as the masses keep equal sums.

    Parameters
    ----------
    a : tensor of shape (n,)
    b : tensor of shape (m,)
    cost : tensor of shape (n, m)
    start : tensor of shape (m,), default=None
        A target potential to start from; the value does not depend on it.

    Returns
    -------
    value : tensor, scalar
    alpha : tensor of shape (n,), without gradient
    beta : tensor of shape (m,), without gradient
    """
    return _TransportCost.apply(a, b, cost, start)
