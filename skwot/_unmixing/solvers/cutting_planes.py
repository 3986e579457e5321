"""The cutting planes of a convex objective on the simplex, and their lower bound."""

from typing import Any

import numpy as np
from scipy.optimize import linprog

from skwot._typing import Array
from skwot._unmixing.problem import (
    ROUNDING,
    Evaluation,
    Objective,
    Unmixing,
    checked_bound,
    is_closed,
    snapped,
)


class CuttingPlanes:
    """The values and planes found so far, and the lower bound that they imply.

    Parameters
    ----------
    objective : Objective
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._evaluations: list[Evaluation] = []
        self._planes = list(objective.free_planes())
        bounds = [plane.offset + plane.slope.min() for plane in self._planes]
        self._multipliers = np.eye(len(bounds))[int(np.argmax(bounds))]
        self.lower_bound = float(max(bounds))

    def evaluate(self, weights: Array) -> Evaluation:
        """Evaluate the objective, and add its value and plane."""
        evaluation = self._objective(snapped(weights))
        self._evaluations.append(evaluation)
        self._planes.append(evaluation.plane)
        return evaluation

    def improve(self) -> None:
        """Evaluate weights that are better than the best ones, if any are known."""
        weights = self._objective.improved(self.best.weights)
        if weights is not None:
            self.evaluate(weights)

    @property
    def n_evaluations(self) -> int:
        """Number of transport problems solved."""
        return len(self._evaluations)

    @property
    def active_weights(self) -> list[Array]:
        """The points whose planes make the lower bound, and the best point."""
        n_free = len(self._planes) - len(self._evaluations)
        active = np.flatnonzero(self._multipliers[n_free:])
        points = [self._evaluations[i].weights for i in active]
        return [*points, self.best.weights]

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
        """Whether the gap is within a fraction of the value, or within rounding."""
        return is_closed(self.gap, self.best.value, tol, self._objective.rounding)

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
        used = np.flatnonzero(self._multipliers)
        alpha, beta = self._objective.potentials(
            [self._planes[i] for i in used], self._multipliers[used]
        )
        combined, rounding = (
            self._objective.bound(alpha, beta),
            self._objective.rounding,
        )
        weights, value, _ = self.best
        # In exact arithmetic the combined potentials can only raise the bound.
        bound = max(combined, self.lower_bound)
        bound = checked_bound(bound, value, alpha, rounding)
        curve = np.array([evaluation.value for evaluation in self._evaluations])
        return Unmixing(
            weights,
            value,
            bound,
            alpha,
            beta,
            curve,
            is_closed(value - bound, value, tol, rounding),
        ).in_units(self._objective.unit)


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
    totals = minimiser.sum(), multipliers.sum()
    if not (min(totals) > 0 and np.isfinite(totals).all()):
        return None  # no weights, or no combination of planes
    return minimiser / totals[0], multipliers / totals[1]
