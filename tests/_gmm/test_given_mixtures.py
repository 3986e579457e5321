from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture

from skwot._gmm.covariance_types import COVARIANCE_TYPES, compact, constrain
from skwot._gmm.given_mixtures import (
    are_several,
    count_features,
    join_mixtures,
    read_mixture,
    read_mixtures,
)
from skwot._gmm.mixtures import Mixture
from tests.generators.gaussians import random_mixture


@pytest.fixture
def mixture():
    return random_mixture(np.random.default_rng(0), 4, 3)


def as_fitted(mixture, kind):
    weights, means, covariances = mixture
    return SimpleNamespace(
        weights_=weights, means_=means, covariances_=covariances, covariance_type=kind
    )


@pytest.mark.parametrize("form", ["fitted", "tuple", "list"])
@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
def test_every_form_is_read_as_the_same_mixture(mixture, kind, form):
    full = constrain(mixture.covariances, mixture.weights, kind)
    expected = mixture._replace(covariances=full)
    given = mixture._replace(covariances=compact(full, kind))
    if form == "fitted":
        read = read_mixture(as_fitted(given, kind), "target", 3)
    elif form == "tuple":
        read = read_mixture(tuple(given), "target", 3, kind)
    else:
        read = read_mixture([x.tolist() for x in given], "target", 3, kind)
    assert type(read) is Mixture
    for found, wanted in zip(read, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-14)


def test_full_covariances_are_read_under_every_covariance_type(mixture):
    for kind in COVARIANCE_TYPES:
        read = read_mixture(mixture, "target", 3, kind)
        np.testing.assert_array_equal(read.covariances, mixture.covariances)


def test_what_is_read_is_a_copy(mixture):
    before = [x.copy() for x in mixture]
    for array in read_mixture(mixture, "target", 3):
        array[:] = 7
    for array, copy in zip(mixture, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_rounding_of_single_precision_is_mended(mixture):
    rounded = [x.astype(np.float32) for x in mixture]
    rounded[0] *= np.float32(1 + 3e-7)
    rounded[2][:, 0, 1] *= np.float32(1 + 3e-7)
    weights, _, covariances = read_mixture(rounded, "target", 3)
    assert weights.sum() == pytest.approx(1, abs=1e-15)
    np.testing.assert_array_equal(covariances, covariances.swapaxes(1, 2))
    np.testing.assert_allclose(covariances, mixture.covariances, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w, m, c: (w, m[:, :2], c[:, :2, :2]), "means must have shape"),
        (lambda w, m, c: (w, m, c[:, :2, :2]), "covariances must have shape"),
        (lambda w, m, c: (w, m[:2], c), "means must have shape"),
        (lambda w, m, c: (2 * w, m, c), "sum to 1, got .* a sum of 2"),
        (lambda w, m, c: (w - [0.9, -0.9, 0, 0], m, c), "non-negative"),
        (lambda w, m, c: (w, m * np.nan, c), "means must be finite"),
        (lambda w, m, c: (w, m, -c), "positive semi-definite, got the eigenvalue"),
        (lambda w, m, c: (w, m, c + np.triu(np.ones((3, 3)), 1)), "symmetric"),
        (lambda w, m, c: (w, m), "a fitted mixture or a tuple"),
        (lambda w, m, c: ("a", m, c), "arrays of numbers"),
        (lambda w, m, c: (1.0, m, c), "weights must be a vector"),
        (lambda w, m, c: 7, "a fitted mixture or a tuple .*got 7"),
        (lambda w, m, c: m, r"got data of shape \(4, 3\)\. Fit a mixture"),
        (lambda w, m, c: w, r"a fitted mixture or a tuple .*got array\("),
        (lambda w, m, c: ([], m, c), "weights must be a vector"),
    ],
)
def test_what_is_no_mixture_is_named(mixture, change, message):
    with pytest.raises(ValueError, match=f"the_name.*{message}"):
        read_mixture(change(*mixture), "the_name", 3)


def test_an_estimator_has_to_be_fitted():
    message = r"^target=GaussianMixture\(\) is not fitted"
    with pytest.raises(NotFittedError, match=message):
        read_mixture(GaussianMixture(3), "target", 3)


