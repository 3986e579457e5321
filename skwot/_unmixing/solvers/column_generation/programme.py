"""The joint linear programme in plan and weights, over a growing set of arcs."""

from typing import Any, NamedTuple

import highspy
import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import minimum_spanning_tree

from skwot._typing import Array, Mask
from skwot._unmixing.problem import NOTHING, SolverFailed, snapped
from skwot._unmixing.solvers.column_generation.arcs import (
    Arcs,
    BlockProblem,
    arc_columns,
    arc_rows,
    join_arcs,
    reduced_costs,
)
from skwot._unmixing.solvers.column_generation.network import Box, Flow
from skwot._unmixing.solvers.highs import INFINITY, make_solver, optimise

_PRIMAL_SIMPLEX = 4
_PERTURBATION = "primal_simplex_bound_perturbation_multiplier"
_OPTIONS: dict[str, bool | int | float | str] = {
    "presolve": "off",  # it would discard the starting basis
    "solver": "simplex",
    "simplex_strategy": _PRIMAL_SIMPLEX,
    # Scaled, one programme in five with ties ended with the status "Unknown".
    "simplex_scale_strategy": 0,
    # What a perturbation leaves in the weights is within the tolerance, but not within
    # rounding; and with one the status is "Unknown" now and then.
    _PERTURBATION: 0.0,
}
# HiGHS' tolerances are absolute. With costs in hundredths of the loss, and masses in
# units of the mean mass of an atom, they leave relative gaps of 1e-15.
_COST_PER_LOSS = 100.0
_LEAST_LOSS = 1e-4  # of the median cost; smaller losses count as this


class Solution(NamedTuple):
    """An optimum of the programme over the present arcs.

    Attributes
    ----------
    weights : ndarray of shape (K,)
    value : float
    alpha, beta : ndarrays of shapes (n,), (m,)
    stranded : float
        Mass on the ground node's arcs.
    """

    weights: Array
    value: float
    alpha: Array
    beta: Array
    stranded: float


