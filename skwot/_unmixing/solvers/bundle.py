"""Bundle of Polyak steps: projected gradient descent to the certified bound."""

import numpy as np
from numpy.typing import NDArray

from skwot._unmixing.problem import Objective, Unmixing
from skwot._unmixing.solvers.cutting_planes import CuttingPlanes
from skwot._unmixing.solvers.level_set import project_level_set

Array = NDArray[np.float64]

# Fraction of the gap that a step leaves. Measured on Gaussian sources with K = 2,
# 10 and 26 and on digits: 0.2 needs about twice the solves of 0.5, and 0.7
# is no better at K = 2.
LEVEL = 0.5


def solve_bundle(
    objective: Objective,
    *,
    max_iter: int,
    tol: float,
    coarse: Objective | None = None,
    surcharges: Array | float = 0.0,
) -> Unmixing:
    """Minimise by the level method (Lemaréchal, Nemirovskii & Nesterov, 1995).

    A Polyak step goes from a point, against the subgradient there, to where the
    tangent plane meets a goal between the lower bound and the best value. With
    all planes found so far in place of the last one it becomes the projection of
    the best point onto the set where every plane is below the goal.

    Parameters
    ----------
    objective : Objective
    max_iter : int
        Largest number of exact transport problems to solve.
    tol : float
        Stop when the gap is below this fraction of the value.
    coarse : Objective, default=None
        An approximation that is cheaper to evaluate. It is minimised first, and the
        points whose planes prove its minimum are where `objective` is tried first.
    surcharges : ndarray of shape (K,), default=0.0
        Cost of a unit of each weight, in the units of the objective.

    Returns
    -------
    Unmixing
    """
    planes = CuttingPlanes(objective, surcharges)
    first = [objective.initial_weights()]
    if coarse is not None:
        approximation = _descend(
            CuttingPlanes(coarse, surcharges), first, max_iter, tol
        )
        first = approximation.active_weights
    return _descend(planes, first, max_iter, tol).conclude(tol)


def _descend(
    planes: CuttingPlanes, first: list[Array], max_iter: int, tol: float
) -> CuttingPlanes:
    for weights in first[:max_iter]:
        planes.evaluate(weights)
    minimiser = planes.raise_lower_bound()
    while not planes.certified(tol) and planes.n_evaluations < max_iter:
        goal = planes.lower_bound + LEVEL * planes.gap
        projected = project_level_set(
            planes.best.weights, planes.slopes, planes.offsets - goal
        )
        following = minimiser if projected is None else projected
        if following is None:
            break  # both programmes failed: the gap says how far this went
        planes.evaluate(following)
        minimiser = planes.raise_lower_bound()
    return planes
