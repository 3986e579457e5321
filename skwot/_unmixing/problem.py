"""The unmixing problem, its dual planes, and the certificate of a solution.

For sources with masses H, one column each, a target with masses b and a loss L between
measures, the objective is ``f(w) = L(H w, b) + s . w`` on the simplex, where s are
surcharges of the weights. It is convex. Potentials alpha of the source atoms and beta
of the target atoms that are feasible for the loss give a plane below it, by weak
duality,

    f(w) >= b . beta + w . (H^T alpha + s)    for every w on the simplex,

and the minimum of the maximum of such planes bounds the optimum from below (Kelley,
1960). For the exact loss, feasible means ``alpha_i + beta_j <= c_ij``.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from skwot._callbacks import UNWATCHED, Watch
from skwot._ot.ground_costs import BlockCost
from skwot._ot.measures import Measure, SourceMeasures
from skwot._ot.metrics import Metric
from skwot._typing import Array

# Values of an exact loss cannot be told apart below this fraction of the mean cost.
ROUNDING = 1e-12
NOTHING = 1e-12  # a smaller weight is rounding
_LOST_DIGITS = 1e-13  # of the size of potentials, in a sum of them


class Marginals(NamedTuple):
    """What the potentials are multiplied with: the linear part of the dual problem.

    Attributes
    ----------
    masses : sparse array of shape (n, K)
        Column k holds the masses of source k.
    target : ndarray of shape (m,)
        Masses of the target.
    surcharges : ndarray of shape (K,)
        Cost s of a unit of each weight. It is not negative, so that a gap relative to
        the value means something.
    """

    masses: sparse.csr_array
    target: Array
    surcharges: Array

    @property
    def n_weights(self) -> int:
        """Number K of weights."""
        return len(self.surcharges)

    def slope(self, alpha: Array) -> Array:
        """Slope of the plane of a source potential, ``H^T alpha + s``, shape (K,)."""
        return self.masses.T @ alpha + self.surcharges

    def bound(self, alpha: Array, beta: Array) -> float:
        """Least value of the plane of feasible potentials on the simplex."""
        return float(self.target @ beta + self.slope(alpha).min())

    def in_unit(self, unit: float) -> "Marginals":
        """Express the surcharges in a unit of cost."""
        return self._replace(surcharges=self.surcharges / unit)


@dataclass(frozen=True)
class Problem:
    """Sources, a target, and what it costs to move mass between them.

    All costs are in the units of the ground cost; a solver chooses its own unit.

    Attributes
    ----------
    sources : SourceMeasures
    target : Measure
    metric : Metric
    outlier_cost : float or None
        Adds a last source, which is an atom at this cost from everything: it takes the
        target mass that no other source explains more cheaply.
    surcharges : ndarray of shape (K,) or float
        Cost of a unit of each weight, that of the outliers last.
    """

    sources: SourceMeasures
    target: Measure
    metric: Metric
    outlier_cost: float | None = None
    surcharges: Array | float = 0.0

    @cached_property
    def marginals(self) -> Marginals:
        """Masses of all sources, of the outliers', too, and of the target."""
        masses = self.sources.masses
        if self.outlier_cost is not None:
            masses = sparse.csr_array(sparse.block_diag([masses, [[1.0]]]))
        surcharges = self.surcharges * np.ones(masses.shape[1])
        return Marginals(masses, self.target.masses, surcharges)

    def costs(self) -> BlockCost:
        """Ground costs with the outliers' row, in their own unit."""
        return BlockCost(
            self.sources.points, self.target.points, self.metric, self.outlier_cost
        )

    def with_target(self, target: Measure) -> "Problem":
        """Replace the target."""
        return replace(self, target=target)


class Plane(NamedTuple):
    """An affine function that is nowhere above the objective.

    Attributes
    ----------
    slope : ndarray of shape (K,)
    offset : float
        Its value at zero.
    record : ndarray
        What the objective needs to give the potentials back.
    """

    slope: Array
    offset: float
    record: NDArray[Any]


