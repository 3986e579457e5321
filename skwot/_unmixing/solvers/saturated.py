"""The joint programme where nearly all costs are the same and the largest.

Categories, one-hot rows and distances that are cut off have a cost v between almost all
pairs, and less between few. What a plan P saves against v is a sparse programme, whose
constraints are inequalities, because mass that saves nothing may go anywhere:

    max  sum_ij (v - c_ij) P_ij - s . w
    subject to  P 1 <= H w,  P^T 1 <= b,  sum w = 1,  P >= 0,  w >= 0,

with P on the pairs of a cost below v. Its multipliers u and t of the inequalities are
the potentials ``alpha = -u`` and ``beta = v - t`` of the transport problem. In the
programme of the transport problem itself all the other pairs would tie.
"""

import numpy as np
from scipy import sparse

from skwot._ot.ground_costs import BlockCost
from skwot._typing import Array
from skwot._unmixing.problem import (
    ROUNDING,
    Problem,
    StoppingRule,
    Unmixing,
    checked_bound,
    is_closed,
    snapped,
)
from skwot._unmixing.solvers.column_generation.arcs import (
    Arcs,
    BlockProblem,
    arc_columns,
    join_arcs,
)
from skwot._unmixing.solvers.column_generation.network import flow_cost, network_simplex
from skwot._unmixing.solvers.highs import INFINITY, make_solver, optimise

_PAIRS_PER_POINT = 10  # more pairs below the largest cost are too many
_SAMPLED_SHARE = 0.5  # of sampled costs that have to be the largest
_SAME = 1 - 1e-12  # costs above this fraction of the largest count as the largest


def cheap_pairs(cost: BlockCost) -> tuple[Arcs, float] | None:
    """Collect the pairs below the largest cost, if they are few.

    Parameters
    ----------
    cost : BlockCost

    Returns
    -------
    pairs : Arcs
    largest : float
        None instead of both, if there are too many such pairs, or none at all.
    """
    sample = cost.sample()
    largest = float(sample.max())
    if np.mean(sample >= _SAME * largest) < _SAMPLED_SHARE:
        return None
    found, n_found = [], 0
    for rows, block in cost.blocks():
        i, j = np.nonzero(block < _SAME * largest)
        n_found += len(i)
        if (
            n_found > _PAIRS_PER_POINT * sum(cost.shape)
            or _SAME * block.max() > largest
        ):
            return None
        found.append(Arcs(i + rows.start, j, block[i, j]))
    return (join_arcs(found), largest) if n_found else None


def solve_saturated(
    problem: Problem, cost: BlockCost, cheap: tuple[Arcs, float], rule: StoppingRule
) -> Unmixing:
    """Minimise the exact transport cost by what a plan saves.

    Parameters
    ----------
    problem : Problem
    cost : BlockCost
        Of the problem.
    cheap : tuple of Arcs and float
        See :func:`cheap_pairs`.
    rule : StoppingRule
        One programme is solved.

    Returns
    -------
    Unmixing

    Raises
    ------
    SolverFailed
        If HiGHS does not report an optimum.
    """
    arcs, largest = cheap
    posed = BlockProblem(cost, problem.marginals.in_unit(cost.unit))
    masses, target, surcharges = posed.marginals
    weights, gain = _solve_savings(posed, arcs, largest)
    n, m = cost.shape
    beta = largest - gain[n:]
    alpha = np.full(n, largest - beta.max())
    np.minimum.at(alpha, arcs.source, arcs.cost - beta[arcs.target])
    # Mass that saves nothing meets in a ground node, which costs the largest cost.
    ground = np.append(np.full(n, largest), np.zeros(m))
    a = masses @ weights
    flow = network_simplex(a / a.sum(), target, arcs, ground, alpha, beta)
    value = flow_cost(cost, flow) + float(surcharges @ weights)
    rounding = ROUNDING * largest
    bound = checked_bound(posed.marginals.bound(alpha, beta), value, alpha, rounding)
    converged = is_closed(value - bound, value, rule.tol, rounding)
    curve = np.array([value])
    return Unmixing(weights, value, bound, alpha, beta, curve, converged).in_units(
        cost.unit
    )


def _solve_savings(
    posed: BlockProblem, arcs: Arcs, largest: float
) -> tuple[Array, Array]:
    """Weights, and the multipliers of the inequalities, shape (n + m,)."""
    masses, target, surcharges = posed.marginals
    (n, m), n_weights = posed.cost.shape, len(surcharges)
    scale = float(max(n, m))  # so that masses are of order one
    pad = sparse.csr_array((m, n_weights))
    sources = sparse.vstack([-scale * masses, pad])
    simplex = np.append(np.zeros(len(arcs.cost)), np.ones(n_weights))
    inequalities = sparse.hstack([arc_columns(arcs, n, m), sources])
    columns = sparse.vstack([inequalities, sparse.csr_array(simplex[None])])
    solver = make_solver(
        np.append(arcs.cost - largest, scale * surcharges),
        sparse.csc_array(columns),
        np.append(np.full(n + m, -INFINITY), 1.0),
        np.concatenate([np.zeros(n), scale * target, [1.0]]),
    )
    solution = optimise(solver)
    weights = snapped(solution.col_value[len(arcs.cost) :])
    gains = np.clip(-solution.row_dual[: n + m], 0, None)
    return weights, gains
