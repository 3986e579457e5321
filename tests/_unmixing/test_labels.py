import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import DataConversionWarning

from skwot._unmixing.labels import (
    as_objects,
    known_shares,
    measure_of_rows,
    read_column,
    read_labels,
    sorted_labels,
    split_groups,
)


@pytest.mark.parametrize(
    "given",
    [
        ["a", "a", "b", -1],
        ("a", "a", "b", -1),
        np.array(["a", "a", "b", -1], dtype=object),
        pd.Series(["a", "a", "b", -1]),
    ],
)
def test_numbers_among_names_stay_numbers(given):
    read = read_labels(read_column(given, "y"), -1)
    assert read.classes.tolist() == ["a", "b"]
    assert_array_equal(read.source, [0, 0, 1, -1])
    assert_array_equal(read.target, [False, False, False, True])
    assert read.has_own_target


@pytest.mark.parametrize(
    "given",
    [
        [0, 0, 1, -1],
        np.array([0, 0, 1, -1], dtype=object),
        np.array([0.0, 0.0, 1.0, -1.0]),
        pd.Series([0, 0, 1, -1], dtype="Int64"),
        pl.Series([0, 0, 1, -1]),
        [False, False, True, -1],
        np.array([False, False, True, -1], dtype=object),
    ],
)
def test_numbers_are_classes_whatever_holds_them(given):
    read = read_labels(read_column(given, "y"), -1)
    assert read.classes.tolist() == [0, 1]
    assert_array_equal(read.target, [False, False, False, True])


def test_numbers_with_a_name_for_the_target():
    read = read_labels(read_column([3, 1, "t"], "y"), "t")
    assert read.classes.tolist() == [1, 3]
    assert read.classes.dtype.kind == "i"


@pytest.mark.parametrize(
    "given",
    [
        ["a", None, "b"],
        ["a", np.nan, "b"],
        [0, None, 1],
        np.array([0, np.nan, 1]),
        np.array(["a", np.nan, "b"], dtype=object),
        pd.Series(["a", None, "b"]),
        pd.Series(["a", pd.NA, "b"], dtype="string"),
        pd.Series([0, pd.NA, 1], dtype="Int64"),
        pd.Series(pd.to_datetime(["2020-01-01", None, "2020-01-02"])),
        pd.Series(["a", None, "b"], dtype="category"),
        pl.Series(["a", None, "b"]),
    ],
)
def test_a_missing_label_is_refused(given):
    with pytest.raises(ValueError, match=r"y must have no missing .* 1 of 3, .* row 1"):
        read_column(given, "y")


def test_labels_of_one_type_keep_it():
    for values, kind in (([1, 2], "i"), (["a", "b"], "U"), ([True, False], "b")):
        column = read_column(values, "y")
        assert column.dtype.kind == kind
        assert column.tolist() == values


def test_a_matrix_of_one_column_is_asked_about():
    with pytest.warns(DataConversionWarning, match="column-vector"):
        column = read_column(np.array([[1], [2]]), "y")
    assert column.tolist() == [1, 2]


def test_a_source_is_needed():
    with pytest.raises(ValueError, match=r"^y must label .* one source; got .*=-1 on"):
        read_labels(np.array([-1, -1]), -1)


def test_a_message_names_its_column():
    points, masses = np.zeros((3, 1)), np.ones(3)
    with pytest.raises(ValueError, match=r"^groups must have no missing"):
        split_groups(points, masses, ["a", None, "b"])
    with pytest.raises(ValueError, match=r"^groups must have labels of one type"):
        split_groups(points, masses, ["a", 1, 2])
    with pytest.raises(ValueError, match=r"^y must have no missing"):
        known_shares(["a", None], np.array(["a", "b"]))
    with pytest.raises(ValueError, match=r"of the target; got zero on all 3 rows"):
        split_groups(points, 0 * masses, None)


def test_labels_that_cannot_be_sorted_name_their_types():
    column = as_objects(["a", 1, 2])
    with pytest.raises(ValueError, match=r"groups must .* one type.* got int and str"):
        sorted_labels(column, "groups")
    with pytest.raises(ValueError, match=r"y must .* one type.* got int and str"):
        read_labels(as_objects(["a", 1, 2, -1]), -1)


@pytest.mark.parametrize(
    ("y", "target_label"),
    [
        (["a", "b", "-1"], -1),
        (np.array(["0", "1", "-1"]), -1),
        (np.array(["0", "1", "-1.0"]), -1),
        (["a", "b", "target"], "Target"),
        (["a", "b", "target "], "target"),
        ([0, 1, 7], "7"),
        (np.array([0, 1, 255], dtype=np.uint8), -1),
        (np.array([0, 1, 2**16 - 1], dtype=np.uint16), -1),
    ],
)
def test_another_spelling_of_the_target_label_is_asked_about(y, target_label):
    column = read_column(y, "y")
    label = re.escape(repr(column.tolist()[-1]))
    message = f"No row of y has target_label=.* but rows have the label {label}"
    with pytest.raises(ValueError, match=message):
        read_labels(column, target_label)


