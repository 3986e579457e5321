"""Which loss and which solver: the only dispatch."""

from typing import Any, NamedTuple

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from skwot._ot.ground_costs import Metric, ground_cost
from skwot._ot.measures import Measure, stack_measures
from skwot._unmixing.losses.divergence import DivergenceLoss
from skwot._unmixing.losses.exact import ExactLoss
from skwot._unmixing.losses.line import LineLoss, sorts
from skwot._unmixing.problem import (
    Objective,
    Problem,
    SolverFailed,
    StoppingRule,
    Unmixing,
)
from skwot._unmixing.solvers.bundle import solve_bundle
from skwot._unmixing.solvers.column_generation import generate_columns
from skwot._unmixing.solvers.gradient import solve_gradient
from skwot._unmixing.solvers.saturated import cheap_pairs, solve_saturated

EXACT = 1e-9  # relative gap at which the exact solver ends, whatever `tol` is
_DESCENDED = 4_000_000  # costs of a problem that descent may take over
_REG = 0.05  # what reg="auto" stands for


class Settings(NamedTuple):
    """How a problem is to be solved; see :class:`skwot.WassersteinUnmixer`.

    Attributes
    ----------
    loss : {"wasserstein", "sinkhorn"}
    solver : {"auto", "pgd", "lp"}
    learning_rate : "auto" or float
    max_iter : int
    tol : float
    reg : "auto" or float
        Temperature of an entropic loss, as a fraction of the mean ground cost.
    device : torch.device or None
        Where an entropic loss is computed.
    temperature : float, default=None
        Temperature in units of the ground cost, in place of `reg`.
    """

    loss: str
    solver: str
    learning_rate: str | float
    max_iter: int
    tol: float
    reg: str | float
    device: torch.device | None
    temperature: float | None = None

    @property
    def rule(self) -> StoppingRule:
        """When the solver stops."""
        aim = min(self.tol, EXACT) if self.is_exact else self.tol
        return StoppingRule(self.max_iter, self.tol, aim)

    @property
    def is_exact(self) -> bool:
        """Whether the joint programme is solved, to a gap of its own."""
        automatic = not self.is_entropic and self.learning_rate == "auto"
        return self.solver == "lp" or (self.solver == "auto" and automatic)

    @property
    def fraction(self) -> float:
        """Temperature of an entropic loss, as a fraction of the mean ground cost."""
        return _REG if self.reg == "auto" else float(self.reg)

    def fixed_at(self, problem: Problem) -> "Settings":
        """Keep the temperature of an entropic loss at what it is for a problem."""
        if not self.is_entropic:
            return self
        (points, _), (others, _) = problem.sources, problem.target
        mean = float(ground_cost(points, others, problem.metric).mean())
        return self._replace(temperature=self.fraction * mean)

    @property
    def is_entropic(self) -> bool:
        """Whether the loss has a temperature."""
        return self.loss == "sinkhorn"


class _Requirement(NamedTuple):
    """A parameter needs one of these values of another, unless it is neutral."""

    parameter: str
    neutral: tuple[Any, ...]
    other: str
    allowed: tuple[str, ...]


_REQUIREMENTS = (
    _Requirement("solver", ("auto", "pgd"), "loss", ("wasserstein",)),
    _Requirement("learning_rate", ("auto",), "solver", ("auto", "pgd")),
    _Requirement("reg", ("auto",), "loss", ("sinkhorn",)),
    _Requirement("device", (None,), "loss", ("sinkhorn",)),
    _Requirement("outlier_cost", (None,), "loss", ("wasserstein",)),
)


def check_combination(parameters: dict[str, Any]) -> None:
    """Refuse parameters of an estimator that contradict each other.

    Parameters
    ----------
    parameters : dict

    Raises
    ------
    ValueError
        Which names both parameters.
    """
    for parameter, neutral, other, allowed in _REQUIREMENTS:
        value, got = parameters[parameter], parameters[other]
        if value not in neutral and got not in allowed:
            expected = " or ".join(f"{other}={name!r}" for name in allowed)
            raise ValueError(
                f"{parameter}={value!r} needs {expected}; got {other}={got!r}."
            )


def make_objective(problem: Problem, settings: Settings) -> Objective:
    """Choose the objective that evaluates the loss of a problem.

    Parameters
    ----------
    problem : Problem
    settings : Settings

    Returns
    -------
    Objective
    """
    if settings.is_entropic:
        return DivergenceLoss(
            problem, settings.fraction, settings.temperature, settings.device
        )
    return LineLoss(problem) if sorts(problem) else ExactLoss(problem)


# A joblib worker may have fewer threads, and sums depend on their number.
@threadpool_limits.wrap(limits=1, user_api="blas")
def solve(problem: Problem, settings: Settings) -> Unmixing:
    """Find the weights, with their certificate.

    With a single feature the exact solver descends, too, but to its own gap: planes are
    cheap there. So it does where a library's solver fails.

    Parameters
    ----------
    problem : Problem
    settings : Settings

    Returns
    -------
    Unmixing
    """
    if settings.is_exact and not sorts(problem):
        try:
            found = _solve_exactly(problem, settings.rule)
        except SolverFailed:
            found = None
        if found is not None and (found.converged or not _can_descend(problem)):
            return found
    objective = make_objective(problem, settings)
    if settings.learning_rate == "auto":
        found = solve_bundle(objective, settings.rule)
    else:
        found = solve_gradient(objective, settings.rule, float(settings.learning_rate))
    return objective.complete(found)


def _can_descend(problem: Problem) -> bool:
    """Whether descent can take over where the programme ends without a certificate."""
    return len(problem.sources.points) * len(problem.target.points) <= _DESCENDED


def _solve_exactly(problem: Problem, rule: StoppingRule) -> Unmixing:
    """Solve the joint programme in the form that suits the costs."""
    cost = problem.costs()
    cheap = cheap_pairs(cost)
    if cheap is not None:
        found = solve_saturated(problem, cost, cheap, rule)
        if found.converged:
            return found
    return generate_columns(problem, rule, cost)


def loss_between(
    first: Measure, second: Measure, metric: Metric, settings: Settings
) -> float:
    """Evaluate the loss between two measures, in units of the ground cost.

    Parameters
    ----------
    first, second : Measure
    metric : str or callable
    settings : Settings

    Returns
    -------
    float
    """
    problem = Problem(stack_measures([first]), second, metric)
    objective = make_objective(problem, settings)
    return objective.unit * objective(np.ones(1)).value