class Evaluation(NamedTuple):
    """The objective at one point.

    Attributes
    ----------
    weights : ndarray of shape (K,)
    value : float
    plane : Plane
        Touches the objective at `weights`; its slope is a subgradient.
    """

    weights: Array
    value: float
    plane: Plane


class Touching(NamedTuple):
    """What a plane has beside its slope, where it touches the objective.

    Attributes
    ----------
    offset : float
        Its value at zero.
    record : ndarray
        See :class:`Plane`.
    """

    offset: float
    record: NDArray[Any]


class Objective(ABC):
    """What a method of descent asks of an unmixing problem.

    Values and planes are in a unit of cost of the objective's own, so that nothing
    depends on the units of the data.

    Parameters
    ----------
    marginals : Marginals
        With surcharges in units of the ground cost.
    unit : float
        Unit of the values, in units of the ground cost.
    rounding : float
        Values that differ by less cannot be told apart.
    """

    def __init__(self, marginals: Marginals, unit: float, rounding: float) -> None:
        self.marginals, self.unit = marginals.in_unit(unit), unit
        self.rounding = rounding
        self._start: Array | None = None
        self._free: list[Plane] | None = None
        self._set_masses()

    @abstractmethod
    def _set_masses(self) -> None:
        """Prepare what depends on `marginals`, whenever they are set."""

    def __call__(self, weights: Array) -> Evaluation:
        """Evaluate at `weights`, shape (K,), on the simplex, by torch autograd."""
        w = torch.tensor(weights, requires_grad=True)
        value, touching = self.differentiable(w)
        value.backward()
        assert w.grad is not None
        plane = Plane(w.grad.numpy(), *touching)
        return Evaluation(weights, value.item(), plane)

    @abstractmethod
    def differentiable(self, w: torch.Tensor) -> tuple[torch.Tensor, Touching]:
        """Give the value as a function of the weights, a tensor of shape (K,)."""

    def free_planes(self) -> list[Plane]:
        """Planes that are known before anything is solved; at least one."""
        return self._known_planes() if self._free is None else self._free

    @abstractmethod
    def _known_planes(self) -> list[Plane]:
        """Planes that hold for any masses."""

    @abstractmethod
    def initial_weights(self) -> Array:
        """Where descent begins, shape (K,), on the simplex."""

    def improved(self, weights: Array) -> Array | None:
        """Weights with a lower value, if the loss knows some that cost no search."""
        return None

    @abstractmethod
    def potentials(
        self, planes: list[Plane], multipliers: Array
    ) -> tuple[Array, Array]:
        """Feasible potentials whose plane is above this combination of planes."""

    def bound(self, alpha: Array, beta: Array) -> float:
        """Lower bound that these potentials prove."""
        return self.marginals.bound(alpha, beta)

    @abstractmethod
    def reweighted(
        self, marginals: Marginals, around: list[Plane], start: Array
    ) -> "Objective":
        """Pose the problem for other masses on the same points, in the same unit.

        Parameters
        ----------
        marginals : Marginals
            With surcharges in units of this objective.
        around : list of Plane
            Planes of this objective, whose potentials give the free planes of the new
            one.
        start : ndarray of shape (K,)
            Where descent begins.
        """

    def complete(self, found: "Unmixing") -> "Unmixing":
        """Add to a solution what only this loss can."""
        return found

    def coarsened(self) -> "Objective | None":
        """Approximate by something cheaper to evaluate, in the same unit, if needed."""
        return None


class SolverFailed(Exception):
    """A library's solver ended without an optimum; the message has its status."""


class StoppingRule(NamedTuple):
    """When a solver stops, and what counts as converged.

    Attributes
    ----------
    max_iter : int
        Largest number of transport problems, or linear programmes, to solve.
    tol : float
        A result has converged if its gap is at most this fraction of its value.
    aim : float
        The fraction at which the search itself ends, at most `tol`.
    watch : Watch, default=UNWATCHED
        It is told of each problem that was solved, and may end the search.
    """

    max_iter: int
    tol: float
    aim: float
    watch: Watch = UNWATCHED


