import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skwot.datasets import make_unmixing


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
