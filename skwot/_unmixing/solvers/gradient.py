"""Projected subgradient descent with a fixed learning rate."""

import numpy as np
from ot.utils import proj_simplex

from skwot._unmixing.problem import Objective, StoppingRule, Unmixing
from skwot._unmixing.solvers.cutting_planes import CuttingPlanes

_LONGEST = 1e6  # step that is made; the simplex has a diameter of less than two


def solve_gradient(
    objective: Objective, rule: StoppingRule, learning_rate: float
) -> Unmixing:
    """Run a fixed number of projected subgradient steps from equal weights.

    A fixed rate circles around the optimum. The bound on it comes with a point, where
    the planes of all steps are least; the last solve goes there.

    Parameters
    ----------
    objective : Objective
    rule : StoppingRule
        All of its `max_iter` transport problems are solved.
    learning_rate : float
        Step per unit of gradient, in the units of the ground cost.

    Returns
    -------
    Unmixing
        With the best of the iterates.
    """
    planes = CuttingPlanes(objective)
    n_weights = objective.marginals.n_weights
    weights = np.full(n_weights, 1 / n_weights)
    for _ in range(max(1, rule.max_iter - 1)):
        evaluation = planes.evaluate(weights)
        if rule.watch(lambda: planes.conclude(rule.tol)):
            return planes.conclude(rule.tol)
        slope = evaluation.plane.slope
        # On the simplex a constant in the slope changes nothing.
        step = learning_rate * objective.unit * (slope - slope.mean())
        # A longer step ends in the same corner, and loses the digits of the weights.
        step /= max(1.0, abs(step).max() / _LONGEST)
        weights = proj_simplex(weights - step)
    minimiser = planes.raise_lower_bound()
    if rule.max_iter > 1 and minimiser is not None:
        planes.evaluate(minimiser)
        planes.raise_lower_bound()
        rule.watch(lambda: planes.conclude(rule.tol))
    return planes.conclude(rule.tol)
