import numpy as np
import pytest
from scipy.stats import multivariate_normal

from skwot._gmm.covariance_types import COVARIANCE_TYPES, compact, constrain
from skwot._gmm.density import build_gaussian_mixture, precision_factors
from tests.generators.gaussians import random_covariances, random_mixture


def test_precision_factors_are_upper_triangular_roots_of_the_inverses():
    covariances = random_covariances(np.random.default_rng(8), 5, 4)
    factors = precision_factors(covariances)
    np.testing.assert_array_equal(factors, np.triu(factors))
    inverses = factors @ factors.swapaxes(1, 2)
    np.testing.assert_allclose(inverses @ covariances, [np.eye(4)] * 5, atol=1e-10)


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
def test_the_density_is_that_of_the_components(kind):
    rng = np.random.default_rng(9)
    weights, means, covariances = random_mixture(rng, 4, 3)
    full = constrain(covariances, weights, kind)
    mixture = random_mixture(rng, 4, 3)._replace(
        weights=weights, means=means, covariances=compact(full, kind)
    )
    X = rng.normal(size=(20, 3))
    expected = sum(
        w * multivariate_normal(m, c).pdf(X)
        for w, m, c in zip(weights, means, full, strict=True)
    )
    model = build_gaussian_mixture(mixture, 0, kind)
    np.testing.assert_allclose(model.score_samples(X), np.log(expected))
    inverses = compact(np.linalg.inv(full), kind)
    np.testing.assert_allclose(model.precisions_, inverses, rtol=1e-9)
    assert (model.n_components, model.random_state) == (4, 0)


def test_covariances_are_full_unless_it_is_said():
    mixture = random_mixture(np.random.default_rng(9), 4, 3)
    assert build_gaussian_mixture(mixture, 0).covariance_type == "full"


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
def test_a_point_has_no_density(kind):
    mixture = random_mixture(np.random.default_rng(10), 4, 3)
    nothing = compact(np.zeros((4, 3, 3)), kind)
    with pytest.raises(
        ValueError,
        match=r"^A component has a singular covariance.*increase reg_covar\.$",
    ):
        build_gaussian_mixture(mixture._replace(covariances=nothing), None, kind)
