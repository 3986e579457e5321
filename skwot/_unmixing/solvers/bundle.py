"""Bundle of Polyak steps: projected gradient descent to the certified bound."""

from skwot._callbacks import UNWATCHED
from skwot._typing import Array
from skwot._unmixing.problem import Objective, StoppingRule, Unmixing
from skwot._unmixing.solvers.cutting_planes import CuttingPlanes
from skwot._unmixing.solvers.level_set import project_level_set

# Fraction of the gap that a step leaves. Measured on Gaussian sources with K = 2,
# 10 and 26 and on digits: 0.2 needs about twice the solves of 0.5, and 0.7
# is no better at K = 2.
LEVEL = 0.5
# Below this gap, relative to the value, steps go to where the planes are least. As the
# objective is piecewise linear, that is the optimum once the planes around it are
# known, while the level method only halves the gap. Earlier it needs more solves.
_NEAR = 1e-4


def solve_bundle(objective: Objective, rule: StoppingRule) -> Unmixing:
    """Minimise by the level method (Lemaréchal, Nemirovskii & Nesterov, 1995).

    A Polyak step goes from a point, against the subgradient there, to where the
    tangent plane meets a goal between the lower bound and the best value. Here all
    planes found so far take the place of the last one: the step is the projection of
    the best point onto the set where every plane is below the goal.

    A loss that rises without limit at the border of the simplex, as minus a
    log-likelihood does, has planes there that say little. Where a step is no better,
    the best point is improved by what the loss itself knows.

    Close to the optimum the steps go to where the planes are least (Kelley, 1960).

    Where evaluating takes long, a coarse approximation of the objective is minimised
    first, and the objective is tried first at the points whose planes prove the
    minimum of the approximation. The search then ends at the tolerance of the rule.

    Parameters
    ----------
    objective : Objective
    rule : StoppingRule

    Returns
    -------
    Unmixing
    """
    first, coarse = [objective.initial_weights()], objective.coarsened()
    if coarse is not None:
        # A smaller gap would take hundreds of passes over the samples.
        rule = rule._replace(aim=rule.tol)
        unwatched = rule._replace(watch=UNWATCHED)
        first = _descend(CuttingPlanes(coarse), first, unwatched).active_weights
    return _descend(CuttingPlanes(objective), first, rule).conclude(rule.tol)


def _descend(
    planes: CuttingPlanes, first: list[Array], rule: StoppingRule
) -> CuttingPlanes:
    for weights in first[: rule.max_iter]:
        planes.evaluate(weights)
        if rule.watch(lambda: planes.conclude(rule.tol)):
            return planes
    minimiser = planes.raise_lower_bound()
    while not planes.certified(rule.aim) and planes.n_evaluations < rule.max_iter:
        following = minimiser
        if minimiser is None or planes.gap > _NEAR * planes.best.value:
            goal = planes.lower_bound + LEVEL * planes.gap
            projected = project_level_set(
                planes.best.weights, planes.slopes, planes.offsets - goal
            )
            following = minimiser if projected is None else projected
        if following is None:
            break  # both programmes failed: the gap says how far this went
        before = planes.best.value
        planes.evaluate(following)
        if planes.best.value >= before and planes.n_evaluations < rule.max_iter:
            planes.improve()
        minimiser = planes.raise_lower_bound()
        if rule.watch(lambda: planes.conclude(rule.tol)):
            break
    return planes
