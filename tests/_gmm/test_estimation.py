import numpy as np
import pytest
from sklearn.datasets import make_blobs

from skwot._gmm.estimation import estimate_mixture, seed_mixture, summarise_clusters
from skwot._gmm.seeding import INIT_NAMES

TYPES = ["full", "tied", "diag", "spherical"]


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(200, n_features=3, centers=4, random_state=0)[0]


def moments(mixture):
    weights, means, covariances = mixture
    spread = means - weights @ means
    within = np.einsum("k,kij->ij", weights, covariances)
    return weights @ means, within + spread.T * weights @ spread


def test_summarise_clusters_gives_their_moments():
    rng = np.random.default_rng(7)
    points, labels = rng.normal(size=(50, 3)), rng.integers(3, size=50)
    weights, means, covariances = summarise_clusters(points, np.eye(4)[labels])
    np.testing.assert_allclose(weights, np.bincount(labels, minlength=4) / 50)
    for k in range(3):
        np.testing.assert_allclose(means[k], points[labels == k].mean(0))
        expected = np.cov(points[labels == k].T, bias=True)
        np.testing.assert_allclose(covariances[k], expected, atol=1e-14)
    np.testing.assert_allclose(covariances[3], np.cov(points.T, bias=True))


@pytest.mark.parametrize("init_params", INIT_NAMES)
def test_a_seed_has_the_moments_of_the_data(blobs, init_params):
    mean, covariance = moments(seed_mixture(blobs, 3, init_params, 0))
    np.testing.assert_allclose(mean, blobs.mean(0))
    np.testing.assert_allclose(covariance, np.cov(blobs.T, bias=True))


@pytest.mark.parametrize("kind", TYPES)
def test_one_component_is_estimated_by_the_moments_of_the_data(blobs, kind):
    weights, means, covariances = estimate_mixture(blobs, 1, kind, 0.0, 0)
    np.testing.assert_array_equal(weights, [1])
    np.testing.assert_allclose(means, [blobs.mean(0)])
    covariance = np.cov(blobs.T, bias=True)
    if kind == "diag":
        covariance = np.diag(np.diag(covariance))
    elif kind == "spherical":
        covariance = np.diag(covariance).mean() * np.eye(3)
    np.testing.assert_allclose(covariances, [covariance], atol=1e-12)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("scale", [1e-6, 1e4])
def test_estimates_follow_the_unit_and_the_origin(blobs, kind, scale):
    plain = estimate_mixture(blobs, 3, kind, 1e-6, 0)
    scaled = estimate_mixture(scale * (blobs + 5), 3, kind, 1e-6, 0)
    np.testing.assert_allclose(scaled.weights, plain.weights, rtol=1e-6)
    np.testing.assert_allclose(scaled.means / scale, plain.means + 5, rtol=1e-6)
    np.testing.assert_allclose(
        scaled.covariances / scale**2, plain.covariances, atol=1e-6
    )
