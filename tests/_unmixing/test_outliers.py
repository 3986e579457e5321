import numpy as np
import pytest
from numpy.testing import assert_allclose

from skwot._unmixing.outliers import calibrate_outlier_cost
from tests.generators.measures import measure


def test_two_points_pay_their_distance():
    sources = [measure([[0.0], [3.0]]), measure([[7.0]])]
    found = calibrate_outlier_cost(sources, "euclidean", 0)
    assert found == 3


def test_the_level_is_a_percentile_over_sources_of_equal_mass():
    # Nine sources pay 1, one pays 100: the 87th percentile is still 1.
    sources = [measure([[0.0], [1.0]])] * 9 + [measure([[0.0], [100.0]])]
    assert calibrate_outlier_cost(sources, "euclidean", 0) == 1
    assert calibrate_outlier_cost(sources[4:], "euclidean", 0) == 100


def test_it_has_the_units_of_the_cost():
    points = np.random.default_rng(0).normal(size=(60, 3))
    one, other = (
        calibrate_outlier_cost([measure(unit * points)], metric, 1)
        for unit, metric in ((1.0, "sqeuclidean"), (1e3, "sqeuclidean"))
    )
    assert_allclose(other, 1e6 * one)


def test_single_points_tell_nothing():
    with pytest.raises(ValueError, match="at least two distinct rows"):
        calibrate_outlier_cost([measure([[0.0]])], "euclidean", 0)
