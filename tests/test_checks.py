import numpy as np
import pytest

from skwot import GMMFlowFitter, WassersteinUnmixer
from skwot._checks import refuse_masks

X = np.random.default_rng(0).normal(size=(30, 2))
Y = np.repeat([0, 1, -1], 10)


def masked(array):
    """The same array, with its last row masked."""
    mask = np.zeros(np.shape(array), bool)
    mask[-1] = True
    return np.ma.array(array, mask=mask)


def test_arrays_without_masked_entries_pass():
    refuse_masks(X=X, y=[1, 2], sample_weight=None, groups=np.ma.array([1, 2]))


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
