"""Projected subgradient descent with a fixed learning rate."""

import numpy as np
from ot.utils import proj_simplex

from skwot._ot.unmixing import CuttingPlanes, Objective, Unmixing, UnmixingProblem


def solve_gradient(
    problem: UnmixingProblem, *, learning_rate: float, max_iter: int, tol: float
) -> Unmixing:
    """Run a fixed number of projected subgradient steps from equal weights.

    Parameters
    ----------
    problem : UnmixingProblem
    learning_rate : float
        Step per unit of gradient, in the units of the ground cost.
    max_iter : int
        Number of steps, each an exact transport problem.
    tol : float
        The result has converged if the gap is below this fraction of the value.

    Returns
    -------
    Unmixing
        With the best of the iterates.
    """
    objective, planes = Objective(problem), CuttingPlanes(problem)
    n_sources = problem.masses.shape[1]
    weights = np.full(n_sources, 1 / n_sources)
    for _ in range(max_iter):
        evaluation = objective(weights)
        planes.add(evaluation)
        step = learning_rate * problem.unit * evaluation.plane.slope
        weights = proj_simplex(weights - step)
    planes.raise_lower_bound()
    return planes.conclude(tol)
