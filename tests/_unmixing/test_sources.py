import numpy as np
import pytest
from numpy.testing import assert_array_equal

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
    ],
)
def test_bad_samples(sources, target, message):
    with pytest.raises(ValueError, match=message):
        stack_sources(sources, target)
