import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

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


@pytest.mark.parametrize("kind", ["full", "tied", "diag"])
def test_features_of_small_unit_keep_their_variance(blobs, kind):
    # k-means does not see the last feature, which is in a tiny unit.
    X = np.column_stack([blobs, np.random.default_rng(0).normal(size=len(blobs))])
    units = np.array([1.0, 1.0, 1.0, 1e-8])
    target = estimate_mixture(X * units, 4, kind, 1e-6, 0)
    last = target.covariances[:, 3, 3] @ target.weights
    last += target.weights @ (target.means[:, 3] - X[:, 3].mean() * units[3]) ** 2
    np.testing.assert_allclose(last / units[3] ** 2, X[:, 3].var(), rtol=1e-5)


@pytest.mark.parametrize("kind", TYPES)
def test_estimates_are_those_of_scikit_learn(blobs, kind):
    ours = estimate_mixture(blobs * [1, 3, 10], 4, kind, 0, 0)
    em = GaussianMixture(4, covariance_type=kind, reg_covar=0, random_state=0)
    em.fit(blobs * [1, 3, 10])
    order, expected = (np.argsort(m[:, 0]) for m in (ours.means, em.means_))
    np.testing.assert_allclose(ours.weights[order], em.weights_[expected], rtol=1e-9)
    np.testing.assert_allclose(ours.means[order], em.means_[expected], rtol=1e-9)


def test_singular_clusters_need_a_floor():
    X = np.repeat(np.arange(4.0)[:, None], 3, axis=0)
    with pytest.raises(ValueError, match="Increase reg_covar, which is 0"):
        estimate_mixture(X, 4, "full", 0, 0)
    estimate_mixture(X, 4, "full", 1e-6, 0)


def test_as_many_rows_as_components_are_enough():
    X = np.array([[0.0, 1.0], [9.0, 2.0], [4.0, 9.0]])
    means = estimate_mixture(X, 3, "full", 1e-6, 0).means
    np.testing.assert_allclose(means[np.argsort(means[:, 1])], X, atol=1e-12)
    with pytest.raises(ValueError, match=r"X must have .* 4; got 3 rows"):
        estimate_mixture(X, 4, "full", 1e-6, 0)


@pytest.mark.parametrize("kind", ["full", "diag"])
def test_features_that_are_constant_have_the_regularisation_alone(blobs, kind):
    X = np.column_stack([blobs, np.full(len(blobs), 7.0)])
    found = estimate_mixture(X, 2, kind, 1e-3, 0)
    # Relative to the mean variance, because that of the feature is zero.
    expected = 1e-3 * X.var(axis=0).mean()
    np.testing.assert_allclose(found.covariances[:, 3, 3], expected, rtol=1e-9)
    np.testing.assert_allclose(found.means[:, 3], 7)


@pytest.mark.parametrize("kind", TYPES)
def test_repeated_points_have_the_regularisation_alone(kind):
    found = estimate_mixture(np.full((5, 2), 3.0), 1, kind, 1e-3, 0)
    np.testing.assert_allclose(found.covariances, [1e-3 * np.eye(2)], rtol=1e-12)


@pytest.mark.parametrize("init_params", INIT_NAMES)
def test_a_seed_is_the_first_step_of_scikit_learn(blobs, init_params):
    points = blobs - blobs.mean(axis=0)
    points /= np.sqrt(np.square(points).mean())  # the unit in which a seed is computed
    found = seed_mixture(points, 3, init_params, 0)
    em = GaussianMixture(3, init_params=init_params, max_iter=1, random_state=0)
    with pytest.warns(ConvergenceWarning):  # after one step
        em.fit(points)
    np.testing.assert_allclose(found.weights, em.weights_, rtol=1e-9)
    np.testing.assert_allclose(found.means, em.means_, rtol=1e-9, atol=1e-9)
    added = em.reg_covar * np.eye(3)
    np.testing.assert_allclose(found.covariances, em.covariances_ - added, atol=1e-9)
