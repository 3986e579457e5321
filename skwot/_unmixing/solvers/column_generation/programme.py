"""The joint linear programme in plan and weights, over a growing set of arcs."""

from typing import Any, NamedTuple

import highspy
import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import minimum_spanning_tree

from skwot._compat import QuietHighs
from skwot._typing import Array, Index, Mask
from skwot._unmixing.problem import NOTHING, SolverFailed, snapped
from skwot._unmixing.solvers.column_generation.arcs import (
    Arcs,
    BlockProblem,
    join_arcs,
    reduced_costs,
)
from skwot._unmixing.solvers.column_generation.network import Box, Flow

_PRIMAL_SIMPLEX = 4
_OPTIONS: dict[str, bool | int | float | str] = {
    "output_flag": False,
    "presolve": "off",  # it would discard the starting basis
    "solver": "simplex",
    "simplex_strategy": _PRIMAL_SIMPLEX,
    # Scaled, one programme in five with ties ended with the status "Unknown".
    "simplex_scale_strategy": 0,
    "primal_feasibility_tolerance": 1e-10,
    "dual_feasibility_tolerance": 1e-10,
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
        self._solver: Any = QuietHighs()
        for name, value in _OPTIONS.items():
            self._solver.setOptionValue(name, value)
        self._solver.passModel(self._model(box))
        self._solver.setBasis(self._basis(*_spanning_tree(arcs, flow, box)))

    def _model(self, box: Box) -> Any:
        problem, start, n_free = self._problem, self._start, len(box.centre)
        surcharges = self._scale * problem.marginals.surcharges
        costs = [surcharges, -surcharges, box.cost, self.arcs.cost]
        free = np.full(n_free + len(self.arcs.cost), highspy.kHighsInf)
        model: Any = highspy.HighsLp()
        model.num_col_, model.num_row_ = self._n_fixed + len(self.arcs.cost), n_free
        model.col_cost_ = np.concatenate(costs) * self._price
        model.col_lower_ = np.zeros(model.num_col_)
        model.col_upper_ = np.concatenate([1 - start, start, free])
        masses, target, _ = problem.marginals
        mass = np.concatenate([masses @ start, target]) * self._scale
        model.row_lower_ = model.row_upper_ = mass
        columns = self._columns()
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        model.a_matrix_.start_ = columns.indptr
        model.a_matrix_.index_ = columns.indices
        model.a_matrix_.value_ = columns.data
        return model

    def _columns(self) -> sparse.csc_array:
        n, m = self._problem.cost.shape
        masses = self._scale * self._problem.marginals.masses
        pad = sparse.csr_array((m, masses.shape[1]))
        weights = sparse.vstack([masses, pad])
        ends = _incidence(self.arcs, n)
        length = len(self.arcs.cost)
        arcs = sparse.csc_array(
            (np.ones(2 * length), ends, np.arange(0, 2 * length + 1, 2)),
            shape=(n + m, length),
        )
        ground = sparse.eye_array(n + m)
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
            np.full(length, highspy.kHighsInf),
            2 * length,
            np.arange(0, 2 * length, 2, dtype=np.int32),
            _incidence(arcs, n).astype(np.int32),
            np.ones(2 * length),
        )
        self.arcs = join_arcs([self.arcs, arcs])

    def set_box(self, box: Box) -> None:
        """Change the costs of the ground node's arcs."""
        columns = np.arange(2 * len(self._start), self._n_fixed, dtype=np.int32)
        self._solver.changeColsCost(len(columns), columns, box.cost * self._price)

    def _is_solved(self) -> bool:
        self._solver.run()
        return self._solver.getModelStatus() == highspy.HighsModelStatus.kOptimal

    def polish(self) -> Solution:
        """Compute the vertex of the last basis anew.

        The simplex method perturbs bounds, and what it leaves of that in the weights is
        within its tolerance, but not within rounding.
        """
        basis = self._solver.getBasis()
        self._solver.clearSolver()
        self._solver.setOptionValue("primal_simplex_bound_perturbation_multiplier", 0.0)
        self._solver.setBasis(basis)
        return self.solve()

    def solve(self) -> Solution:
        """Optimise over the present arcs.

        Raises
        ------
        SolverFailed
            If HiGHS does not report an optimum, from scratch either.
        """
        if not self._is_solved():
            # The basis before may be singular to working precision.
            self._solver.clearSolver()
            if not self._is_solved():
                status = self._solver.getModelStatus()
                name = self._solver.modelStatusToString(status)
                raise SolverFailed(f"HiGHS ended with status {name!r}.")
        found, n_sources = self._solver.getSolution(), len(self._start)
        x, n = np.array(found.col_value), self._problem.cost.shape[0]
        dual = np.array(found.row_dual) / self._price
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


def _incidence(arcs: Arcs, n: int) -> Index:
    """Rows of the two entries of each arc's column, shape (2 E,)."""
    return np.stack([arcs.source, arcs.target + n], axis=1).ravel()


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
