"""Problems with a known answer."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state


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
