"""Transport at fixed weights over sparse arcs, by POT's network simplex."""

from typing import NamedTuple

import numpy as np

from skwot._compat import emd_c_sparse
from skwot._ot.ground_costs import BlockCost
from skwot._ot.transport import MAX_PIVOTS, OPTIMAL
from skwot._typing import Array, Index, Mask
from skwot._unmixing.problem import SolverFailed
from skwot._unmixing.solvers.column_generation.arcs import (
    Arcs,
    BlockProblem,
    join_arcs,
    least_arcs,
    reduced_costs,
    tightest,
    violated,
)
from skwot._unmixing.solvers.column_generation.pricing import scan_costs
from skwot._unmixing.solvers.column_generation.sinkhorn import Start

# The network simplex drops arcs that carry less than 1e-15, and refuses totals that
# differ by 1e-8 when they are summed one by one: so masses are scaled to this total.
_MASS = 100.0
# Its artificial arcs are expensive, which leaves the potentials correct to this only,
# in units of the median cost.
_FLOW_TOL = 1e-8
_ARCS_PER_POINT = 3.0  # in the first set of arcs
_NOTHING = 1e-14  # mass that may be stranded by rounding
_TIGHT = 1e-9  # an arc with a smaller reduced cost can belong to an optimal plan
# Potentials may at first differ from the entropic ones by so many temperatures. With a
# fourth of that, problems with two features were up to four times slower.
_BOX = 20.0
_GROWTH = 16.0  # factor by which the box grows where it cuts off the optimum
_WIDE = 4.0  # a box of so many times the largest cost cuts off nothing
_LOST = 1e-11  # mass that rounding may move away from where it belongs, of one
_MAX_ROUNDS = 30  # of the network simplex at the start
SCANNED_ARCS = 60  # arcs a row, at most, that one pass over the costs adds


class Box(NamedTuple):
    """A ground node that keeps every set of arcs feasible.

    Its arcs to and from each atom cost `centre` + `width`, which bounds the potentials
    from above, as in stabilised column generation (du Merle et al., 1999).

    Attributes
    ----------
    centre : ndarray of shape (n + m,)
        Potentials. Those of the sources have to be zero in the mean over the mixture,
        or else the programme would gain by weights that sum to more than one.
    width : float
    """

    centre: Array
    width: float

    @property
    def cost(self) -> Array:
        """Costs of the ground node's arcs, shape (n + m,)."""
        return self.centre + self.width

    def grown(self) -> "Box":
        """Widen the box."""
        return self._replace(width=_GROWTH * self.width)

    def is_wide(self, cost: BlockCost) -> bool:
        """Whether mass on the ground node's arcs is rounding, as no arc costs more."""
        return self.width > _WIDE * max(abs(self.centre).max(), cost.largest)


class Flow(NamedTuple):
    """An optimal flow with its potentials.

    Attributes
    ----------
    source, target : ndarrays of shape (F,)
        Ends of the arcs that carry mass. Source n and target m are the ground node.
    mass : ndarray of shape (F,)
    alpha, beta : ndarrays of shapes (n,), (m,)
    """

    source: Index
    target: Index
    mass: Array
    alpha: Array
    beta: Array

    @property
    def is_real(self) -> Mask:
        """Mask of the arcs that are not the ground node's."""
        return (self.source < len(self.alpha)) & (self.target < len(self.beta))

    @property
    def stranded(self) -> float:
        """Mass that goes over the ground node, counted at both ends."""
        n, m = len(self.alpha), len(self.beta)
        return float(self.mass[(self.source == n) ^ (self.target == m)].sum())


def network_simplex(
    a: Array, b: Array, arcs: Arcs, ground: Array, alpha: Array, beta: Array
) -> Flow:
    """Solve the transport problem over the arcs and a ground node.

    Parameters
    ----------
    a, b : ndarrays of shapes (n,), (m,)
    arcs : Arcs
    ground : ndarray of shape (n + m,)
        Costs of the ground node's arcs.
    alpha, beta : ndarrays of shapes (n,), (m,)
        Potentials to start from.

    Returns
    -------
    Flow

    Raises
    ------
    SolverFailed
        If the network simplex does not report an optimal flow, or reports one that is
        no flow between these masses.
    """
    n, m = len(a), len(b)
    supply, demand = np.append(a * _MASS, _MASS), np.append(b * _MASS, _MASS)
    source = np.concatenate([arcs.source, np.arange(n), np.full(m, n), [n]])
    target = np.concatenate([arcs.target, np.full(n, m), np.arange(m), [m]])
    i, j, mass, _, alpha, beta, status = emd_c_sparse(
        supply,
        demand,
        source.astype(np.uint64),
        target.astype(np.uint64),
        np.concatenate([arcs.cost, ground, [0.0]]),
        MAX_PIVOTS,
        np.append(alpha, 0.0),
        np.append(beta, 0.0),
    )
    if status != OPTIMAL:
        raise SolverFailed(f"POT's network simplex ended with status {status}.")
    i, j = i.astype(np.intp), j.astype(np.intp)
    lost = _misplaced(supply, i, mass) + _misplaced(demand, j, mass)
    if not (lost <= _LOST * _MASS and np.isfinite(np.append(alpha, beta)).all()):
        raise SolverFailed(
            f"POT's network simplex misplaced {lost / _MASS:.3g} of the mass."
        )
    return Flow(i, j, mass / _MASS, alpha[:n] + beta[m], beta[:m] + alpha[n])


