"""Generated problems as users give them, and those that failed once."""

from pathlib import Path

import numpy as np
import pytest

from tests.cases import FAMILIES, read_case, write_case

REGRESSIONS = sorted((Path(__file__).parent / "regressions").glob("*.json"))
# A case may be hard: the checks ask whether a fit says so, and fit again in silence.
pytestmark = pytest.mark.filterwarnings(
    "ignore:The weights are not certified:sklearn.exceptions.ConvergenceWarning"
)


@pytest.mark.parametrize("seed", range(350))
def test_generated_unmixings(seed):
    draw, check, _ = FAMILIES["unmixing"]
    check(draw(seed))


@pytest.mark.parametrize("seed", range(150))
def test_generated_flows(seed):
    draw, check, _ = FAMILIES["flow"]
    check(draw(seed))


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_what_failed_once(path):
    check, case = read_case(path)
    check(case)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_case_survives_a_file(family, tmp_path):
    for seed in range(24):
        case = FAMILIES[family][0](seed)
        write_case(tmp_path / "case.json", family, case, "why")
        _, again = read_case(tmp_path / "case.json")
        assert type(again) is type(case)
        assert repr(again) == repr(case)
        for mine, theirs in zip(again, case, strict=True):
            if isinstance(theirs, np.ndarray):
                np.testing.assert_array_equal(mine, theirs)
