"""Problems with a known answer."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from skwot._gmm.mixtures import Mixture


def make_unmixing(
    n_sources: int = 3,
    n_features: int = 2,
    *,
    n_source_samples: int = 100,
    n_target_samples: int = 200,
    weights: ArrayLike | None = None,
    separation: float = 3.0,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
    """Sample Gaussian sources and a target that mixes them.

    Parameters
    ----------
    n_sources : int, default=3
        Number K of sources.
    n_features : int, default=2
        Number of features.
    n_source_samples : int, default=100
        Rows of each source.
    n_target_samples : int, default=200
        Rows of the target, which is a fresh sample: it shares no row with the sources.
    weights : array-like of shape (n_sources,), default=None
        Expected proportions in the target, on the simplex. Drawn uniformly from
        the simplex if None.
    separation : float, default=3.0
        Standard deviation of the centres of the sources. That of each source is 1.
    random_state : int, RandomState instance or None, default=None
        Seed.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        Rows of the sources, then of the target.
    y : ndarray of shape (n_samples,)
        0 to K - 1 for the sources and -1 for the target.
    proportions : ndarray of shape (n_sources,)
        The proportions that the target's rows were drawn with, as counted: the
        truth that an estimate is compared with.

    Raises
    ------
    ValueError
        If `weights` is not on the simplex.

    See Also
    --------
    skwot.stack_sources : The same three arrays from samples of one's own.
    skwot.WassersteinUnmixer : Estimates the proportions.

    Examples
    --------
    >>> from skwot.datasets import make_unmixing
    >>> X, y, proportions = make_unmixing(weights=[0.5, 0.3, 0.2], random_state=0)
    >>> X.shape
    (500, 2)
    >>> proportions
    array([0.495, 0.3  , 0.205])
    """
    rng = check_random_state(random_state)
    if weights is None:
        weights = rng.dirichlet(np.ones(n_sources))
    weights = np.asarray(weights, dtype=np.float64)
    if (
        weights.shape != (n_sources,)
        or weights.min() < 0
        or abs(weights.sum() - 1) > 1e-8
    ):
        raise ValueError(
            f"weights must be {n_sources} non-negative numbers that sum to 1; "
            f"got {weights}."
        )
    centres = separation * rng.standard_normal((n_sources, n_features))
    counts = rng.multinomial(n_target_samples, weights)
    label = np.concatenate(
        [
            np.repeat(np.arange(n_sources), n_source_samples),
            np.repeat(np.arange(n_sources), counts),
        ]
    )
    X = centres[label] + rng.standard_normal((len(label), n_features))
    y = label.copy()
    y[n_sources * n_source_samples :] = -1
    return X, y, counts / n_target_samples


def make_gaussian_mixtures(
    n_components: int = 3,
    n_features: int = 2,
    *,
    n_target_components: int | None = None,
    n_samples: int = 200,
    separation: float = 3.0,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[NDArray[np.float64], Mixture, Mixture]:
    """Draw two Gaussian mixtures, and a sample of the first.

    With free weights and no fewer components than the target has, the first can
    reach the second: the smallest loss is zero.

    Parameters
    ----------
    n_components : int, default=3
        Number of components of the initial mixture.
    n_features : int, default=2
        Number of features.
    n_target_components : int, default=None
        Number of components of the target; None means `n_components`.
    n_samples : int, default=200
        Number of samples of the initial mixture.
    separation : float, default=3.0
        Standard deviation of the means. The expected variance within a component
        is 1.1 in each direction: covariances are Wishart matrices of `n_features`
        degrees of freedom, divided by that number, plus 0.1 times the identity.
    random_state : int, RandomState instance or None, default=None
        Seed.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        Samples of the initial mixture.
    initial : skwot.mixtures.Mixture
        NamedTuple of weights of shape (n_components,), drawn uniformly from the
        simplex, means of shape (n_components, n_features) and covariances of
        shape (n_components, n_features, n_features).
    target : skwot.mixtures.Mixture
        Likewise, with `n_target_components` components.

    See Also
    --------
    skwot.GMMFlowFitter : Moves the first mixture to the second.

    Examples
    --------
    >>> from skwot.datasets import make_gaussian_mixtures
    >>> X, initial, target = make_gaussian_mixtures(
    ...     n_target_components=2, random_state=0
    ... )
    >>> X.shape, initial.means.shape, target.covariances.shape
    ((200, 2), (3, 2), (2, 2, 2))
    """
    rng = check_random_state(random_state)
    initial, target = (
        _draw_mixture(rng, size, n_features, separation)
        for size in (n_components, n_target_components or n_components)
    )
    labels = rng.choice(n_components, size=n_samples, p=initial.weights)
    factors = np.linalg.cholesky(initial.covariances)
    noise = rng.standard_normal((n_samples, n_features))
    X = initial.means[labels] + np.einsum("nij,nj->ni", factors[labels], noise)
    return X, initial, target


def _draw_mixture(
    rng: np.random.RandomState, n_components: int, n_features: int, separation: float
) -> Mixture:
    weights = rng.dirichlet(np.ones(n_components))
    means = separation * rng.standard_normal((n_components, n_features))
    factors = rng.standard_normal((n_components, n_features, n_features))
    wishart = factors @ factors.swapaxes(1, 2) / n_features
    return Mixture(weights, means, wishart + 0.1 * np.eye(n_features))
