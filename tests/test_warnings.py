"""Every warning points to the user's own line, whatever lies in between."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skwot import GMMFlowFitter, WassersteinUnmixer
from skwot._warnings import warn_user
from skwot.datasets import make_gaussian_mixtures, make_unmixing
from skwot.exceptions import IdentifiabilityWarning

SHORT = {"solver": "pgd", "max_iter": 2, "tol": 1e-9}


def fit(estimator):
    X, y, _ = make_unmixing(4, 3, random_state=0)
    return estimator.fit(X, y)


def fitted():
    return fit(WassersteinUnmixer()).set_params(**SHORT)


def target():
    X, y, _ = make_unmixing(4, 3, random_state=0)
    return X[y == -1]


def flow():
    X, initial, goal = make_gaussian_mixtures(random_state=0)
    return GMMFlowFitter(
        3, init=initial, target=goal, learning_rate=0.1, max_iter=2, tol=1e-9
    ).fit(X)


CALLS = {
    "fit": lambda: fit(WassersteinUnmixer(**SHORT)),
    "pipeline": lambda: fit(
        make_pipeline(StandardScaler(), WassersteinUnmixer(**SHORT))
    ),
    "unmix": lambda: fitted().unmix(target()),
    "groups": lambda: fitted().unmix(target(), groups=np.arange(len(target())) % 2),
    "parallel groups": lambda: (
        fitted()
        .set_params(n_jobs=2)
        .unmix(target(), groups=np.arange(len(target())) % 2)
    ),
    "bootstrap": lambda: fitted().bootstrap(n_resamples=3, random_state=0),
    "flow": flow,
}


@pytest.mark.parametrize("name", CALLS)
def test_a_run_that_does_not_converge_is_the_callers(name):
    with pytest.warns(ConvergenceWarning) as caught:
        CALLS[name]()
    assert {warning.filename for warning in caught} == {__file__}


def test_equal_sources_are_the_callers():
    X, y = [[0.0], [1.0], [0.0], [1.0], [5.0]], ["a", "a", "b", "b", "c"]
    for estimator in (
        WassersteinUnmixer(),
        make_pipeline(StandardScaler(), WassersteinUnmixer()),
    ):
        with pytest.warns(IdentifiabilityWarning) as caught:
            estimator.fit(X, y)
        assert {warning.filename for warning in caught} == {__file__}


def test_a_warning_without_a_users_line_is_still_given():
    space = {"__name__": "skwot.somewhere", "warn_user": warn_user}
    with pytest.warns(UserWarning, match="lost"):
        exec("def inside():\n    warn_user('lost', UserWarning)\ninside()", space)
