"""The user guide's pages on benchmarks, and the results that they are from."""

import numpy as np
import pytest

from benchmarks.page.results import read_results
from benchmarks.page.rst import prose, seconds, table
from benchmarks.records import read_records, record
from benchmarks.report import RESULTS, RUNS, header, pages

FOUND = read_results(RESULTS)


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.stem)
def test_page_says_what_the_results_say(path):
    assert path.read_text(encoding="utf-8") == pages()[path]


@pytest.mark.parametrize("name", FOUND)
def test_result_says_how_it_was_made(name):
    made = FOUND[name].header
    assert made["command"] == header(RUNS[name])["command"]
    assert made.keys() == {*header(RUNS[name]), "took"}
    assert FOUND[name].records


def test_records_are_read_back_from_what_is_printed(capsys):
    print("a table for people")
    record(error=np.float64(0.5), sizes=np.arange(2), name="W1")
    found = read_records(capsys.readouterr().out)
    assert found == [{"error": 0.5, "sizes": [0, 1], "name": "W1"}]


def test_table_aligns_its_columns():
    assert table(["a", "long"], [(1, "x"), (200, "y")]).splitlines() == [
        "===  ====",
        "a    long",
        "===  ====",
        "1    x",
        "200  y",
        "===  ====",
        "",
    ]


def test_prose_fills_paragraphs_and_items():
    assert prose("one {n}\n\n- two\nthree", n=1) == "one 1\n\n- two three"


@pytest.mark.parametrize(
    ("value", "text"), [(123.4, "123"), (1.26, "1.3"), (0.8, "0.80"), (9.998, "10")]
)
def test_seconds_have_two_digits_or_are_whole(value, text):
    assert seconds(value) == text
