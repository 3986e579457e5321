"""Problems between Gaussian mixtures, together with their closed-form answers."""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from skwot._gmm.mixtures import Mixture


class MixtureProblem(NamedTuple):
    """Two mixtures, the squared MW2 distance between them and an optimal plan."""

    source: Mixture
    target: Mixture
    value: float
    plan: np.ndarray


seeds = st.integers(0, 2**32 - 1)


def random_covariances(rng, n_components, n_features, noise=0.1):
    factors = rng.normal(size=(n_components, n_features, n_features))
    wishart = factors @ factors.swapaxes(1, 2) / n_features
    return wishart + noise * np.eye(n_features)


def random_mixture(rng, n_components, n_features, weights=None):
    if weights is None:
        weights = rng.dirichlet(np.ones(n_components))
    means = rng.normal(size=(n_components, n_features))
    return Mixture(weights, means, random_covariances(rng, n_components, n_features))


@st.composite
def mixture_pairs(draw, max_components=6, max_features=4):
    """Two unrelated mixtures."""
    rng = np.random.default_rng(draw(seeds))
    n_features = draw(st.integers(1, max_features))
    sizes = draw(st.integers(1, max_components)), draw(st.integers(1, max_components))
    return tuple(random_mixture(rng, size, n_features) for size in sizes)


def translate(rng, source):
    """A mixture and its translation: everything moves by the same vector."""
    shift = rng.normal(size=source.means.shape[1])
    target = source._replace(means=source.means + shift)
    return MixtureProblem(source, target, shift @ shift, np.diag(source.weights))


def dilate(source, s):
    """A mixture and a dilation of it, a gradient of a convex function.

    The optimal map is x -> s x, so the cost is (s - 1)^2 times the second moment.
    """
    target = Mixture(source.weights, s * source.means, s**2 * source.covariances)
    moments = np.square(source.means).sum(1) + np.trace(
        source.covariances, axis1=1, axis2=2
    )
    value = (s - 1) ** 2 * (source.weights @ moments)
    return MixtureProblem(source, target, value, np.diag(source.weights))


@st.composite
def translated_mixtures(draw):
    """A mixture and its translation."""
    rng = np.random.default_rng(draw(seeds))
    n_components, n_features = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    return translate(rng, random_mixture(rng, n_components, n_features))


@st.composite
def scaled_mixtures(draw):
    """A mixture and a dilation of it."""
    rng = np.random.default_rng(draw(seeds))
    n_components, n_features = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    source = random_mixture(rng, n_components, n_features)
    return dilate(source, draw(st.floats(0.1, 10)))


@st.composite
def diagonal_gaussians(draw):
    """Single Gaussians with a common eigenbasis, and possibly singular.

    The distance is Euclidean between means and standard deviations.
    """
    rng = np.random.default_rng(draw(seeds))
    n_features = draw(st.integers(1, 4))
    deviations = st.lists(
        st.one_of(st.just(0.0), st.floats(1e-3, 1e3)),
        min_size=n_features,
        max_size=n_features,
    )
    basis = np.linalg.qr(rng.normal(size=(n_features, n_features)))[0]
    a, b = np.array(draw(deviations)), np.array(draw(deviations))
    means = rng.normal(size=(2, 1, n_features))
    source, target = (
        Mixture(np.ones(1), mean, ((basis * s**2) @ basis.T)[None])
        for mean, s in zip(means, (a, b), strict=True)
    )
    value = np.square(means[0] - means[1]).sum() + np.square(a - b).sum()
    return MixtureProblem(source, target, value, np.ones((1, 1)))


distance_problems = st.one_of(
    translated_mixtures(), scaled_mixtures(), diagonal_gaussians()
)
