import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skwot import BootstrapResult, ConfidenceInterval
from skwot._unmixing.results import summarise

DISTRIBUTION = np.linspace(0.1, 0.3, 101)[None]


def test_percentiles():
    result = summarise(np.array([0.2]), DISTRIBUTION, 0.9, "percentile")
    low, high = result.confidence_interval
    assert_allclose([low, high], [[0.11], [0.29]])
    assert_allclose(result.standard_error, DISTRIBUTION.std(ddof=1))
    assert_array_equal(result.bootstrap_distribution, DISTRIBUTION)


def test_the_basic_interval_is_reflected_and_stays_in_the_unit_interval():
    basic = summarise(np.array([0.15]), DISTRIBUTION, 0.9, "basic").confidence_interval
    assert_allclose([basic.low, basic.high], [[0.01], [0.19]])
    ends = summarise(np.array([0.0]), DISTRIBUTION, 0.9, "basic").confidence_interval
    assert ends.low == ends.high == 0


@pytest.mark.parametrize("shape", [(4, 50), (3, 4, 50)])
def test_shapes_and_pickles(shape):
    weights = np.random.default_rng(0).random(shape)
    result = summarise(weights.mean(axis=-1), weights, 0.95, "percentile")
    assert isinstance(result, BootstrapResult)
    assert isinstance(result.confidence_interval, ConfidenceInterval)
    assert result.standard_error.shape == shape[:-1]
    again = pickle.loads(pickle.dumps(result))
    assert_array_equal(again.confidence_interval.high, result.confidence_interval.high)
