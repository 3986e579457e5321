"""Exact optimal transport between two discrete measures: value, potentials, plan."""

from typing import NamedTuple

import numpy as np
import ot

from skwot._typing import Array

OPTIMAL = 1  # the status that POT's network simplex reports with an optimal plan
MAX_PIVOTS = 10**12  # no limit: the network simplex ends by itself
MASS_ROUNDING = 1e-15  # of masses that sum to one
_GAP = 1e-9  # between plan and dual, of the largest cost
_ROUNDING = 1e-12  # of costs of order one; smaller ones cannot be told from zero


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
        If the network simplex does not find an optimal plan, without a start either.
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
    flow, value = _repair_plan(flow, a[rows], b[columns], active)
    bound = a[rows] @ c_transform(active, log["v"]) + b[columns] @ log["v"]
    if log["result_code"] != OPTIMAL or not is_optimal(flow, active, bound):
        if start is not None:
            return solve_transport(a, b, cost)
        raise RuntimeError(
            f"POT's network simplex ended with status {log['result_code']} on a "
            f"problem of {len(rows)} x {len(columns)} atoms, at a cost of {value:.6g} "
            f"where the dual is {bound:.6g}: this is an error in skwot or in POT. "
            "Please report it with the data."
        )
    if every:
        return Transport(value, flow, c_transform(cost, log["v"]), log["v"])
    plan = np.zeros_like(cost)
    plan[np.ix_(rows, columns)] = flow
    # Massless columns get the largest potential that stays feasible.
    alpha = c_transform(cost[:, columns], log["v"])
    beta = c_transform(cost.T, alpha)
    return Transport(value, plan, c_transform(cost, beta), beta)


def is_optimal(plan: Array, cost: Array, bound: float) -> bool:
    """Say whether a feasible plan costs what the dual says, to the simplex's tolerance.

    Parameters
    ----------
    plan, cost : ndarray of shape (n, m)
    bound : float
        Value of feasible potentials.

    Returns
    -------
    bool
    """
    gap = np.vdot(plan, cost) - bound
    return bool(gap <= max(_GAP * cost.max(initial=0.0), _ROUNDING))


def _repair_plan(plan: Array, a: Array, b: Array, cost: Array) -> tuple[Array, float]:
    """Make the marginals exact, so that the cost is that of a feasible plan.

    Altschuler, Weed & Rigollet (2017), algorithm 2: shrink rows and columns that
    hold too much, then add the product of what is missing. The network simplex
    may leave out masses below its tolerance.
    """
    if plan.min() < 0:
        plan = np.maximum(plan, 0)  # with negative masses it would cost too little
    rows, columns = plan.sum(axis=1), plan.sum(axis=0)
    if max(abs(rows - a).max(), abs(columns - b).max()) > MASS_ROUNDING:
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
