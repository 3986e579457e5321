"""Solvers of the unmixing problem, one a file."""

import torch

from skwot._ot import line
from skwot._ot.dense import DenseObjective
from skwot._ot.entropic import EntropicObjective
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
    reg: float = 0.0,
    outlier_cost: float | None = None,
    device: torch.device | None = None,
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
    reg : float, default=0.0
        Of "pgd". Positive: the Sinkhorn divergence at this fraction of the mean cost.
    outlier_cost : float, default=None
        Of "pgd" without `reg`. The last source is then what no other explains more
        cheaply.
    device : torch.device, default=None
        Of `reg`.

    Returns
    -------
    Unmixing
    """
    if solver == "lp":
        return _solve_exactly(sources, target, metric, max_iter=max_iter, tol=tol)
    if reg > 0:
        entropic = EntropicObjective(sources, target, metric, reg, device)
        found = _descend(entropic, None, learning_rate, max_iter, tol)
        return found._replace(
            plan_alpha=entropic.transport_potential(found.weights), temperature=reg
        ).in_units(entropic.unit)
    objective, coarse = _objective(sources, target, metric, outlier_cost)
    found = _descend(objective, coarse, learning_rate, max_iter, tol)
    return found.in_units(objective.unit)


def _descend(
    objective: Objective,
    coarse: Objective | None,
    learning_rate: str | float,
    max_iter: int,
    tol: float,
) -> Unmixing:
    if learning_rate == "auto":
        return solve_bundle(objective, max_iter=max_iter, tol=tol, coarse=coarse)
    rate = float(learning_rate)
    return solve_gradient(objective, learning_rate=rate, max_iter=max_iter, tol=tol)


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
