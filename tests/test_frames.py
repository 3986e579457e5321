import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn

from skwot import GMMFlowFitter, WassersteinUnmixer

TWO = ([0.5, 0.5], [[0.0, 0.0], [3.0, 3.0]], [np.eye(2)] * 2)


@pytest.fixture
def unmixer():
    return WassersteinUnmixer().fit([[0.0], [1.0], [5.0], [6.0]], ["a", "a", "b", "b"])


@pytest.fixture
def bags():
    return [[0.0], [1.0], [0.0], [6.0]], ["y", "y", "x", "x"]


def test_groups_are_the_index_of_a_frame(unmixer, bags):
    X, groups = bags
    expected = unmixer.unmix(X, groups=groups)
    frame = unmixer.set_output(transform="pandas").unmix(X, groups=groups)
    assert frame.columns.tolist() == ["a", "b"]
    assert frame.index.tolist() == ["x", "y"]
    assert frame.index.name == "group"
    np.testing.assert_array_equal(frame, expected)


def test_the_index_has_the_name_of_the_groups(unmixer, bags):
    X, groups = bags[0], pd.Series(bags[1], name="patient")
    with sklearn.config_context(transform_output="pandas"):
        assert unmixer.unmix(X, groups=groups).index.name == "patient"
        assert isinstance(unmixer.unmix(X), np.ndarray)
        result = unmixer.unmix(X, groups=groups, return_result=True)
    assert isinstance(result.weights, np.ndarray)


def test_groups_are_the_first_column_in_polars(unmixer, bags):
    X, groups = bags
    with sklearn.config_context(transform_output="polars"):
        frame = unmixer.unmix(X, groups=groups)
        numbered = unmixer.unmix(X, groups=[1, 1, 2, 2])
    assert frame.columns == ["group", "a", "b"]
    assert frame["group"].to_list() == ["x", "y"]
    assert numbered["group"].dtype == pl.Int64


def test_labels_that_are_numbers_name_columns():
    unmixer = WassersteinUnmixer().fit([[0.0], [1.0], [5.0]], [3, 3, 7])
    with sklearn.config_context(transform_output="pandas"):
        frame = unmixer.unmix([[0.0], [5.0]], groups=[0, 1])
    assert frame[7].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("library", [pd, pl])
def test_moved_rows_have_the_names_of_the_features(library):
    X = np.random.default_rng(0).normal(size=(6, 2))
    frame = library.DataFrame({"income": X[:, 0], "age": X[:, 1]})
    flow = GMMFlowFitter(2, init=TWO, target=TWO).fit(frame)
    moved = flow.transport(frame)
    assert isinstance(moved, library.DataFrame)
    assert list(moved.columns) == ["income", "age"]
    np.testing.assert_allclose(moved.to_numpy(), X, atol=1e-9)


def test_set_output_decides_on_moved_rows():
    X = np.random.default_rng(0).normal(size=(4, 2))
    flow = GMMFlowFitter(2, init=TWO, target=TWO).fit(X)
    flow.set_output(transform="pandas")
    assert flow.transport(X).columns.tolist() == ["x0", "x1"]
    named = pd.DataFrame(X, columns=["u", "v"], index=[9, 8, 7, 6])
    flow.fit(named)
    assert flow.transport(named).index.tolist() == [9, 8, 7, 6]
    flow.set_output(transform="polars")
    assert flow.transport(named).columns == ["u", "v"]
    assert isinstance(flow.transport(named), pl.DataFrame)
