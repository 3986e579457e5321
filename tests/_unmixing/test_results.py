import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skwot import BootstrapResult, ConfidenceInterval, UnmixingResult
from skwot._unmixing.results import missing_result, stack_results, summarise

DISTRIBUTION = np.linspace(0.1, 0.3, 101)


def summary(estimate, method="percentile", unexplained=None):
    """Summarise one source of which `DISTRIBUTION` are the replicates."""
    weights = np.append(estimate, DISTRIBUTION)
    rest = np.zeros(102) if unexplained is None else unexplained
    return summarise(
        np.stack([weights, rest], axis=-1),
        0.9,
        method,
        has_unexplained=unexplained is not None,
    )


def test_percentiles():
    result = summary(0.2)
    low, high = result.confidence_interval
    assert_allclose([low, high], [[0.11], [0.29]])
    assert_allclose(result.standard_error, [DISTRIBUTION.std(ddof=1)])
    assert_array_equal(result.bootstrap_distribution, DISTRIBUTION[None])
    assert result.unexplained is None


def test_the_basic_interval_is_reflected_and_stays_in_the_unit_interval():
    basic = summary(0.15, "basic").confidence_interval
    assert_allclose([basic.low, basic.high], [[0.01], [0.19]])
    ends = summary(0.0, "basic").confidence_interval
    assert ends.low == ends.high == 0


def test_what_stays_unexplained_has_an_interval_of_its_own():
    unexplained = summary(0.2, unexplained=np.append(0.2, DISTRIBUTION)).unexplained
    assert_allclose(unexplained.confidence_interval, [0.11, 0.29])
    assert_allclose(unexplained.standard_error, DISTRIBUTION.std(ddof=1))
    assert_array_equal(unexplained.bootstrap_distribution, DISTRIBUTION)
    assert unexplained.unexplained is None


def test_replicates_without_weights_are_left_out_and_counted():
    shares = np.random.default_rng(0).random((2, 51, 4))
    shares[0, [3, 7], :3] = np.nan
    shares[1, :, :3] = np.nan
    with pytest.warns(RuntimeWarning, match="in 2 bootstrap replicates"):
        found = summarise(shares, 0.95, "percentile", has_unexplained=True)
    kept = np.delete(shares[0], [3, 7], axis=0)
    alone = summarise(kept, 0.95, "percentile", has_unexplained=False)
    assert_allclose(found.standard_error[0], alone.standard_error)
    assert_allclose(found.confidence_interval.low[0], alone.confidence_interval.low)
    # Of the second group nothing is known but what stays unexplained.
    assert np.isnan(found.confidence_interval).all(axis=(0, 2)).tolist() == [
        False,
        True,
    ]
    assert np.isfinite(found.unexplained.standard_error).all()


@pytest.mark.parametrize("shape", [(51, 5), (3, 51, 5)])
def test_shapes_and_pickles(shape):
    shares = np.random.default_rng(0).random(shape)
    result = summarise(shares, 0.95, "percentile", has_unexplained=True)
    assert isinstance(result, BootstrapResult)
    assert isinstance(result.confidence_interval, ConfidenceInterval)
    assert result.standard_error.shape == (*shape[:-2], 4)
    assert result.bootstrap_distribution.shape == (*shape[:-2], 4, 50)
    assert result.unexplained.bootstrap_distribution.shape == (*shape[:-2], 50)
    again = pickle.loads(pickle.dumps(result))
    assert_array_equal(again.confidence_interval.high, result.confidence_interval.high)


def test_results_of_groups_are_stacked_with_those_that_are_missing():
    one = UnmixingResult(None, np.array([0.25, 0.75]), 0.1, 2.0, 1.5, True)
    stacked = stack_results(np.array(["a", "b"]), [one, missing_result(2)])
    assert_array_equal(stacked.groups, ["a", "b"])
    assert_array_equal(stacked.weights, [[0.25, 0.75], [np.nan, np.nan]])
    assert_array_equal(stacked.loss, [2.0, np.nan])
    assert_array_equal(stacked.converged, [True, False])


def test_nothing_is_known_of_what_is_missing():
    missing = missing_result(3)
    assert_array_equal(missing.weights, np.full(3, np.nan))
    assert np.isnan([missing.unexplained, missing.loss, missing.lower_bound]).all()
    assert missing.converged is False


def test_two_replicates_are_the_fewest_with_a_spread():
    shares = np.full((3, 6, 3), np.nan)
    shares[:, 0] = 0.3
    shares[..., 2] = 0.1
    # The first group has two replicates with weights, the second one, the third all.
    shares[0, 1:3, :2] = [[0.2, 0.8], [0.4, 0.6]]
    shares[1, 4, :2] = 0.5
    shares[2, 1:, :2] = 0.5
    with pytest.warns(RuntimeWarning, match="in 7 bootstrap replicates"):
        found = summarise(shares, 0.9, "percentile", has_unexplained=True)
    spread = np.sqrt(2) / 10
    expected = [[spread] * 2, [np.nan] * 2, [0, 0]]
    assert_allclose(found.standard_error, expected, atol=1e-12)
    assert np.isnan(found.confidence_interval.low[1]).all()
    assert_array_equal(found.unexplained.bootstrap_distribution, shares[:, 1:, 2])


def test_reflected_ends_above_one_are_clipped():
    ends = summary(0.95, "basic").confidence_interval
    assert ends.low == ends.high == 1
