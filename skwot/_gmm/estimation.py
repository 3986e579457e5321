"""Mixtures that scikit-learn estimates from data."""

from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from skwot._gmm.covariance_types import compact, constrain, expand_full
from skwot._gmm.gaussians import which_are_positive_definite
from skwot._gmm.mixtures import Mixture
from skwot._typing import Array

# EM has to converge by itself, because the estimator's max_iter counts its own steps.
_EM_MAX_ITER = 1000
# A cluster is empty if it holds less than this part of one point.
_EMPTY_CLUSTER = 1e-12


def estimate_mixture(
    X: Array, n_components: int, kind: str, reg_covar: float, random_state: Any
) -> Mixture:
    """Mixture of largest likelihood, by scikit-learn's EM.

    EM starts from clusters of the data in their own units, as in scikit-learn. But it
    runs on features of variance one, except for spherical covariances: what it adds to
    variances then leaves features of small variance as they are.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    n_components : int
    kind : {'full', 'tied', 'diag', 'spherical'}
        Covariance type.
    reg_covar : float
        What EM adds to the variance of each feature, relative to its variance in the
        data, or to the mean of these if spherical.
    random_state : int, RandomState instance or None

    Returns
    -------
    Mixture

    Raises
    ------
    ValueError
        If there are fewer rows than components, or if a covariance is singular.
    """
    points, shift, scale = _standardise(X)
    if len(points) < n_components:
        raise ValueError(
            f"X must have at least as many rows as components, which are {n_components}"
            f"; got {len(points)} rows."
        )
    clusters = KMeans(n_components, n_init=1, random_state=random_state).fit(points)
    if kind != "spherical":
        spreads = points.std(axis=0)
        spreads[spreads == 0] = 1
        points, scale = points / spreads, scale * spreads
    start = summarise_clusters(points, np.eye(n_components)[clusters.labels_])
    covariances = constrain(start.covariances, start.weights, kind)
    covariances = covariances + reg_covar * np.eye(X.shape[1])
    if not which_are_positive_definite(covariances).all():
        raise ValueError(
            f"{n_components} components cannot be estimated from X: a cluster has no "
            "variance in some direction. Increase reg_covar, which is "
            f"{reg_covar}, or decrease the number of components."
        )
    precisions = np.linalg.inv(covariances)
    model = GaussianMixture(
        n_components,
        covariance_type=kind,
        reg_covar=reg_covar,
        max_iter=_EM_MAX_ITER,
        weights_init=start.weights,
        means_init=start.means,
        precisions_init=compact((precisions + precisions.mT) / 2, kind),
        random_state=random_state,
    ).fit(points)
    covariances = expand_full(model.covariances_, kind, n_components, X.shape[1])
    estimated = Mixture(model.weights_, model.means_, covariances)
    return _restore_unit(estimated, shift, scale)


def seed_mixture(
    X: Array, n_components: int, init_params: str, random_state: Any
) -> Mixture:
    """Mixture that one step of EM makes of scikit-learn's initialisation.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    n_components : int
    init_params : {'k-means++', 'kmeans', 'random', 'random_from_data'}
    random_state : int, RandomState instance or None

    Returns
    -------
    Mixture
    """
    points, shift, scale = _standardise(X)
    model = GaussianMixture(
        n_components, init_params=init_params, max_iter=0, random_state=random_state
    ).fit(points)
    seeded = summarise_clusters(points, model.predict_proba(points))
    return _restore_unit(seeded, shift, scale)


def summarise_clusters(points: Array, responsibilities: Array) -> Mixture:
    """Mixture with the moments of softly assigned points.

    Parameters
    ----------
    points : ndarray of shape (n, d)
    responsibilities : ndarray of shape (n, n_components)
        Shares of the components in each point; rows sum to 1.

    Returns
    -------
    Mixture
        A component without any point has the moments of all of them.
    """
    empty = responsibilities.sum(axis=0) < _EMPTY_CLUSTER
    shares = np.where(empty, 1 / len(points), responsibilities)
    shares = shares / shares.sum(axis=0)
    means = shares.T @ points
    deviations = (points - mean for mean in means)
    covariances = [(s * x.T) @ x for s, x in zip(shares.T, deviations, strict=True)]
    weights = responsibilities.mean(axis=0)
    return Mixture(weights / weights.sum(), means, np.stack(covariances))


def _standardise(X: Array) -> tuple[Array, Array, float]:
    """Centre the data, and scale all features alike, so that EM works without a unit.

    EM's regularisation is an absolute variance.
    """
    shift = X.mean(axis=0)
    centred = X - shift
    scale = float(np.sqrt(np.square(centred).mean())) or 1.0
    return centred / scale, shift, scale


def _restore_unit(mixture: Mixture, shift: Array, scale: Array | float) -> Mixture:
    """Undo a division of the features, by one scale or by one each."""
    scales = np.broadcast_to(scale, shift.shape)
    covariances = mixture.covariances * np.outer(scales, scales)
    return Mixture(mixture.weights, mixture.means * scale + shift, covariances)
