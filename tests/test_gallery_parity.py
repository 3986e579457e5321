"""Both estimators against the loops that POT's gallery writes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist

from skwot import WassersteinUnmixer, stack_sources
from tests.exact import solve_dense_lp
from tests.gallery import unmixing_data, unmixing_loop


@pytest.fixture(scope="module")
def loop():
    return unmixing_loop(*unmixing_data())


def test_fixed_rate_is_the_loop(loop):
    weights, losses = loop
    unmixer = WassersteinUnmixer(metric="sqeuclidean", learning_rate=2e-3, max_iter=500)
    unmixer.fit(*stack_sources(*unmixing_data()))
    assert_allclose(unmixer.weights_, [0.0998, 0.9002], atol=1e-3)
    assert_allclose(unmixer.weights_, weights, atol=1e-3)
    assert unmixer.n_iter_ == len(unmixer.loss_curve_) == 500
    assert unmixer.loss_ <= losses.min() * (1 + 1e-12)
    # At equal weights the plan is degenerate (100 against 100 equal masses): there
    # the loop takes another subgradient, and stays a little beside this path.
    assert_allclose(unmixer.loss_curve_, losses, rtol=0, atol=2e-4 * losses[0])


def test_default_certifies_in_few_solves(loop):
    unmixer = WassersteinUnmixer(metric="sqeuclidean")
    unmixer.fit(*stack_sources(*unmixing_data()))
    assert_allclose(unmixer.weights_, [0.1, 0.9], atol=1e-3)
    assert unmixer.dual_gap_ <= 1e-4 * unmixer.loss_
    assert unmixer.n_iter_ <= 25
    assert unmixer.loss_ <= loop[1].min() * (1 + 1e-4)


def test_optimum_is_the_linear_programmes():
    sources, target = unmixing_data()
    unmixer = WassersteinUnmixer(metric="sqeuclidean", tol=1e-10)
    unmixer.fit(*stack_sources(sources, target))
    masses = np.repeat(np.eye(2), 50, axis=0) / 50
    cost = cdist(np.concatenate(sources), target, "sqeuclidean")
    loss, weights = solve_dense_lp(cost, masses, np.full(100, 0.01))
    assert_allclose(unmixer.loss_, loss, rtol=1e-8)
    assert_allclose(unmixer.weights_, weights, atol=1e-6)
