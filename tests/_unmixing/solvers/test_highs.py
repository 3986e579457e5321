import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skwot._unmixing.problem import SolverFailed
from skwot._unmixing.solvers.highs import INFINITY, make_solver, optimise


def assignment(total):
    """Move masses of one and two to two places that can hold `total` together."""
    equations = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1]])
    held = np.array([1.0, 2.0, 1.5, total - 1.5])
    costs = np.array([1.0, 3.0, 2.0, 1.0])
    columns = sparse.csc_array(equations.astype(float))
    return make_solver(costs, columns, np.append(held[:2], [-INFINITY] * 2), held)


def test_an_optimum_comes_with_its_multipliers():
    found = optimise(assignment(3.0))
    assert_allclose(found.col_value, [1, 0, 0.5, 1.5])
    assert_allclose(np.array(found.row_dual) @ [1, 2, 1.5, 1.5], 3.5)


def test_tolerances_and_further_options_arrive():
    solver = make_solver(
        np.ones(1),
        sparse.csc_array(np.ones((1, 1))),
        np.ones(1),
        np.ones(1),
        options={"presolve": "off", "simplex_strategy": 4},
    )
    expected = {
        "primal_feasibility_tolerance": 1e-10,
        "dual_feasibility_tolerance": 1e-10,
        "output_flag": False,
        "presolve": "off",
        "simplex_strategy": 4,
    }
    for name, value in expected.items():
        assert solver.getOptionValue(name)[1] == value


def test_variables_have_an_upper_bound():
    columns = sparse.csc_array(np.ones((1, 2)))
    largest = np.array([0.25, 1.0])
    solver = make_solver(np.arange(2.0), columns, np.ones(1), np.ones(1), largest)
    assert_allclose(optimise(solver).col_value, [0.25, 0.75])


def test_anything_else_is_a_failure_that_names_the_status():
    with pytest.raises(SolverFailed, match="Infeasible"):
        optimise(assignment(2.5))