@pytest.mark.parametrize(
    ("kind", "shape"),
    [("diag", r"\(1, 2\)"), ("tied", r"\(2, 2\)"), ("spherical", r"\(1,\)")],
)
def test_every_shape_that_would_do_is_named(kind, shape):
    wrong = np.ones(1), np.zeros((1, 2)), np.ones((5, 4))
    message = (
        rf"must have shape \(1, 2, 2\), or {shape} for the covariance type '{kind}'"
    )
    with pytest.raises(ValueError, match=message):
        read_mixture(wrong, "target", 2, kind)


def test_attributes_of_a_class_are_a_fitted_mixture(mixture):
    class Given:
        weights_, means_, covariances_ = mixture

        def fit(self, X):
            return self

    found = read_mixture(Given(), "target", 3, "diag")
    np.testing.assert_allclose(found.means, mixture.means)
    # What does not say its covariance type has full ones.
    Given.covariances_ = compact(mixture.covariances, "diag")
    with pytest.raises(ValueError, match="covariances must have shape"):
        read_mixture(Given(), "target", 3, "diag")


def test_several_mixtures_are_told_from_one(mixture):
    fitted = as_fitted(mixture, "full")
    for several in ([mixture], [fitted], (fitted, mixture), [tuple(mixture)] * 3):
        assert are_several(several)
    three = [0.2, 0.3, 0.5], np.zeros((3, 1)), np.ones((3, 1, 1))
    for other in (mixture, fitted, three, list(three), [], (), None, 3):
        assert not are_several(other)
    for other in ([np.zeros((3, 2))], [(np.zeros(2), 1)], [(mixture.means,) * 3]):
        assert not are_several(other)


def test_several_mixtures_are_read_like_one(mixture):
    thin = mixture._replace(covariances=compact(mixture.covariances, "diag"))
    found = read_mixtures([thin, mixture], "targets", 3, "diag")
    for one, given in zip(found, (thin, mixture), strict=True):
        expected = read_mixture(given, "targets", 3, "diag")
        np.testing.assert_array_equal(one.covariances, expected.covariances)
    with pytest.raises(ValueError, match=r"^targets\[1\]: covariances must have"):
        read_mixtures([mixture, thin], "targets", 3, "full")


def test_joined_components_share_the_weights_of_their_mixtures(mixture):
    other = random_mixture(np.random.default_rng(1), 2, 3)
    for weights, shares in ((None, [0.5, 0.5]), ([3.0, 9.0], [0.25, 0.75])):
        joined, sizes = join_mixtures([mixture, other], weights, "weights")
        assert sizes == [4, 2]
        assert joined.weights[:4].sum() == pytest.approx(shares[0])
        np.testing.assert_allclose(joined.weights[4:], shares[1] * other.weights)
        np.testing.assert_array_equal(joined.means[4:], other.means)
        np.testing.assert_array_equal(joined.covariances[:4], mixture.covariances)


def test_features_are_counted(mixture):
    assert count_features(mixture, "a") == 3
    assert count_features(as_fitted(mixture, "full"), "a") == 3
    with pytest.raises(ValueError, match=r"^a: means must have shape .* \(4,\)"):
        count_features(mixture._replace(means=np.zeros(4)), "a")


def test_weights_may_be_zero(mixture):
    weights = np.array([0.0, 0.5, 0.5, 0.0])
    read = read_mixture(mixture._replace(weights=weights), "target", 3)
    np.testing.assert_array_equal(read.weights, weights)


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_rounding_is_relative_to_each_covariance(mixture, scale):
    # The last component is far larger than the others, and hides nothing.
    scales = scale * np.array([1.0, 1.0, 1.0, 1e6])[:, None, None]
    asymmetric, negative = (scales * mixture.covariances for _ in range(2))
    for size, refused in ((1e-3, True), (1e-8, False)):
        asymmetric[1] = scale * (np.eye(3) + size * np.eye(3, k=2))
        negative[2] = scale * (np.ones((3, 3)) - size * np.eye(3))
        for covariances, message in (
            (asymmetric, r"must be symmetric.* component 1\."),
            (negative, r"semi-definite.* component 2\."),
        ):
            given = mixture._replace(covariances=covariances)
            if refused:
                with pytest.raises(ValueError, match=message):
                    read_mixture(given, "target", 3)
            else:
                read_mixture(given, "target", 3)
