"""Solvers of the unmixing problem, one a file."""

from skwot._ot import line
from skwot._ot.dense import DenseObjective
from skwot._ot.line import LineObjective
from skwot._ot.measures import Measure, SourceMeasures
from skwot._ot.solvers.bundle import solve_bundle
from skwot._ot.solvers.gradient import solve_gradient
from skwot._ot.solvers.linear import EXACT, solve_linear
from skwot._ot.transport import Metric
from skwot._ot.unmixing import Objective, Unmixing

_COARSE_ATOMS = 20_000  # on the line; evaluating takes a few milliseconds


def solve_unmixing(
    sources: SourceMeasures,
    target: Measure,
    metric: Metric,
    *,
    solver: str = "pgd",
    learning_rate: str | float = "auto",
    max_iter: int,
    tol: float,
    outlier_cost: float | None = None,
) -> Unmixing:
    """Solve one problem, with all costs in the units of the ground cost.

    Parameters
    ----------
    sources : SourceMeasures
    target : Measure
    metric : str or callable
    solver : {"pgd", "lp"}, default="pgd"
    learning_rate : "auto" or float, default="auto"
        Of "pgd".
    max_iter : int
    tol : float
    outlier_cost : float, default=None
        Of "pgd". The last source is then what no other explains more cheaply.

    Returns
    -------
    Unmixing
    """
    if solver == "lp":
        return _solve_exactly(sources, target, metric, max_iter=max_iter, tol=tol)
    objective, coarse = _objective(sources, target, metric, outlier_cost)
    if learning_rate == "auto":
        found = solve_bundle(objective, max_iter=max_iter, tol=tol, coarse=coarse)
    else:
        rate = float(learning_rate)
        found = solve_gradient(
            objective, learning_rate=rate, max_iter=max_iter, tol=tol
        )
    return found.in_units(objective.unit)


def _solve_exactly(
    sources: SourceMeasures,
    target: Measure,
    metric: Metric,
    *,
    max_iter: int,
    tol: float,
) -> Unmixing:
    """Solve by the linear programme, or by planes on the line, where they are cheap."""
    if not line.applies(sources, metric):
        return solve_linear(sources, target, metric, max_iter=max_iter, tol=tol)
    objective, coarse = _objective(sources, target, metric)
    exact = min(tol, EXACT)
    found = solve_bundle(objective, max_iter=max_iter, tol=exact, coarse=coarse)
    met = found.converged or found.relative_gap <= tol
    return found._replace(converged=met).in_units(objective.unit)


def _objective(
    sources: SourceMeasures,
    target: Measure,
    metric: Metric,
    outlier_cost: float | None = None,
) -> tuple[Objective, Objective | None]:
    """Choose the objective, and a coarse one where evaluating takes long."""
    if outlier_cost is not None or not line.applies(sources, metric):
        return DenseObjective(sources, target, metric, outlier_cost), None
    objective = LineObjective(sources, target, metric)
    if len(objective.target) + objective.masses.shape[0] > 2 * _COARSE_ATOMS:
        return objective, objective.coarsened(_COARSE_ATOMS)
    return objective, None
