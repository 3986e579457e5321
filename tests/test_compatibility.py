"""What was saved before is loaded with a warning, or refused."""

import pickle

import numpy as np
import pytest
import skops.io as skops
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

from skwot import GMMFlowFitter, WassersteinUnmixer, _estimator
from skwot.exceptions import VersionWarning

X = np.random.default_rng(0).normal(size=(24, 2))
Y = np.repeat([0, 1, -1], 8)
CALLS = {
    "WassersteinUnmixer": ["transform", "predict", "unmix", "bootstrap"],
    "GMMFlowFitter": ["transform", "predict", "score_samples", "transport"],
}


def fitted():
    return [
        WassersteinUnmixer().fit(X, Y),
        WassersteinUnmixer(loss="semirelaxed").fit(X, Y),
        WassersteinUnmixer(loss="sinkhorn").fit(X, Y),
        GMMFlowFitter(random_state=0).fit(X),
    ]


def by_pickle(estimator):
    return pickle.loads(pickle.dumps(estimator))


def load_skops(data):
    return skops.loads(data, trusted=skops.get_untrusted_types(data=data))


@pytest.mark.parametrize(
    ("save", "load"), [(pickle.dumps, pickle.loads), (skops.dumps, load_skops)]
)
@pytest.mark.parametrize("number", range(4))
def test_another_version_is_a_warning(number, save, load, monkeypatch):
    estimator = fitted()[number]
    with monkeypatch.context() as patch:
        patch.setattr(_estimator, "installed_version", lambda: "0.0.9")
        saved = save(estimator)
    with pytest.warns(VersionWarning, match=r"saved by skwot 0\.0\.9"):
        loaded = load(saved)
    assert_array_equal(loaded.transform(X), estimator.transform(X))


@pytest.mark.parametrize("number", range(4))
def test_an_attribute_that_is_missing_is_not_guessed(number):
    """As in the file of a version that did not have it: not fitted, or no matter."""
    estimator = fitted()[number]
    names = [name for name in vars(estimator) if name.endswith("_")]
    calls = CALLS[type(estimator).__name__]
    expected = {call: answer(estimator, call) for call in calls}
    for name in names:
        for call in calls:
            loaded = by_pickle(estimator)
            delattr(loaded, name)
            refusal = None
            try:
                found = answer(loaded, call)
            except NotFittedError as error:
                refusal = str(error)
            if refusal is None:
                assert_array_equal(found, expected[call])
            else:
                assert name in refusal


def answer(estimator, call):
    method = getattr(estimator, call)
    if call == "bootstrap":
        return method(n_resamples=2, random_state=0).bootstrap_distribution
    return method(X)
