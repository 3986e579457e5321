import pickle

import numpy as np

from skwot import GMMFlowFitter, mixtures
from skwot.datasets import make_gaussian_mixtures
from skwot.mixtures import Mixture


def test_tuples_are_at_home_in_the_public_module():
    assert mixtures.__all__ == [
        "MW2Result",
        "Mixture",
        "barycenter",
        "interpolate",
        "mw2",
    ]
    for kind in (Mixture, mixtures.MW2Result):
        assert f"{kind.__module__}.{kind.__qualname__}" in (
            "skwot.mixtures.Mixture",
            "skwot.mixtures.MW2Result",
        )


def test_mixture_survives_a_pickle():
    mixture = Mixture(np.ones(1), np.zeros((1, 2)), np.eye(2)[None])
    loaded = pickle.loads(pickle.dumps(mixture))
    assert type(loaded) is Mixture
    for mine, theirs in zip(loaded, mixture, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_mixtures_are_what_goes_in_and_what_comes_out():
    X, initial, target = make_gaussian_mixtures(random_state=0)
    flow = GMMFlowFitter(3, init=initial, target=target).fit(X)
    middle = flow.interpolate(0.5)
    assert type(initial) is type(target) is type(middle) is Mixture
    weights, means, covariances = middle
    assert weights.shape == means.shape[:1] == covariances.shape[:1]
    again = GMMFlowFitter(len(weights), init=middle, target=middle).fit(X)
    assert again.loss_ <= 1e-12 * flow.loss_curve_[0]


def test_mixtures_that_are_the_same_in_more_components_are_at_distance_zero():
    one = ([1.0], [[3.0]], [[[1.0]]])
    split = ([0.2, 0.3, 0.5], [[3.0]] * 3, [[[1.0]]] * 3)
    for first, second in ((one, split), (split, one), (split, split)):
        assert mixtures.mw2(first, second).value == 0
    flow = GMMFlowFitter(3, init=split, target=[one, split]).fit()
    assert flow.loss_ == 0
    assert flow.converged_
