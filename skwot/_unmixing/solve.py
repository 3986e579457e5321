"""Which loss and which solver: the only dispatch."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from skwot._callbacks import UNWATCHED, Changed, Watch
from skwot._ot.ground_costs import check_memory, ground_cost
from skwot._ot.measures import Measure, stack_measures
from skwot._ot.metrics import Metric
from skwot._ot.quantization import quantize
from skwot._threads import one_thread_of_blas
from skwot._unmixing.losses.divergence import DivergenceLoss
from skwot._unmixing.losses.exact import ExactLoss
from skwot._unmixing.losses.line import LineLoss, sorts
from skwot._unmixing.losses.semirelaxed import SemirelaxedLoss
from skwot._unmixing.outliers import (
    drop_outliers,
    has_idle_outliers,
    restore_outliers,
)
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
from skwot._unmixing.solvers.newton import solve_newton
from skwot._unmixing.solvers.saturated import cheap_pairs, solve_saturated
from skwot._unmixing.views import View

EXACT = 1e-9  # relative gap at which the exact solver ends, whatever `tol` is
_DESCENDED = 4_000_000  # costs of a problem that descent may take over
_REG = 0.05  # what reg="auto" stands for


class Settings(NamedTuple):
    """How a problem is to be solved; see :class:`skwot.WassersteinUnmixer`.

    Attributes
    ----------
    loss : {"wasserstein", "sinkhorn", "semirelaxed"}
    solver : {"auto", "pgd", "lp"}
    learning_rate : "auto" or float
    max_iter : int
    tol : float
    reg : "auto" or float
        Temperature of an entropic loss, as a fraction of the mean ground cost.
    device : torch.device or None
        Where an entropic loss is computed.
    temperature : float, default=None
        Temperature of the Sinkhorn divergence in units of the ground cost, in place of
        `reg`.
    views : tuple of View, default=()
        Of the semi-relaxed loss, in place of `reg`.
    """

    loss: str
    solver: str
    learning_rate: str | float
    max_iter: int
    tol: float
    reg: str | float
    device: torch.device | None
    temperature: float | None = None
    views: tuple[View, ...] = ()

    @property
    def rule(self) -> StoppingRule:
        """When the solver stops."""
        aim = min(self.tol, EXACT) if self.is_exact else self.tol
        return StoppingRule(self.max_iter, self.tol, aim)

    @property
    def is_exact(self) -> bool:
        """Whether the joint programme is solved, to a gap of its own."""
        automatic = self.loss == "wasserstein" and self.learning_rate == "auto"
        return self.solver == "lp" or (self.solver == "auto" and automatic)

    @property
    def is_newton(self) -> bool:
        """Whether the likelihood is maximised by Newton's method."""
        automatic = self.solver == "auto" and self.learning_rate == "auto"
        return self.loss == "semirelaxed" and automatic

    @property
    def fraction(self) -> float:
        """Temperature of an entropic loss, as a fraction of the mean ground cost."""
        return _REG if self.reg == "auto" else float(self.reg)

    def fixed_at(self, problem: Problem) -> "Settings":
        """Keep the temperature of an entropic loss at what it is for a problem."""
        if self.loss != "sinkhorn":
            return self
        (points, _), (others, _) = problem.sources, problem.target
        check_memory(len(points), len(others))
        mean = float(ground_cost(points, others, problem.metric).mean())
        return self._replace(temperature=self.fraction * mean)


class _Requirement(NamedTuple):
    """What a parameter needs of another, unless it is neutral.

    The other has one of the values that are allowed, or none that is excluded.
    """

    parameter: str
    neutral: tuple[Any, ...]
    other: str
    allowed: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    def is_met(self, value: Any, got: Any) -> bool:
        """Whether a value goes with what the other parameter has."""
        if any(value is neutral or value == neutral for neutral in self.neutral):
            return True
        if not isinstance(got, str):
            return not self.allowed
        return got in self.allowed or (not self.allowed and got not in self.excluded)