def test_both_spellings_are_two_labels_if_the_target_is_marked():
    read = read_labels(read_column(["-1", "-1", -1], "y"), -1)
    assert read.classes.tolist() == ["-1"]


def test_a_source_with_the_name_of_a_target_is_asked_about():
    with pytest.warns(UserWarning, match="'target' is one of the sources"):
        read = read_labels(read_column(["a", "b", "target"], "y"), -1)
    assert not read.has_own_target
    assert read.target.all()


def test_classes_of_plus_and_minus_one_are_asked_about():
    with pytest.warns(UserWarning, match="labels 1 and -1 only"):
        read_labels(np.array([1, 1, -1]), -1)
    read_labels(np.array([1, 1, -1]), 0)
    read_labels(np.array([5, 5, -1]), -1)


@pytest.mark.parametrize("target_label", [[-1], (), None, np.nan, np.array([1]), pd.NA])
def test_a_target_label_is_a_single_label(target_label):
    with pytest.raises(ValueError, match="target_label must be a single label"):
        read_labels(np.array([0, 1, -1]), target_label)


@pytest.mark.parametrize("scale", [1.0, 1e308, 1e-300])
def test_shares_are_those_of_the_masses(scale):
    read = read_labels(np.array([0, 0, 1, -1]), -1)
    assert_allclose(read.shares(scale * np.array([0.5, 1.0, 0.5, 1.0])), [0.75, 0.25])


def test_groups_are_targets_in_the_order_of_their_names():
    points = np.arange(5.0)[:, None]
    masses = np.array([1.0, 0.0, 3.0, 0.0, 1.0])
    batch = split_groups(points, masses, ["b", "b", "a", "c", "a"])
    assert batch.names.tolist() == ["a", "b", "c"]
    assert [target.size for target in batch.with_mass] == [2, 1]
    assert_array_equal(batch.targets[0].measure.points[:, 0], [2, 4])
    assert_allclose(batch.targets[0].measure.masses, [0.75, 0.25])
    assert batch.targets[2] is None
    assert batch.fill([7, 8], 0) == [7, 8, 0]


def test_without_groups_there_is_one_target_that_has_mass():
    points = np.arange(3.0)[:, None]
    batch = split_groups(points, np.ones(3), None)
    assert batch.names is None
    assert len(batch.targets) == 1
    with pytest.raises(ValueError, match="the target"):
        split_groups(points, np.zeros(3), None)


def test_groups_have_an_entry_a_row():
    with pytest.raises(ValueError, match="groups must have one entry a row of X, 3"):
        split_groups(np.zeros((3, 1)), np.ones(3), [1, 2])


def test_known_shares_are_those_of_the_masses():
    classes = np.array(["a", "b"])
    assert_allclose(known_shares(["b", "a", "b", "b"], classes), [0.25, 0.75])
    assert_allclose(known_shares(["b", "a"], classes, [3, 1]), [0.25, 0.75])
    with pytest.raises(ValueError, match=r"labels of the fitted sources, .* got 'c'"):
        known_shares(["a", "c"], classes)


def test_measures_have_the_masses_of_their_rows():
    found = measure_of_rows(
        np.array([[0.0], [1.0]]), np.array([1.0, 3.0]), "the target"
    )
    assert_array_equal(found.masses, [0.25, 0.75])
    assert_array_equal(found.points, [[0.0], [1.0]])
    with pytest.raises(ValueError, match="the target"):
        measure_of_rows(np.array([[0.0]]), np.zeros(1), "the target")


def test_without_groups_there_is_one_target():
    X, masses = np.array([[0.0], [1.0], [2.0]]), np.array([1.0, 0.0, 3.0])
    groups, ((found, n_rows),) = split_groups(X, masses, None)
    assert groups is None
    assert_array_equal(found.masses, [0.25, 0.75])
    assert n_rows == 2


def test_each_source_and_the_target_has_a_measure_of_its_rows():
    read = read_labels(as_objects(["a", "b", "a", "t"]), "t")
    X, masses = np.arange(4.0)[:, None], np.array([1.0, 2.0, 3.0, 4.0])
    first, second = read.measures(X, masses)
    assert_array_equal(first.points, [[0], [2]])
    assert_array_equal(first.masses, [0.25, 0.75])
    assert_array_equal(second.points, [[1]])
    target = read.target_measure(X, masses)
    assert_array_equal(target.points, [[3]])
    assert_array_equal(target.masses, [1])
    with pytest.raises(ValueError, match="positive on some row of source 'b'; got"):
        read.measures(X, np.array([1.0, 0.0, 3.0, 4.0]))
    with pytest.raises(ValueError, match="positive on some row of the target; got"):
        read.target_measure(X, np.array([1.0, 2.0, 3.0, 0.0]))
