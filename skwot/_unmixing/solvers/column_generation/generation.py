"""Column generation for the joint linear programme."""

import numpy as np

from skwot._ot.ground_costs import BlockCost, Metric
from skwot._ot.measures import Measure, SourceMeasures
from skwot._unmixing.outliers import add_outlier_source
from skwot._unmixing.problem import ROUNDING, Unmixing, dual_bound
from skwot._unmixing.solvers.column_generation.arcs import (
    DUAL_TOL,
    Arcs,
    Array,
    Problem,
    join_arcs,
    tightest,
    violated,
)
from skwot._unmixing.solvers.column_generation.network import (
    SCANNED_ARCS,
    plan_cost,
    starting_flow,
)
from skwot._unmixing.solvers.column_generation.pricing import Scan, scan_costs
from skwot._unmixing.solvers.column_generation.programme import JointProgramme, Solution
from skwot._unmixing.solvers.column_generation.sinkhorn import entropic_start

EXACT = 1e-9  # relative gap at which the search ends, whatever is asked for
_STRANDED = 1e-13  # mass that rounding may leave on the ground node
_UNUSED = 1e-6  # weights that are only the entropy's


def solve_linear(
    sources: SourceMeasures,
    target: Measure,
    metric: Metric,
    *,
    max_iter: int,
    tol: float,
    outlier_cost: float | None = None,
    surcharges: Array | float = 0.0,
) -> Unmixing:
    """Minimise exactly, with all costs in the units of the ground cost.

    Parameters
    ----------
    sources : SourceMeasures
    target : Measure
    metric : str or callable
        See :func:`skwot._ot.ground_costs.ground_cost`.
    max_iter : int
        Largest number of programmes, each over more arcs, to solve.
    tol : float
        The result has converged if the gap is below this fraction of the value. The
        search itself goes on to a gap of 1e-9.
    outlier_cost : float, default=None
        Adds an atom at this cost from everything, and a last source that is this
        atom: what no source explains more cheaply.
    surcharges : ndarray of shape (K,), default=0.0
        Cost of a unit of each weight, in the units of the ground cost.

    Returns
    -------
    Unmixing
        With the values of the programmes as its curve.
    """
    masses = sources.masses
    if outlier_cost is not None:
        masses = add_outlier_source(masses)
    cost = BlockCost(sources.points, target.points, metric, outlier_cost=outlier_cost)
    each = surcharges / cost.unit * np.ones(masses.shape[1])
    problem = Problem(cost, masses, target.masses, each)
    search = _Search(problem)
    search.run(max_iter, min(tol, EXACT))
    return search.conclude(tol).in_units(cost.unit)


class _Search:
    """The state of the column generation.

    Arcs join from the pool while it has violated ones, else from a pass over
    all costs, which also gives a lower bound.
    """

    def __init__(self, problem: Problem) -> None:
        start = entropic_start(problem)
        weights = np.where(start.weights > _UNUSED, start.weights, 0.0)
        weights /= weights.sum()
        arcs, self._pool, flow, self._box = starting_flow(problem, weights, start)
        self._problem = problem
        self._programme = JointProgramme(problem, weights, arcs, flow, self._box)
        self._curve: list[float] = []
        self._bound = -np.inf
        self._best: Scan
        self._solution: Solution

    def run(self, max_iter: int, tol: float) -> None:
        """Solve programmes until one is certified to `tol` or has all it needs."""
        for n_left in reversed(range(max_iter)):
            self._solution = self._programme.solve()
            self._curve.append(self._solution.value)
            new = self._violated(self._pool)
            if n_left == 0 or not len(new.cost):
                new = self._price()
                if self._certified(tol):
                    break
            if len(new.cost):
                _, _, alpha, beta, _ = self._solution
                self._programme.add(new.select(tightest(new, alpha, beta)))
            elif self._solution.stranded > _STRANDED:
                self._box = self._box.grown()
                self._programme.set_box(self._box)
            else:
                break

    def _violated(self, arcs: Arcs) -> Arcs:
        _, _, alpha, beta, _ = self._solution
        return self._programme.missing(arcs.select(violated(arcs, alpha, beta)))

    def _price(self) -> Arcs:
        """Raise the lower bound by a pass over all costs; return the violated arcs."""
        _, _, alpha, beta, _ = self._solution
        found = scan_costs(
            self._problem.cost, beta, -DUAL_TOL, per_row=SCANNED_ARCS, alpha=alpha
        )
        _, masses, target, surcharges = self._problem
        bound = dual_bound(masses, target, found.alpha, found.beta, surcharges)
        if bound > self._bound:
            self._bound, self._best = bound, found
        new = self._violated(found.arcs)
        self._pool = join_arcs([self._pool, new])
        return new

    def _certified(self, tol: float) -> bool:
        gap = self._solution.value - self._bound
        allowed = max(tol * self._solution.value, ROUNDING * self._best.mean)
        return self._solution.stranded <= _STRANDED and gap <= allowed

    def conclude(self, tol: float) -> Unmixing:
        """Return the last weights, the cost of a plan, and the best potentials."""
        weights, _, alpha, beta, _ = self._solution
        value = plan_cost(
            self._problem, weights, self._programme.arcs, self._box, alpha, beta
        )
        gap = value - self._bound
        return Unmixing(
            weights,
            value,
            min(self._bound, value),
            self._best.alpha,
            self._best.beta,
            np.array([*self._curve[:-1], value]),
            gap <= max(tol * value, ROUNDING * self._best.mean),
        )