def _misplaced(masses: Array, ends: Index, flow: Array) -> float:
    """Sum of the errors of a marginal, and of the negative masses of the flow."""
    found = np.bincount(ends, flow, minlength=len(masses))
    return float(abs(found - masses).sum() - np.minimum(flow, 0).sum())


def starting_flow(
    problem: BlockProblem, weights: Array, start: Start
) -> tuple[Arcs, Arcs, Flow, Box]:
    """Find a few arcs that carry an optimal flow at given weights.

    Parameters
    ----------
    problem : BlockProblem
    weights : ndarray of shape (K,)
    start : Start

    Returns
    -------
    arcs, pool : Arcs
        The arcs, and more arcs of small reduced cost.
    flow : Flow
        Optimal over the pool, which violated arcs out of all join if some mass was
        stranded in it.
    box : Box
    """
    a = problem.marginals.masses @ weights
    shift = a @ start.alpha
    alpha, beta, pool = start.alpha - shift, start.beta + shift, start.pool
    box = Box(np.concatenate([alpha, beta]), _BOX * start.eps)
    active = _first_arcs(pool, alpha, beta)
    for _ in range(_MAX_ROUNDS):
        arcs = pool.select(active).unique(len(beta))
        flow = network_simplex(a, problem.marginals.target, arcs, box.cost, alpha, beta)
        alpha, beta = _attach(arcs, flow, a), flow.beta
        flow = flow._replace(alpha=alpha)
        new = np.flatnonzero(violated(pool, alpha, beta, _FLOW_TOL) & ~active)
        if len(new):
            active[new] = tightest(pool.select(new), alpha, beta)
        elif flow.stranded > _NOTHING and not box.is_wide(problem.cost):
            extra = _priced(problem, alpha, beta)
            pool = join_arcs([pool, extra])
            active = np.append(active, np.ones(len(extra.cost), bool))
            box = box.grown()
        else:
            break
    return arcs, pool, flow, box


def _first_arcs(pool: Arcs, alpha: Array, beta: Array) -> Mask:
    """Mask of the arcs of least reduced cost, and each row's and column's least."""
    n_arcs = int(_ARCS_PER_POINT * (len(alpha) + len(beta)))
    return least_arcs(pool, alpha, beta, n_arcs) | tightest(pool, alpha, beta)


def _priced(problem: BlockProblem, alpha: Array, beta: Array) -> Arcs:
    """Violated arcs out of all, each the least of its row or column."""
    found = scan_costs(
        problem.cost, beta, -_FLOW_TOL, per_row=SCANNED_ARCS, alpha=alpha
    )
    arcs = found.arcs.select(violated(found.arcs, alpha, beta, _FLOW_TOL))
    return arcs.select(tightest(arcs, alpha, beta))


def _attach(arcs: Arcs, flow: Flow, a: Array) -> Array:
    """Potentials of atoms without mass, which the network simplex leaves out."""
    least = np.full(len(a), np.inf)
    np.minimum.at(least, arcs.source, arcs.cost - flow.beta[arcs.target])
    return np.where(a > 0, flow.alpha, least)


def plan_cost(
    problem: BlockProblem,
    weights: Array,
    arcs: Arcs,
    box: Box,
    alpha: Array,
    beta: Array,
) -> float:
    """Cost of a plan with exact marginals at given weights, and their surcharges.

    The plan runs over the arcs that are tight at the potentials, or over all
    if these do not suffice.

    Parameters
    ----------
    problem : BlockProblem
    weights : ndarray of shape (K,)
    arcs : Arcs
    box : Box
    alpha, beta : ndarrays of shapes (n,), (m,)

    Returns
    -------
    float
    """
    a, b = problem.marginals.masses @ weights, problem.marginals.target
    tight = arcs.select(abs(reduced_costs(arcs, alpha, beta)) < _TIGHT)
    flow = network_simplex(a, b, tight, box.cost, alpha, beta)
    if flow.stranded > _NOTHING:
        expensive = box.cost + 2 * arcs.cost.max()
        flow = network_simplex(a, b, arcs, expensive, alpha, beta)
    charged = float(problem.marginals.surcharges @ weights)
    return flow_cost(problem.cost, flow) + charged


def flow_cost(cost: BlockCost, flow: Flow) -> float:
    """Cost of a flow, in which stranded mass is coupled in the order of the atoms."""
    real = flow.is_real
    i, j, mass = flow.source[real], flow.target[real], flow.mass[real]
    rows, columns, rest = _couple_stranded(flow)
    ends = np.append(i, rows), np.append(j, columns)
    return float(np.append(mass, rest) @ cost.pairs(*ends))


def _couple_stranded(flow: Flow) -> tuple[Index, Index, Array]:
    """North-west corner plan of the mass on the ground node's arcs."""
    n, m = len(flow.alpha), len(flow.beta)
    left, right = (flow.source < n) & ~flow.is_real, (flow.target < m) & ~flow.is_real
    if not (left.any() and right.any()):
        return np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0)
    filled, drained = np.cumsum(flow.mass[left]), np.cumsum(flow.mass[right])
    steps = np.union1d(filled, drained)
    row = np.minimum(np.searchsorted(filled, steps), len(filled) - 1)
    column = np.minimum(np.searchsorted(drained, steps), len(drained) - 1)
    ends = flow.source[left][row], flow.target[right][column]
    return *ends, np.diff(steps, prepend=0.0)
