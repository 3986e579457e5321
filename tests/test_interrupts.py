import gc

import pytest

from tests.interrupts import Rehearsed, cases

CASES = {name: (name, *case) for name, *case in cases()}
NAMES = [
    "fit {}",
    "fit {'solver': 'pgd'}",
    "fit {'loss': 'semirelaxed'}",
    "unmix {}",
    "bootstrap {'loss': 'semirelaxed'}",
    "flow {'random_state': 0}",
    "flow {'random_state': 0, 'warm_start': True}",
]


@pytest.mark.parametrize("name", NAMES)
def test_an_interruption_leaves_an_estimator_as_it_was(name):
    """Nine at even distances, as far as the last line; tests.interrupts makes more."""
    case = Rehearsed(*CASES[name])
    for line in range(case.lines, 0, -max(1, case.lines // 8)):
        assert case.interrupt(line) is None
    gc.collect()


@pytest.mark.parametrize("name", ["fit {}", "flow {'random_state': 0}"])
def test_an_interruption_where_attributes_are_set(name):
    """The last lines, which set the attributes."""
    case = Rehearsed(*CASES[name])
    for line in range(case.lines, case.lines - 40, -3):
        assert case.interrupt(line) is None
