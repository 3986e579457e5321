import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist

from skwot import WassersteinUnmixer
from skwot._ot.measures import stack_measures
from skwot._unmixing.misfit import check_misfit, expected_costs
from skwot.datasets import make_unmixing
from tests.generators.measures import measure


def test_the_mean_cost_of_all_pairs_of_small_sources():
    rng = np.random.default_rng(0)
    points, masses = rng.normal(size=(20, 3)), rng.random(20)
    sources = stack_measures([measure(points, masses), measure(np.zeros((1, 3)))])
    shares = masses / masses.sum()
    expected = shares @ cdist(points, points) @ shares / (1 - shares @ shares)
    assert_allclose(expected_costs(sources, "euclidean"), [expected, 0], rtol=1e-12)


def test_a_sample_of_large_sources():
    points = np.random.default_rng(0).normal(size=(4000, 1))
    sources = stack_measures([measure(points)])
    # Two standard normal numbers are 2 / sqrt(pi) apart on average.
    assert_allclose(expected_costs(sources, "euclidean"), 2 / np.sqrt(np.pi), rtol=0.05)


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cityblock"])
@pytest.mark.parametrize("seed", range(5))
def test_a_mixture_passes_and_blends_are_asked_about(metric, seed):
    X, y, _ = make_unmixing(
        3, n_source_samples=50, n_target_samples=50, separation=8, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        WassersteinUnmixer(metric=metric).fit(X, y)
    parts = [X[y == k] for k in range(3)]
    X[y == -1] = (parts[0] + parts[1]) / 2
    with pytest.warns(UserWarning, match="no mixture of these sources: it is .* away"):
        WassersteinUnmixer(metric=metric).fit(X, y)


def test_single_points_have_no_spread_to_judge_by():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_misfit(3.0, 0.0)
        check_misfit(1.9, 1.0)
    with pytest.warns(UserWarning, match="3.5 away .* 1 apart"):
        check_misfit(3.5, 1.0)


def test_heavy_points_of_large_sources_are_sampled_more_often():
    # A tenth of the points have nearly all mass, and lie within one of each other.
    points = np.append(np.linspace(0, 1, 100), np.linspace(50, 99, 900))
    masses = np.append(np.full(100, 1e4), np.ones(900))
    found = expected_costs(stack_measures([measure(points, masses)]), "euclidean")
    assert_allclose(found, 1 / 3, atol=0.15)