_FREE_OF_ROWS = ("wasserstein", "semirelaxed")
_REQUIREMENTS = (
    _Requirement("solver", ("auto", "pgd"), "loss", ("wasserstein",)),
    _Requirement("learning_rate", ("auto",), "solver", ("auto", "pgd")),
    _Requirement("reg", ("auto",), "loss", ("sinkhorn", "semirelaxed")),
    _Requirement("device", (None,), "loss", ("sinkhorn",)),
    _Requirement("outlier_cost", (None,), "loss", excluded=("sinkhorn",)),
    # A table has no rows to quantise or classify, and no costs within a new target.
    _Requirement(
        "loss", ("wasserstein", "semirelaxed"), "metric", excluded=("precomputed",)
    ),
    _Requirement("max_support", (None,), "metric", excluded=("precomputed",)),
    _Requirement("classifier", (None,), "metric", excluded=("precomputed",)),
    _Requirement(
        "metric_params", (None, {}), "metric", excluded=("precomputed", "auto")
    ),
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
    for requirement in _REQUIREMENTS:
        parameter, _, other, allowed, excluded = requirement
        value, got = parameters[parameter], parameters[other]
        if not requirement.is_met(value, got):
            needs = " or ".join(f"{other}={name!r}" for name in allowed)
            needs = needs or f"{other} other than {' and '.join(map(repr, excluded))}"
            raise ValueError(
                f"{parameter}={value!r} needs {needs}; got {other}={got!r}."
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
    if settings.loss == "semirelaxed":
        return SemirelaxedLoss(problem, settings.views)
    if settings.loss == "sinkhorn":
        return DivergenceLoss(
            problem, settings.fraction, settings.temperature, settings.device
        )
    return LineLoss(problem) if sorts(problem) else ExactLoss(problem)


@one_thread_of_blas
def solve(problem: Problem, settings: Settings, watch: Watch = UNWATCHED) -> Unmixing:
    """Find the weights, with their certificate.

    A source of outliers that costs too much to be used is left out, because its cost
    would set the scale of everything. With a single feature the exact solver descends,
    too, but to its own gap: planes are cheap there. So it does where a library's solver
    fails.

    Parameters
    ----------
    problem : Problem
    settings : Settings
    watch : Watch, default=UNWATCHED
        It is told of each step with the solution so far.

    Returns
    -------
    Unmixing
    """
    if settings.loss == "wasserstein" and has_idle_outliers(problem):
        restored = Changed(watch, partial(restore_outliers, problem=problem))
        found = _solve(drop_outliers(problem), settings, restored)
        return restore_outliers(found, problem)
    return _solve(problem, settings, watch)


def solve_reduced(
    problem: Problem, settings: Settings, max_support: int | None, seed: int
) -> Unmixing:
    """Move the target to fewer points, and find the weights.

    Parameters
    ----------
    problem : Problem
    settings : Settings
    max_support : int or None
    seed : int
        Of the search for the points.

    Returns
    -------
    Unmixing
    """
    fewer, *_ = quantize(
        problem.target, max_support, problem.metric, np.random.RandomState(seed)
    )
    return solve(problem.with_target(fewer), settings)


def _solve(problem: Problem, settings: Settings, watch: Watch) -> Unmixing:
    if settings.is_exact and not sorts(problem):
        try:
            found = _solve_exactly(problem, settings.rule._replace(watch=watch))
        except SolverFailed:
            found = None
        if found is not None and (
            found.converged or watch.stopped or not _can_descend(problem)
        ):
            return found
    objective = make_objective(problem, settings)
    completed = Changed(watch, objective.complete)
    return objective.complete(minimise(objective, settings, completed))


def minimise(
    objective: Objective, settings: Settings, watch: Watch = UNWATCHED
) -> Unmixing:
    """Minimise an objective by the method that suits it.

    Parameters
    ----------
    objective : Objective
    settings : Settings
    watch : Watch, default=UNWATCHED

    Returns
    -------
    Unmixing
    """
    rule = settings.rule._replace(watch=watch)
    if isinstance(objective, SemirelaxedLoss) and settings.is_newton:
        return solve_newton(objective, rule)
    if settings.learning_rate == "auto":
        return solve_bundle(objective, rule)
    return solve_gradient(objective, rule, float(settings.learning_rate))


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
    metric : Metric
    settings : Settings

    Returns
    -------
    float
    """
    problem = Problem(stack_measures([first]), second, metric)
    objective = make_objective(problem, settings)
    return objective.unit * objective(np.ones(1)).value
