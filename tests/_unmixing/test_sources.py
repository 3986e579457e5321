import numpy as np
import pandas
import polars
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from skwot import WassersteinUnmixer, stack_sources


def test_list_of_arrays():
    X, y, masses = stack_sources(
        [np.zeros((2, 3)), np.ones((1, 3))], np.full((2, 3), 2)
    )
    assert_array_equal(X[:, 0], [0, 0, 1, 2, 2])
    assert_array_equal(y, [0, 0, 1, -1, -1])
    assert y.dtype.kind == "i"
    assert_array_equal(masses, np.ones(5))


def test_names_and_masses():
    X, y, masses = stack_sources(
        {"a": (np.zeros((2, 1)), [1, 2]), "b": np.ones((1, 1))}, (np.ones((1, 1)), [4])
    )
    assert y.tolist() == ["a", "a", "b", -1]
    assert_array_equal(masses, [1, 2, 1, 4])
    unmixer = WassersteinUnmixer().fit(X, y, masses)
    assert_array_equal(unmixer.classes_, ["a", "b"])
    assert_array_equal(unmixer.weights_, [0, 1])


def test_without_target():
    _, y, _ = stack_sources([np.zeros((2, 1)), np.ones((1, 1))])
    assert_array_equal(y, [0, 0, 1])


@pytest.mark.parametrize(
    ("sources", "target", "message"),
    [
        ([], None, "at least one sample"),
        ([np.zeros((2, 2)), np.zeros((2, 3))], None, "one number of features"),
        ([np.zeros((2, 2))], np.zeros((2, 3)), "one number of features"),
        ([np.zeros(2)], None, "2D array"),
        ([(np.zeros((2, 2)), [1.0])], None, "masses of 0"),
        ([[[np.nan]]], None, "NaN"),
        ({-1: np.zeros((2, 2))}, None, "also the name of a source"),
        (np.zeros((2, 2)), None, r"a single ndarray of shape \(2, 2\)"),
        ([np.zeros((3, 2)), ([[1.0, 2.0]], [1.0, 3.0])], None, r"of 1 .* \(1,\)"),
        ({"a": [[np.inf]]}, None, "the sample of 'a' contains"),
    ],
)
def test_bad_samples(sources, target, message):
    with pytest.raises(ValueError, match=message):
        stack_sources(sources, target)


FRAMES = [pandas.DataFrame, polars.DataFrame]


@pytest.mark.parametrize("frame", FRAMES)
def test_frames_are_stacked_to_a_frame(frame):
    one = frame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    other = frame({"a": [5.0], "b": [6.0]})
    X, y, masses = stack_sources([one], other)
    assert type(X) is frame
    assert list(X.columns) == ["a", "b"]
    assert_array_equal(X.to_numpy(), [[1, 3], [2, 4], [5, 6]])
    assert y.tolist() == [0, 0, -1]
    assert_array_equal(masses, np.ones(3))
    # One frame alone is a stack, too.
    assert stack_sources([one])[0].shape == (2, 2)


def test_rows_of_pandas_get_new_labels():
    frame = pandas.DataFrame({"a": [1.0, 2.0]}, index=[7, 7])
    X, _, _ = stack_sources([frame, frame])
    assert list(X.index) == [0, 1, 2, 3]
    assert list(X.columns) == ["a"]


@pytest.mark.parametrize("frame", FRAMES)
def test_columns_have_to_be_the_same(frame):
    one = frame({"a": [1.0], "b": [2.0]})
    swapped, other = one[["b", "a"]], frame({"a": [1.0], "c": [2.0]})
    message = "columns of 'y' have another order than those of 'x': got .*'b', 'a'"
    with pytest.raises(ValueError, match=message):
        stack_sources({"x": one, "y": swapped})
    with pytest.raises(ValueError, match=r"have other names .* expected .*'a', 'b'"):
        stack_sources({"x": one, "y": other})
    with pytest.raises(ValueError, match=r"all be data frames .*'ndarray'"):
        stack_sources([one, np.ones((1, 2))])


def test_sparse_samples_stay_sparse():
    part = sparse.csr_array(np.array([[0.0, 1.0], [2.0, 0.0]]))
    for other in (part, part.toarray()):
        X, _, _ = stack_sources([part, other])
        assert X.format == "csr"
        assert_array_equal(X.toarray(), np.vstack([part.toarray()] * 2))


def test_integers_become_floats():
    X, _, masses = stack_sources([([[1, 2]], [3]), (np.array([[3, 4]]), [1])])
    assert X.dtype == masses.dtype == np.float64


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([], "sources must hold"),
    ],
)
def test_errors_name_the_parameter(sources, message):
    with pytest.raises(ValueError, match=message):
        stack_sources(sources)
