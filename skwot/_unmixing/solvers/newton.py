"""Newton's method for the likelihood of a mixture, with an active set.

For densities L the problem is to minimise ``phi(w) = -sum_j b_j log (L w)_j + sum w``
over w >= 0: the term ``sum w`` takes the place of the constraint, as scaling w to the
sum one never raises phi. Each step minimises the quadratic model of phi over w >= 0, a
problem of non-negative least squares with K variables (Kim, Carbonetto, Stephens &
Anitescu, 2020), and a line search makes it descend. Where it does not, a step of
expectation maximisation does.
"""

from functools import partial

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import nnls

from skwot._typing import Array
from skwot._unmixing.losses.semirelaxed import SemirelaxedLoss
from skwot._unmixing.problem import StoppingRule, Unmixing, is_closed, snapped

_RIDGE = 1e-12  # of the mean curvature, where sources have the same densities
_ARMIJO = 1e-4  # of the model's decrease, that a step has to attain
_HALVINGS = 20
_DIGITS = 1e-14  # by so much of its size a value may be rounded


def solve_newton(objective: SemirelaxedLoss, rule: StoppingRule) -> Unmixing:
    """Minimise to rounding; quadratic convergence makes the last digits cheap.

    Parameters
    ----------
    objective : SemirelaxedLoss
    rule : StoppingRule
        Its `max_iter` is the largest number of steps, its `tol` says what has
        converged.

    Returns
    -------
    Unmixing
    """
    weights = objective.improved(objective.initial_weights())
    value = objective.value(weights)
    curve = [value]
    gap = _gap(objective, weights)
    while (
        not rule.watch(partial(_conclude, objective, rule, weights, list(curve)))
        and gap > objective.rounding
        and len(curve) < rule.max_iter
    ):
        trial = _newton_step(objective, weights, value)
        if trial is None:
            trial = objective.improved(weights)
        following, remaining = objective.value(trial), _gap(objective, trial)
        # At the end the gap tells more than the loss, whose changes are its square.
        if following >= value and remaining > gap / 2:
            break
        weights, value, gap = trial, following, remaining
        curve.append(value)
    return _conclude(objective, rule, weights, curve)


def _conclude(
    objective: SemirelaxedLoss, rule: StoppingRule, weights: Array, curve: list[float]
) -> Unmixing:
    weights = snapped(weights)
    value, gap = objective.value(weights), _gap(objective, weights)
    converged = is_closed(gap, value, rule.tol, objective.rounding)
    nothing = np.zeros(0)
    found = Unmixing(
        weights, value, value - gap, nothing, nothing, np.array(curve), converged
    )
    return found.in_units(objective.unit)


def _gap(objective: SemirelaxedLoss, weights: Array) -> float:
    """By how much the loss can exceed the optimum (Lindsay, 1983)."""
    return float(np.log(max(objective.gradient_function(weights).max(), 1.0)))


def _newton_step(
    objective: SemirelaxedLoss, weights: Array, value: float
) -> Array | None:
    """Step to where the quadratic model is least, or part of the way; None if none."""
    target, densities = objective.marginals.target, objective.densities
    root = np.sqrt(target)
    scaled = (root / (densities @ weights))[:, None] * densities
    hessian = scaled.T @ scaled
    hessian.flat[:: len(weights) + 1] += _RIDGE * np.trace(hessian) / len(weights)
    slope = 1.0 - scaled.T @ root
    try:
        factor = np.linalg.cholesky(hessian)
        right = solve_triangular(factor, hessian @ weights - slope, lower=True)
        minimiser, _ = nnls(factor.T, right)
    except (np.linalg.LinAlgError, RuntimeError):
        return None
    direction = minimiser - weights
    decrease = float(slope @ direction)
    if not decrease < 0:
        return None
    length = 1.0
    for _ in range(_HALVINGS):
        trial = weights + length * direction
        rise = objective.value(trial) + trial.sum() - value - weights.sum()
        if rise <= _ARMIJO * length * decrease + _DIGITS * abs(value):
            return trial / trial.sum()
        length /= 2
    return None