class JointProgramme:
    """The programme over some arcs, warm-started from the basis before.

    The columns are, in order, increases p and decreases q of the weights, the ground
    node's arcs, and the arcs. With ``w = start + p - q`` the tree of the network
    simplex is a vertex at ``p = q = 0`` for every `start`; with w itself as a column
    it would not be.

    Parameters
    ----------
    problem : BlockProblem
    start : ndarray of shape (K,)
        Weights at which `flow` is optimal.
    arcs : Arcs
    flow : Flow
    box : Box
    """

    def __init__(
        self, problem: BlockProblem, start: Array, arcs: Arcs, flow: Flow, box: Box
    ) -> None:
        self._problem, self._start, self.arcs = problem, start, arcs
        self._scale = float(max(problem.cost.shape))
        masses, target, surcharges = problem.marginals
        loss = (masses @ start) @ flow.alpha + target @ flow.beta
        self._constant = float(surcharges @ start)
        self._price = _COST_PER_LOSS / max(float(loss), _LEAST_LOSS)
        self._n_fixed = 2 * len(start) + len(box.centre)
        self._solver = self._make_solver(box)
        self._solver.setBasis(self._basis(*_spanning_tree(arcs, flow, box)))

    def _make_solver(self, box: Box) -> Any:
        problem, start = self._problem, self._start
        masses, target, surcharges = problem.marginals
        surcharges = self._scale * surcharges
        costs = [surcharges, -surcharges, box.cost, self.arcs.cost]
        free = np.full(len(box.centre) + len(self.arcs.cost), INFINITY)
        mass = np.concatenate([masses @ start, target]) * self._scale
        return make_solver(
            np.concatenate(costs) * self._price,
            self._columns(),
            mass,
            mass,
            np.concatenate([1 - start, start, free]),
            _OPTIONS,
        )

    def _columns(self) -> sparse.csc_array:
        n, m = self._problem.cost.shape
        masses = self._scale * self._problem.marginals.masses
        pad = sparse.csr_array((m, masses.shape[1]))
        weights = sparse.vstack([masses, pad])
        ground = sparse.eye_array(n + m)
        arcs = arc_columns(self.arcs, n, m)
        return sparse.hstack([-weights, weights, ground, arcs], format="csc")

    def _basis(self, arcs: Mask, ground: Mask) -> Any:
        status = highspy.HighsBasisStatus
        names = [status.kLower, status.kBasic]
        basic = np.concatenate([np.zeros(2 * len(self._start), bool), ground, arcs])
        basis: Any = highspy.HighsBasis()
        basis.col_status = [names[flag] for flag in basic.tolist()]
        basis.row_status = [status.kLower] * len(ground)
        basis.valid = True
        return basis

    def missing(self, arcs: Arcs) -> Arcs:
        """Those of the arcs that the programme does not have."""
        m = len(self._problem.marginals.target)
        arcs = arcs.unique(m)
        known = self.arcs.source * m + self.arcs.target
        return arcs.select(~np.isin(arcs.source * m + arcs.target, known))

    def add(self, arcs: Arcs) -> None:
        """Add arcs, which are not basic at first."""
        length, n = len(arcs.cost), self._problem.cost.shape[0]
        self._solver.addCols(
            length,
            arcs.cost * self._price,
            np.zeros(length),
            np.full(length, INFINITY),
            2 * length,
            np.arange(0, 2 * length, 2, dtype=np.int32),
            arc_rows(arcs, n).astype(np.int32),
            np.ones(2 * length),
        )
        self.arcs = join_arcs([self.arcs, arcs])
        self._restart()

    def set_box(self, box: Box) -> None:
        """Change the costs of the ground node's arcs."""
        columns = np.arange(2 * len(self._start), self._n_fixed, dtype=np.int32)
        self._solver.changeColsCost(len(columns), columns, box.cost * self._price)

    def _restart(self) -> None:
        """Keep the basis, and nothing else of what the solver knows.

        With the edge weights and the perturbed bounds of the run before, the simplex
        method once took 200,000 steps for 223 new arcs among 100,000, instead of 1,700.
        """
        basis = self._solver.getBasis()
        self._solver.clearSolver()
        self._solver.setBasis(basis)

    def solve(self) -> Solution:
        """Optimise over the present arcs.

        Raises
        ------
        SolverFailed
            If HiGHS does not report an optimum, from scratch either.
        """
        n_sources = len(self._start)
        try:
            found = optimise(self._solver)
        except SolverFailed:
            # The basis before may be singular to working precision.
            self._solver.clearSolver()
            self._solver.setOptionValue(_PERTURBATION, 1.0)
            found = optimise(self._solver)
        x, n = found.col_value, self._problem.cost.shape[0]
        dual = found.row_dual / self._price
        moved = self._start + x[:n_sources] - x[n_sources : 2 * n_sources]
        # A tight box may leave all mass stranded.
        weights = snapped(moved if moved.max() > NOTHING else self._start)
        stranded = x[2 * n_sources : self._n_fixed].sum() / self._scale
        value = self._solver.getInfo().objective_function_value
        return Solution(
            weights,
            value / (self._price * self._scale) + self._constant,
            dual[:n],
            dual[n:],
            float(stranded),
        )


def _spanning_tree(arcs: Arcs, flow: Flow, box: Box) -> tuple[Mask, Mask]:
    """Masks of the basic arcs and of the basic arcs of the ground node.

    The flow's forest, completed by arcs of least reduced cost.
    """
    n, m = len(flow.alpha), len(flow.beta)
    shape = (n + m + 1, n + m + 1)
    low = np.concatenate([arcs.source, np.arange(n + m)])
    high = np.concatenate([arcs.target + n, np.full(n + m, n + m)])
    excess = box.cost - np.concatenate([flow.alpha, flow.beta])
    reduced = [reduced_costs(arcs, flow.alpha, flow.beta), excess]
    ends = np.where(flow.source < n, flow.source, n + m), flow.target + n
    used = np.minimum(*ends) * shape[0] + np.maximum(*ends)
    # The weights only have to prefer the flow, and zeros are not edges.
    weight = 1.0 + np.maximum(np.concatenate(reduced), 0.0)
    weight[np.isin(low * shape[0] + high, used)] = 1e-3
    # csgraph of SciPy before 1.17.1 takes no indices of 64 bits.
    edges = low.astype(np.int32), high.astype(np.int32)
    graph = sparse.csr_array((weight, edges), shape=shape)
    tree = minimum_spanning_tree(graph).tocoo()
    i, j = (end.astype(np.intp) for end in (tree.row, tree.col))
    keys = np.minimum(i, j) * shape[0] + np.maximum(i, j)
    basic = np.isin(low * shape[0] + high, keys)
    return basic[: len(arcs.cost)], basic[len(arcs.cost) :]
