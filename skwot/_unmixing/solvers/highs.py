"""Linear programmes as HiGHS takes them, and its answer only where it is an optimum."""

from typing import Any, NamedTuple

import highspy
import numpy as np
from scipy import sparse

from skwot._compat import QuietHighs
from skwot._typing import Array
from skwot._unmixing.problem import SolverFailed

INFINITY = highspy.kHighsInf
# Absolute, as HiGHS has them: the programmes bring costs and masses to order one.
_TOLERANCES: dict[str, bool | int | float | str] = {
    "output_flag": False,
    "primal_feasibility_tolerance": 1e-10,
    "dual_feasibility_tolerance": 1e-10,
}


def make_solver(
    costs: Array,
    columns: sparse.csc_array,
    lower: Array,
    upper: Array,
    largest: Array | float = INFINITY,
    options: dict[str, bool | int | float | str] | None = None,
) -> Any:
    """Pass a linear programme to HiGHS.

    The programme is ``min costs . x`` subject to ``lower <= columns @ x <= upper`` and
    ``0 <= x <= largest``.

    Parameters
    ----------
    costs : ndarray of shape (n_columns,)
    columns : sparse array of shape (n_rows, n_columns)
    lower, upper : ndarrays of shape (n_rows,)
    largest : ndarray of shape (n_columns,) or float, default=INFINITY
    options : dict, default=None
        Options of HiGHS beside the tolerances.

    Returns
    -------
    highspy.Highs
        Not run yet.
    """
    model: Any = highspy.HighsLp()
    model.num_row_, model.num_col_ = columns.shape
    model.col_cost_ = costs
    model.col_lower_ = np.zeros(len(costs))
    model.col_upper_ = np.broadcast_to(largest, len(costs))
    model.row_lower_, model.row_upper_ = lower, upper
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_ = columns.indptr
    model.a_matrix_.index_ = columns.indices
    model.a_matrix_.value_ = columns.data
    solver: Any = QuietHighs()
    for name, value in (_TOLERANCES | (options or {})).items():
        solver.setOptionValue(name, value)
    solver.passModel(model)
    return solver


class Optimum(NamedTuple):
    """What HiGHS found, as arrays: each access to its own lists copies them.

    Attributes
    ----------
    col_value : ndarray of shape (n_columns,)
        The variables.
    row_dual : ndarray of shape (n_rows,)
        The multipliers of the rows.
    """

    col_value: Array
    row_dual: Array


def optimise(solver: Any) -> Optimum:
    """Run HiGHS.

    Parameters
    ----------
    solver : highspy.Highs

    Returns
    -------
    Optimum

    Raises
    ------
    SolverFailed
        If HiGHS does not report an optimum, or reports one that is no numbers.
    """
    solver.run()
    status = solver.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        name = solver.modelStatusToString(status)
        raise SolverFailed(f"HiGHS ended with status {name!r}.")
    solution = solver.getSolution()
    found = Optimum(np.array(solution.col_value), np.array(solution.row_dual))
    if not all(np.isfinite(part).all() for part in found):
        raise SolverFailed("HiGHS reported an optimum that is not finite.")
    return found
