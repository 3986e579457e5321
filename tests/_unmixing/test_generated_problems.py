import pytest

from tests._unmixing.checks import check_problem


@pytest.mark.parametrize("seed", range(300))
def test_solutions_of_generated_problems(seed):
    check_problem(seed)
