"""Wasserstein unmixing: the objective, its cutting planes and the certificate.

For sources with masses H (one column each), a target with masses b and a ground
cost c, the objective ``f(w) = OT_c(H w, b)`` is convex and piecewise linear. Each
feasible pair of potentials, ``alpha_i + beta_j <= c_ij``, gives a plane below it,

    f(w) >= b . beta + w . (H^T alpha)    for every w on the simplex,

by weak duality, and the minimum of the maximum of such planes bounds the optimum
from below (Kelley, 1960).
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

from skwot._ot.measures import Measure, SourceMeasures
from skwot._ot.transport import Metric, c_transform, ground_cost, transport_cost

Array = NDArray[np.float64]

# Values cannot be told apart below this fraction of the mean ground cost.
ROUNDING = 1e-12


class UnmixingProblem(NamedTuple):
    """What an unmixing solver needs to know.

    Attributes
    ----------
    cost : ndarray of shape (n, m)
        Ground cost in units of its mean, so that nothing depends on units.
    masses : sparse array of shape (n, K)
        Masses of the sources, one column each.
    target : ndarray of shape (m,)
        Masses of the target.
    unit : float
        The mean ground cost.
    """

    cost: Array
    masses: sparse.csr_array
    target: Array
    unit: float


class Plane(NamedTuple):
    """An affine function that is nowhere above the objective.

    Attributes
    ----------
    slope : ndarray of shape (K,)
        ``H^T alpha``.
    offset : float
        ``b . beta``.
    beta : ndarray of shape (m,)
        The target potential that it comes from.
    """

    slope: Array
    offset: float
    beta: Array


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


class Unmixing(NamedTuple):
    """Weights with their certificate.

    Attributes
    ----------
    weights : ndarray of shape (K,)
    value : float
        Cost of a feasible plan for these weights.
    lower_bound : float
        No weights cost less: ``b . beta + min_k (H^T alpha)_k``.
    alpha : ndarray of shape (n,)
    beta : ndarray of shape (m,)
        Feasible potentials that attain the lower bound.
    curve : ndarray of shape (n_solves,)
        Value of each exact solve.
    converged : bool
    """

    weights: Array
    value: float
    lower_bound: float
    alpha: Array
    beta: Array
    curve: Array
    converged: bool

    @property
    def relative_gap(self) -> float:
        """Gap as a fraction of the value."""
        gap = self.value - self.lower_bound
        return gap / self.value if self.value > 0 else gap

    def in_units(self, unit: float) -> "Unmixing":
        """Multiply everything that is a cost."""
        costs = ("value", "lower_bound", "alpha", "beta", "curve")
        return self._replace(**{name: unit * getattr(self, name) for name in costs})


def unmixing_problem(
    sources: SourceMeasures, target: Measure, metric: Metric
) -> UnmixingProblem:
    """Pose the problem for sources, a target and a ground metric.

    Parameters
    ----------
    sources : SourceMeasures
    target : Measure
    metric : str or callable
        See :func:`skwot._ot.transport.ground_cost`.

    Returns
    -------
    UnmixingProblem
    """
    cost = ground_cost(sources.points, target.points, metric)
    unit = float(cost.mean()) or 1.0
    return UnmixingProblem(cost / unit, sources.masses, target.masses, unit)


class Objective:
    """The unmixing objective, differentiated by torch autograd.

    Each evaluation is an exact transport problem that starts from the potentials
    of the one before.

    Parameters
    ----------
    problem : UnmixingProblem
    """

    def __init__(self, problem: UnmixingProblem) -> None:
        masses = problem.masses.tocoo()
        self._masses = torch.sparse_coo_tensor(
            torch.from_numpy(np.vstack(masses.coords).astype(np.int64)),
            torch.from_numpy(masses.data),
            size=masses.shape,
            check_invariants=False,
            is_coalesced=True,
        )
        self._target = torch.from_numpy(problem.target)
        self._cost = torch.from_numpy(problem.cost)
        self._beta: torch.Tensor | None = None

    def __call__(self, weights: Array) -> Evaluation:
        """Solve the transport problem at `weights`, shape (K,), on the simplex."""
        w = torch.tensor(weights, requires_grad=True)
        reweighted = torch.mv(self._masses, w)
        reweighted = reweighted * (self._target.sum() / reweighted.detach().sum())
        value, _, beta = transport_cost(
            reweighted, self._target, self._cost, self._beta
        )
        value.backward()
        assert w.grad is not None
        self._beta = beta
        offset = float(self._target @ beta)
        plane = Plane(w.grad.numpy(), offset, beta.numpy())
        return Evaluation(weights, value.item(), plane)


class CuttingPlanes:
    """The values and planes found so far, and the lower bound that they imply.

    Parameters
    ----------
    problem : UnmixingProblem
    """

    def __init__(self, problem: UnmixingProblem) -> None:
        self._problem = problem
        self._evaluations: list[Evaluation] = []
        # Two planes cost no transport problem: every unit of mass moves at least
        # to its nearest neighbour, seen from the sources or from the target.
        nearest = problem.cost.min(axis=0)
        self._planes = [self._plane(np.zeros_like(nearest)), self._plane(nearest)]
        self._multipliers = np.array([1.0, 0.0])
        self.lower_bound = -np.inf

    def _plane(self, beta: Array) -> Plane:
        alpha = c_transform(self._problem.cost, beta)
        offset = float(self._problem.target @ beta)
        return Plane(self._problem.masses.T @ alpha, offset, beta)

    def add(self, evaluation: Evaluation) -> None:
        """Add a value and its plane."""
        self._evaluations.append(evaluation)
        self._planes.append(evaluation.plane)

    @property
    def best(self) -> Evaluation:
        """The evaluation of least value."""
        return min(self._evaluations, key=lambda evaluation: evaluation.value)

    @property
    def gap(self) -> float:
        """Least value minus lower bound."""
        return self.best.value - self.lower_bound

    @property
    def slopes(self) -> Array:
        """Slopes of the planes, shape (n_planes, K)."""
        return np.array([plane.slope for plane in self._planes])

    @property
    def offsets(self) -> Array:
        """Values of the planes at zero, shape (n_planes,)."""
        return np.array([plane.offset for plane in self._planes])

    def certified(self, tol: float) -> bool:
        """Whether the gap is within the relative tolerance, or within rounding."""
        return self.gap <= max(tol * self.best.value, ROUNDING)

    def raise_lower_bound(self) -> Array | None:
        """Minimise the maximum of the planes over the simplex.

        Any convex combination of planes is again a plane below the objective;
        its least value on the simplex, at a vertex, is the bound. So the bound
        holds whatever the tolerance of the linear programme is.

        Returns
        -------
        ndarray of shape (K,) or None
            The minimiser; None if the linear programme failed.
        """
        found = _minimise_maximum(self.slopes, self.offsets, self.best, self.gap)
        if found is None:
            return None
        minimiser, multipliers = found
        bound = _plane_minimum(multipliers, self.slopes, self.offsets)
        if bound > self.lower_bound:
            self.lower_bound, self._multipliers = bound, multipliers
        return minimiser

    def conclude(self, tol: float) -> Unmixing:
        """Return the best weights with the potentials of the best bound."""
        used = self._planes[: len(self._multipliers)]
        beta = self._multipliers @ np.array([plane.beta for plane in used])
        alpha, combined = certify(self._problem, beta)
        best = self.best
        # In exact arithmetic the combined potentials can only raise the bound,
        # and no bound exceeds the value.
        self.lower_bound = min(max(combined, self.lower_bound), best.value)
        curve = np.array([evaluation.value for evaluation in self._evaluations])
        return Unmixing(
            best.weights,
            best.value,
            self.lower_bound,
            alpha,
            beta,
            curve,
            self.certified(tol),
        )


def certify(problem: UnmixingProblem, beta: Array) -> tuple[Array, float]:
    """Complete a target potential and bound the optimum by it.

    Parameters
    ----------
    problem : UnmixingProblem
    beta : ndarray of shape (m,)

    Returns
    -------
    alpha : ndarray of shape (n,)
        The c-transform of `beta`, which makes the pair feasible.
    lower_bound : float
        ``b . beta + min_k (H^T alpha)_k``: by weak duality no weights cost less.
    """
    alpha = c_transform(problem.cost, beta)
    return alpha, float(problem.target @ beta + (problem.masses.T @ alpha).min())


def nearest_source_weights(problem: UnmixingProblem) -> Array:
    """Share of the target whose nearest atom belongs to each source, shape (K,)."""
    nearest = problem.masses[problem.cost.argmin(axis=0)]
    weights = nearest.T @ (problem.target / nearest.sum(axis=1))
    return weights / weights.sum()


def _plane_minimum(multipliers: Array, slopes: Array, offsets: Array) -> float:
    return float(multipliers @ offsets + (multipliers @ slopes).min())


def _minimise_maximum(
    slopes: Array, offsets: Array, best: Evaluation, gap: float
) -> tuple[Array, Array] | None:
    """Minimise the maximum of planes over the simplex, near the best point.

    The linear programme is posed around the best point, with values in units of the
    gap and steps in units of what the steepest plane needs to fall by it: so the
    absolute tolerances of the solver shrink with the gap.
    """
    n_planes, n_sources = slopes.shape
    values = offsets + slopes @ best.weights - best.value
    # On the simplex a constant in the slopes only shifts the values.
    slopes = slopes - slopes.mean(axis=1, keepdims=True)
    steepest = float(abs(slopes).max()) or 1.0
    unit = gap if ROUNDING < gap < steepest else steepest
    step = unit / steepest
    result: Any = linprog(
        np.append(np.zeros(n_sources), 1.0),
        A_ub=np.column_stack([slopes / steepest, -np.ones(n_planes)]),
        b_ub=-values / unit,
        A_eq=np.append(np.ones(n_sources), 0.0)[None],
        b_eq=[0.0],
        bounds=[*((-w / step, None) for w in best.weights), (None, None)],
        method="highs-ds",
    )
    if result.status != 0:
        return None
    multipliers = np.clip(-result.ineqlin.marginals, 0, None)
    minimiser = np.clip(best.weights + step * result.x[:-1], 0, None)
    return minimiser / minimiser.sum(), multipliers / multipliers.sum()
