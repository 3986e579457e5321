"""Slow and simple answers: a dense linear programme, and distances by definition."""

import highspy
import numpy as np
from scipy import sparse
from scipy.spatial.distance import cdist

from skwot._compat import QuietHighs


def solve_dense_lp(cost, masses, target, surcharges=0.0):
    """Minimise over plans (n, m) and weights (K,); return (loss, weights).

    Costs and masses are brought to order one, because HiGHS' tolerances are absolute.
    """
    n, m = cost.shape
    n_sources = masses.shape[1]
    unit = cost.mean() or 1.0
    rows = sparse.hstack([sparse.kron(sparse.eye(n), np.ones((1, m))), -m * masses])
    columns = sparse.kron(np.ones((1, n)), sparse.eye(m))
    simplex = sparse.csr_array(np.ones((1, n_sources)))
    equations = sparse.vstack(
        [rows, sparse.block_diag([columns, simplex])], format="csr"
    )
    right = np.concatenate([np.zeros(n), m * target, [1.0]])
    each = m * surcharges / unit * np.ones(n_sources)
    objective = np.append(cost.ravel() / unit, each)
    model = _model(objective, equations.tocsc(), right)
    # HiGHS 1.10 loses the status after presolving. Masses over twelve orders of
    # magnitude are too much for the simplex without it.
    for method, presolve in (("simplex", "off"), ("simplex", "on"), ("ipm", "on")):
        solver = _solved(model, method, presolve)
        if solver.getModelStatus() == highspy.HighsModelStatus.kOptimal:
            break
    else:
        raise AssertionError("HiGHS finds no optimum")
    loss = unit * solver.getInfo().objective_function_value / m
    return loss, np.array(solver.getSolution().col_value)[-n_sources:]


def _solved(model, method, presolve):
    solver = QuietHighs()
    for tolerance in ("primal_feasibility_tolerance", "dual_feasibility_tolerance"):
        solver.setOptionValue(tolerance, 1e-10)
    solver.setOptionValue("solver", method)
    solver.setOptionValue("presolve", presolve)
    solver.passModel(model)
    solver.run()
    return solver


def _model(objective, equations, right):
    model = highspy.HighsLp()
    model.num_row_, model.num_col_ = equations.shape
    model.col_cost_ = objective
    model.col_lower_ = np.zeros(len(objective))
    model.col_upper_ = np.full(len(objective), highspy.kHighsInf)
    model.row_lower_ = model.row_upper_ = right
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_ = equations.indptr
    model.a_matrix_.index_ = equations.indices
    model.a_matrix_.value_ = equations.data
    return model


def bures_wasserstein_squares(means, covariances, others, other_covariances):
    """Squared Bures-Wasserstein distances of all pairs, by the definition."""
    squares = cdist(means, others, "sqeuclidean")
    for i, first in enumerate(covariances):
        root = _root(first)
        for j, second in enumerate(other_covariances):
            cross = np.trace(_root(root @ second @ root))
            squares[i, j] += np.trace(first) + np.trace(second) - 2 * cross
    return squares.clip(0)


def _root(matrix):
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T
