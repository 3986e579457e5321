import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skwot import GMMFlowFitter
from skwot.datasets import make_gaussian_mixtures, make_unmixing


def test_unmixing_counts_its_target():
    X, y, proportions = make_unmixing(4, 3, n_target_samples=50, random_state=0)
    assert X.shape == (450, 3)
    assert_array_equal(np.bincount(y + 1), [50, 100, 100, 100, 100])
    assert_allclose(proportions.sum(), 1)
    again = make_unmixing(4, 3, n_target_samples=50, random_state=0)
    assert_array_equal(again[0], X)


@pytest.mark.parametrize("weights", [[0.5, 0.6], [1.0], [1.5, -0.5]])
def test_unmixing_weights_are_on_the_simplex(weights):
    with pytest.raises(ValueError, match="weights must be 2"):
        make_unmixing(2, weights=weights)


def test_gaussian_mixtures_can_be_reached_by_a_flow():
    X, initial, target = make_gaussian_mixtures(
        4, 3, n_target_components=2, n_samples=20000, random_state=0
    )
    assert_allclose(X.mean(0), initial.weights @ initial.means, atol=0.1)
    flow = GMMFlowFitter(4, init=initial, target=target).fit(X)
    assert flow.loss_ <= 1e-10 * flow.loss_curve_[0]
    again = make_gaussian_mixtures(4, 3, n_target_components=2, random_state=0)
    assert_array_equal(again[1].means, initial.means)
