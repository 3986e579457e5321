"""Bundle of Polyak steps: projected gradient descent to the certified bound."""

from skwot._ot.projections import project_level_set
from skwot._ot.unmixing import (
    CuttingPlanes,
    Objective,
    Unmixing,
    UnmixingProblem,
    nearest_source_weights,
)

# Fraction of the gap that a step leaves. Measured on Gaussian sources with K = 2,
# 10 and 26 and on digits: 0.2 needs about twice the solves of 0.5, and 0.7
# is no better at K = 2.
LEVEL = 0.5


def solve_bundle(problem: UnmixingProblem, *, max_iter: int, tol: float) -> Unmixing:
    """Minimise by the level method (Lemaréchal, Nemirovskii & Nesterov, 1995).

    A Polyak step goes from a point, against the subgradient there, to where the
    tangent plane meets a goal between the lower bound and the best value. With
    all planes found so far in place of the last one it becomes the projection of
    the best point onto the set where every plane is below the goal.

    Parameters
    ----------
    problem : UnmixingProblem
    max_iter : int
        Largest number of exact transport problems to solve.
    tol : float
        Stop when the gap is below this fraction of the value.

    Returns
    -------
    Unmixing
    """
    objective, planes = Objective(problem), CuttingPlanes(problem)
    weights = nearest_source_weights(problem)
    for _ in range(max_iter):
        planes.add(objective(weights))
        minimiser = planes.raise_lower_bound()
        if planes.certified(tol):
            break
        goal = planes.lower_bound + LEVEL * planes.gap
        projected = project_level_set(
            planes.best.weights, planes.slopes, planes.offsets - goal
        )
        following = minimiser if projected is None else projected
        if following is None:
            break  # both programmes failed: the gap says how far this went
        weights = following
    return planes.conclude(tol)
