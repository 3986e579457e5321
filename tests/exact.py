"""The unmixing problem as one dense linear programme, solved by HiGHS."""

import numpy as np
from scipy import sparse
from scipy.optimize import linprog


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
    options = {
        "primal_feasibility_tolerance": 1e-10,
        "dual_feasibility_tolerance": 1e-10,
    }
    # Presolve takes tiny masses for contradictions.
    for presolve in (True, False):
        result = linprog(
            objective,
            A_eq=equations,
            b_eq=right,
            method="highs-ds",
            options={**options, "presolve": presolve},
        )
        if result.status == 0:
            break
    assert result.status == 0, result.message
    return unit * result.fun / m, result.x[-n_sources:]