def is_closed(gap: float, value: float, tol: float, rounding: float) -> bool:
    """Whether a gap is within a fraction of the value, or within rounding."""
    return gap <= max(tol * value, rounding)


def checked_bound(
    bound: float, value: float, potentials: Array, rounding: float
) -> float:
    """Cut off by how much rounding puts a lower bound above the value.

    Parameters
    ----------
    bound, value : float
    potentials : ndarray
        Their size limits the digits of the bound.
    rounding : float
        Values that differ by less cannot be told apart.

    Returns
    -------
    float

    Raises
    ------
    RuntimeError
        If the bound is above the value by more than rounding, so that one of the two
        is wrong.
    """
    digits = _LOST_DIGITS * abs(potentials).max(initial=0.0)
    if bound > value + max(1e-9 * value, 10 * rounding, digits):
        raise RuntimeError(
            f"A lower bound of {bound:.17g} contradicts a value of {value:.17g} of the "
            "loss: this is an error in skwot or in a library that it uses. Please "
            "report it with the data."
        )
    return min(bound, value)


def snapped(weights: Array) -> Array:
    """Make weights zero that differ from it by rounding, and normalise."""
    weights = np.where(weights > NOTHING, weights, 0.0)
    return weights / weights.sum()


class Unmixing(NamedTuple):
    """Weights with their certificate, in units of the ground cost.

    Attributes
    ----------
    weights : ndarray of shape (K,)
    value : float
        Cost of a feasible plan for these weights, and their surcharges.
    lower_bound : float
        No weights cost less: ``b . beta + min_k (H^T alpha + s)_k``.
    alpha : ndarray of shape (n,)
    beta : ndarray of shape (m,)
        Feasible potentials that attain the lower bound.
    curve : ndarray of shape (n_solves,)
        Value of each exact solve.
    converged : bool
    plan_alpha : ndarray of shape (n,), default=None
        Source potential of the entropic plan at `weights`, if there is one.
    temperature : float, default=0.0
        Temperature of the entropic plan.
    """

    weights: Array
    value: float
    lower_bound: float
    alpha: Array
    beta: Array
    curve: Array
    converged: bool
    plan_alpha: Array | None = None
    temperature: float = 0.0

    @property
    def relative_gap(self) -> float:
        """Gap as a fraction of the value."""
        gap = self.value - self.lower_bound
        return gap / self.value if self.value > 0 else gap

    def in_units(self, unit: float) -> "Unmixing":
        """Multiply everything that is a cost."""
        costs = ["value", "lower_bound", "alpha", "beta", "curve", "temperature"]
        if self.plan_alpha is not None:
            costs.append("plan_alpha")
        return self._replace(**{name: unit * getattr(self, name) for name in costs})


def own_mixture(problem: Problem, shares: Array) -> tuple[Measure, Unmixing]:
    """Solve for a target that is a mixture of the sources themselves.

    Where staying costs nothing, the plan that leaves all mass where it is is optimal.
    Potentials of zero prove it.

    Parameters
    ----------
    problem : Problem
        Its target is not used.
    shares : ndarray of shape (K,)
        Of the sources, without the outliers'.

    Returns
    -------
    target : Measure
    solution : Unmixing
    """
    points, masses = problem.sources
    mixed = masses @ shares
    kept = mixed > 0
    target = Measure(points[kept], mixed[kept] / mixed.sum())
    weights = shares if problem.outlier_cost is None else np.append(shares, 0.0)
    alpha, beta = np.zeros(problem.marginals.masses.shape[0]), np.zeros(kept.sum())
    return target, Unmixing(weights, 0.0, 0.0, alpha, beta, np.zeros(1), True)
