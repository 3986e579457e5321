"""Solvers of the unmixing problem, one a file."""

from skwot._ot import line
from skwot._ot.dense import DenseObjective
from skwot._ot.line import LineObjective
from skwot._ot.measures import Measure, SourceMeasures
from skwot._ot.solvers.bundle import solve_bundle
from skwot._ot.solvers.gradient import solve_gradient
from skwot._ot.transport import Metric
from skwot._ot.unmixing import Objective, Unmixing

_COARSE_ATOMS = 20_000  # on the line; evaluating takes a few milliseconds


def solve_unmixing(
    sources: SourceMeasures,
    target: Measure,
    metric: Metric,
    *,
    learning_rate: str | float,
    max_iter: int,
    tol: float,
) -> Unmixing:
    """Solve one problem, with all costs in the units of the ground cost.

    Parameters
    ----------
    sources : SourceMeasures
    target : Measure
    metric : str or callable
    learning_rate : "auto" or float
    max_iter : int
    tol : float

    Returns
    -------
    Unmixing
    """
    objective: Objective
    coarse: Objective | None = None
    if line.applies(sources, metric):
        objective = LineObjective(sources, target, metric)
        if len(objective.target) + objective.masses.shape[0] > 2 * _COARSE_ATOMS:
            coarse = objective.coarsened(_COARSE_ATOMS)
    else:
        objective = DenseObjective(sources, target, metric)
    if learning_rate == "auto":
        found = solve_bundle(objective, max_iter=max_iter, tol=tol, coarse=coarse)
    else:
        rate = float(learning_rate)
        found = solve_gradient(
            objective, learning_rate=rate, max_iter=max_iter, tol=tol
        )
    return found.in_units(objective.unit)
