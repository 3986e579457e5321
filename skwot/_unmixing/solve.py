"""Solvers of the unmixing problem, one a file."""

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from skwot._ot.ground_costs import Metric
from skwot._ot.measures import Measure, SourceMeasures, stack_measures
from skwot._unmixing.losses import line
from skwot._unmixing.losses.divergence import EntropicObjective
from skwot._unmixing.losses.exact import DenseObjective
from skwot._unmixing.losses.line import LineObjective
from skwot._unmixing.problem import Objective, Unmixing
from skwot._unmixing.solvers.bundle import solve_bundle
from skwot._unmixing.solvers.column_generation import EXACT, solve_linear
from skwot._unmixing.solvers.gradient import solve_gradient

Array = NDArray[np.float64]

_COARSE_ATOMS = 20_000  # on the line; evaluating takes a few milliseconds


# A joblib worker may have fewer threads, and sums depend on their number.
@threadpool_limits.wrap(limits=1, user_api="blas")
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
    surcharges: Array | float = 0.0,
    device: torch.device | None = None,
) -> Unmixing:
    """Solve one problem, with all costs in the units of the ground cost.

    Parameters
    ----------
    sources : SourceMeasures
    target : Measure
    metric : str or callable
    solver : {"pgd", "lp"}, default="pgd"
        On the line "lp" descends, too, to its own gap: planes are cheap there.
    learning_rate : "auto" or float, default="auto"
        Of "pgd".
    max_iter : int
    tol : float
    reg : float, default=0.0
        Of "pgd". Positive: the Sinkhorn divergence at this fraction of the mean cost.
    outlier_cost : float, default=None
        Without `reg`. The last source is then what no other explains more cheaply.
    surcharges : ndarray of shape (K,), default=0.0
        Cost of a unit of each weight, with the last source if there is one.
    device : torch.device, default=None
        Of `reg`.

    Returns
    -------
    Unmixing
    """
    sorts = outlier_cost is None and line.applies(sources, metric)
    if solver == "lp" and not sorts:
        return solve_linear(
            sources,
            target,
            metric,
            max_iter=max_iter,
            tol=tol,
            outlier_cost=outlier_cost,
            surcharges=surcharges,
        )
    if reg > 0:
        entropic = EntropicObjective(sources, target, metric, reg, device)
        each = surcharges / entropic.unit
        found = _descend(entropic, None, learning_rate, max_iter, tol, each)
        return found._replace(
            plan_alpha=entropic.transport_potential(found.weights), temperature=reg
        ).in_units(entropic.unit)
    objective, coarse = _objective(sources, target, metric, outlier_cost)
    each = surcharges / objective.unit
    if solver == "pgd":
        found = _descend(objective, coarse, learning_rate, max_iter, tol, each)
    else:
        found = _descend(objective, coarse, "auto", max_iter, min(tol, EXACT), each)
        met = found.converged or found.relative_gap <= tol
        found = found._replace(converged=met)
    return found.in_units(objective.unit)


def transport_loss(
    one: Measure,
    other: Measure,
    metric: Metric,
    *,
    reg: float = 0.0,
    reg_unit: float | None = None,
    device: torch.device | None = None,
) -> float:
    """Evaluate the loss between two measures, in the units of the ground cost.

    Parameters
    ----------
    one, other : Measure
    metric : str or callable
    reg : float, default=0.0
        Positive: the Sinkhorn divergence.
    reg_unit : float, default=None
        The ground cost of which `reg` is a fraction. The mean if None.
    device : torch.device, default=None
        Of `reg`.

    Returns
    -------
    float
    """
    source = stack_measures([one])
    objective: Objective
    if reg > 0:
        objective = EntropicObjective(source, other, metric, reg, device, reg_unit)
    else:
        objective, _ = _objective(source, other, metric)
    return objective.unit * objective(np.ones(1)).value


def _descend(
    objective: Objective,
    coarse: Objective | None,
    learning_rate: str | float,
    max_iter: int,
    tol: float,
    surcharges: Array | float,
) -> Unmixing:
    if learning_rate == "auto":
        return solve_bundle(
            objective, max_iter=max_iter, tol=tol, coarse=coarse, surcharges=surcharges
        )
    return solve_gradient(
        objective,
        learning_rate=float(learning_rate),
        max_iter=max_iter,
        tol=tol,
        surcharges=surcharges,
    )


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
