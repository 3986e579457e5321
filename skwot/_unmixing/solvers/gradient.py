"""Projected subgradient descent with a fixed learning rate."""

import numpy as np
from numpy.typing import NDArray
from ot.utils import proj_simplex

from skwot._unmixing.problem import Objective, Unmixing
from skwot._unmixing.solvers.cutting_planes import CuttingPlanes

Array = NDArray[np.float64]


def solve_gradient(
    objective: Objective,
    *,
    learning_rate: float,
    max_iter: int,
    tol: float,
    surcharges: Array | float = 0.0,
) -> Unmixing:
    """Run a fixed number of projected subgradient steps from equal weights.

    A fixed rate circles around the optimum. The bound on it comes with a point, where
    the planes of all steps are least; the last solve goes there.

    Parameters
    ----------
    objective : Objective
    learning_rate : float
        Step per unit of gradient, in the units of the ground cost.
    max_iter : int
        Number of exact transport problems to solve.
    tol : float
        The result has converged if the gap is below this fraction of the value.
    surcharges : ndarray of shape (K,), default=0.0
        Cost of a unit of each weight, in the units of the objective.

    Returns
    -------
    Unmixing
        With the best of the iterates.
    """
    planes = CuttingPlanes(objective, surcharges)
    n_sources = objective.masses.shape[1]
    weights = np.full(n_sources, 1 / n_sources)
    for _ in range(max(1, max_iter - 1)):
        evaluation = planes.evaluate(weights)
        step = learning_rate * objective.unit * evaluation.plane.slope
        weights = proj_simplex(weights - step)
    minimiser = planes.raise_lower_bound()
    if max_iter > 1 and minimiser is not None:
        planes.evaluate(minimiser)
        planes.raise_lower_bound()
    return planes.conclude(tol)
