"""Column generation for the joint linear programme."""

import numpy as np

from skwot._ot.ground_costs import BlockCost
from skwot._unmixing.problem import (
    ROUNDING,
    Problem,
    StoppingRule,
    Unmixing,
    checked_bound,
    is_closed,
)
from skwot._unmixing.solvers.column_generation.arcs import (
    DUAL_TOL,
    Arcs,
    BlockProblem,
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

_STRANDED = 1e-13  # mass that rounding may leave on the ground node
_UNUSED = 1e-6  # a smaller weight is only due to the entropy of the start


def generate_columns(
    problem: Problem, rule: StoppingRule, cost: BlockCost | None = None
) -> Unmixing:
    """Minimise the exact transport cost by the joint linear programme.

    Parameters
    ----------
    problem : Problem
    rule : StoppingRule
        Its `max_iter` is the largest number of programmes, each over more arcs.
    cost : BlockCost, default=None
        Of the problem, if it is known.

    Returns
    -------
    Unmixing
        With the values of the programmes as its curve.

    Raises
    ------
    SolverFailed
        If a library's solver reports no optimum.
    """
    cost = problem.costs() if cost is None else cost
    search = _Search(BlockProblem(cost, problem.marginals.in_unit(cost.unit)))
    search.run(rule)
    return search.conclude(rule.tol)


class _Search:
    """The state of the column generation.

    Arcs join from the pool while it has violated ones, else from a pass over
    all costs, which also gives a lower bound.
    """

    def __init__(self, problem: BlockProblem) -> None:
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

    def run(self, rule: StoppingRule) -> None:
        """Solve programmes until one is certified or has all arcs that it needs."""
        for n_left in reversed(range(rule.max_iter)):
            self._solution = self._programme.solve()
            self._curve.append(self._solution.value)
            if rule.watch(lambda: self.conclude(rule.tol)):
                break
            new = self._violated(self._pool)
            if n_left == 0 or not len(new.cost):
                new = self._price()
                if self._certified(rule.aim):
                    break
            if len(new.cost):
                _, _, alpha, beta, _ = self._solution
                self._programme.add(new.select(tightest(new, alpha, beta)))
            elif not self._is_whole:
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
        # A large constant in both would cost the bound its digits.
        shift = beta.max()
        found = scan_costs(
            self._problem.cost,
            beta - shift,
            -DUAL_TOL,
            per_row=SCANNED_ARCS,
            alpha=alpha + shift,
        )
        bound = self._problem.marginals.bound(found.alpha, found.beta)
        if bound > self._bound:
            self._bound, self._best = bound, found
        new = self._violated(found.arcs)
        self._pool = join_arcs([self._pool, new])
        return new

    def _certified(self, tol: float) -> bool:
        return self._is_whole and self._is_closed(self._solution.value, tol)

    @property
    def _is_whole(self) -> bool:
        """Whether all mass goes over arcs."""
        if self._solution.stranded <= _STRANDED:
            return True
        return self._box.is_wide(self._problem.cost)

    def _is_closed(self, value: float, tol: float) -> bool:
        rounding = ROUNDING * self._best.mean
        return is_closed(value - self._bound, value, tol, rounding)

    def conclude(self, tol: float) -> Unmixing:
        """Return the last weights, the cost of a plan, and the best potentials."""
        if np.isinf(self._bound):
            self._price()  # it was ended before there was a bound
        weights, _, alpha, beta, _ = self._solution
        value = plan_cost(
            self._problem, weights, self._programme.arcs, self._box, alpha, beta
        )
        rounding = ROUNDING * self._best.mean
        return Unmixing(
            weights,
            value,
            checked_bound(self._bound, value, self._best.alpha, rounding),
            self._best.alpha,
            self._best.beta,
            np.array([*self._curve[:-1], value]),
            self._is_closed(value, tol),
        ).in_units(self._problem.cost.unit)
