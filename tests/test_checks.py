import dask
import dask.array
import dask.dataframe
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skwot import GMMFlowFitter, WassersteinUnmixer, stack_sources
from skwot._checks import refuse_unreadable

X = np.random.default_rng(0).normal(size=(30, 2))
Y = np.repeat([0, 1, -1], 10)


def masked(array):
    """The same array, with its last row masked."""
    mask = np.zeros(np.shape(array), bool)
    mask[-1] = True
    return np.ma.array(array, mask=mask)


LAZY = dask.delayed(X)
FRAME = dask.dataframe.from_pandas(pd.DataFrame(X, columns=["a", "b"]), npartitions=2)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("X", lambda: WassersteinUnmixer().fit(LAZY, Y)),
        ("X", lambda: WassersteinUnmixer().fit(X, Y).transform(LAZY)),
        ("X", lambda: WassersteinUnmixer().fit(X, Y).unmix(LAZY)),
        ("X", lambda: GMMFlowFitter().fit(LAZY)),
        ("the sample of 1", lambda: stack_sources([X, LAZY])),
        ("the sample of 0", lambda: stack_sources([(FRAME, np.ones(30))])),
    ],
)
def test_what_dask_has_yet_to_compute_is_refused(name, call):
    with pytest.raises(ValueError, match=f"{name} must be in memory; got dask's"):
        call()


def test_arrays_and_frames_of_dask_are_computed():
    frame = FRAME.compute()
    expected = WassersteinUnmixer().fit(frame, Y).weights_
    assert_array_equal(WassersteinUnmixer().fit(FRAME, Y).weights_, expected)
    array = dask.array.from_array(X, chunks=(10, 2))
    assert_array_equal(WassersteinUnmixer().fit(array, Y).weights_, expected)


def test_arrays_without_masked_entries_pass():
    refuse_unreadable(X=X, y=[1, 2], sample_weight=None, groups=np.ma.array([1, 2]))


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("X", lambda: WassersteinUnmixer().fit(masked(X), Y)),
        ("y", lambda: WassersteinUnmixer().fit(X, masked(Y))),
        ("sample_weight", lambda: WassersteinUnmixer().fit(X, Y, masked(np.ones(30)))),
        ("X", lambda: WassersteinUnmixer().fit(X, Y).transform(masked(X))),
        ("X", lambda: WassersteinUnmixer().fit(X, Y).unmix(masked(X))),
        ("groups", lambda: WassersteinUnmixer().fit(X, Y).unmix(X, groups=masked(Y))),
        (
            "sample_weight",
            lambda: (
                WassersteinUnmixer()
                .fit(X, Y)
                .bootstrap(X, sample_weight=masked(np.ones(30)))
            ),
        ),
        ("X", lambda: GMMFlowFitter().fit(masked(X))),
        ("X", lambda: GMMFlowFitter().fit(X).predict(masked(X))),
        ("X", lambda: GMMFlowFitter().fit(X).transport(masked(X))),
        (
            "target",
            lambda: GMMFlowFitter(target=([1.0], masked(X[:1]), [np.eye(2)])).fit(X),
        ),
    ],
)
def test_masked_entries_are_refused(name, call):
    with pytest.raises(ValueError, match=f"{name}.* masked entries"):
        call()
