from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from skwot._fitted import fresh_fit


class Centre(BaseEstimator):
    """The mean, and the spread where it is asked for."""

    def __init__(self, spread=True):
        self.spread = spread

    def fit(self, X, y=None):
        with fresh_fit(self):
            X = validate_data(self, X)
            self.mean_ = X.mean(axis=0)
            if self.spread:
                self.spread_ = X.std(axis=0)
            if X.max() > 100:
                raise KeyboardInterrupt
        return self


def test_a_refit_has_exactly_the_attributes_of_a_fresh_fit():
    X = np.arange(6.0).reshape(3, 2)
    refitted = Centre().fit(X).set_params(spread=False).fit(X[:, :1])
    fresh = Centre(spread=False).fit(X[:, :1])
    assert vars(refitted).keys() == vars(fresh).keys()
    assert refitted.n_features_in_ == 1


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (np.full((2, 1), np.nan), ValueError),
        (np.zeros((0, 3)), ValueError),
        (np.full((2, 3), 101.0), KeyboardInterrupt),
    ],
)
def test_a_fit_that_fails_leaves_every_attribute_as_it_was(bad, error):
    frame = pd.DataFrame(np.arange(6.0).reshape(3, 2), columns=["a", "b"])
    fitted = Centre().fit(frame)
    before = dict(vars(fitted))
    with pytest.raises(error):
        fitted.fit(bad)
    assert vars(fitted).keys() == before.keys()
    assert all(value is before[name] for name, value in vars(fitted).items())


def test_a_first_fit_that_fails_leaves_an_unfitted_estimator():
    unfitted = Centre()
    with pytest.raises(KeyboardInterrupt):
        unfitted.fit(np.full((2, 3), 101.0))
    assert vars(unfitted) == {"spread": True}


def test_only_fitted_attributes_are_removed():
    estimator = SimpleNamespace(alpha=1, _config={}, mean_=2, __private__=3)
    with fresh_fit(estimator) as last_fit:
        assert vars(estimator) == {"alpha": 1, "_config": {}, "__private__": 3}
        assert dict(last_fit) == {"mean_": 2}
