"""Gaussian mixtures."""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from skwot._gmm.gaussians import matrix_roots, namespace, spectral_roots

Array = NDArray[np.float64]

# Masses below the rounding of a plan whose total is one.
MASS_ROUNDING = 1e-15
# A cluster that holds less than this part of one point is empty.
_EMPTY_CLUSTER = 1e-12


class Mixture(NamedTuple):
    """A Gaussian mixture.

    Attributes
    ----------
    weights : ndarray of shape (n_components,)
        Non-negative, with sum 1.
    means : ndarray of shape (n_components, n_features)
    covariances : ndarray of shape (n_components, n_features, n_features)
    """

    weights: Array
    means: Array
    covariances: Array


class Target(NamedTuple):
    """A fixed mixture, with all that its pairs have in common computed once.

    Covariances are matrices of shape (d, d), or of shape (d,) if all are diagonal.

    Attributes
    ----------
    weights : ndarray of shape (m,)
    means : array of shape (m, d)
    covariances : array of shape (m, d, d) or (m, d)
    roots : array of shape (m, d, d) or (m, d)
        Square roots of the covariances.
    spectra : array of shape (m, d)
        Square roots of their eigenvalues, ascending.
    traces : array of shape (m,)
    """

    weights: Array
    means: Any
    covariances: Any
    roots: Any
    spectra: Any
    traces: Any


def prepare_target(target: Mixture, device: Any = None) -> Target:
    """Compute what all evaluations against a fixed mixture share.

    Parameters
    ----------
    target : Mixture
    device : torch device, default=None
        Where all arrays but the weights live, as tensors; NumPy arrays if None.

    Returns
    -------
    Target
    """
    weights = target.weights / target.weights.sum()
    means, covariances = (to_device(x, device) for x in target[1:])
    if covariances.ndim == 2:
        roots = spectra = namespace(means).sqrt(covariances)
        traces = covariances.sum(1)
    else:
        roots, spectra = matrix_roots(covariances), spectral_roots(covariances)
        traces = namespace(means).einsum("nkk->n", covariances)
    return Target(weights, means, covariances, roots, spectra, traces)


def to_device(array: Array, device: Any) -> Any:
    """Tensor on a device, or the array itself if that is None."""
    return array if device is None else torch.as_tensor(array, device=device)


def summarise_clusters(points: Array, responsibilities: Array) -> Mixture:
    """Mixture with the moments of softly assigned points.

    Parameters
    ----------
    points : ndarray of shape (n, d)
    responsibilities : ndarray of shape (n, n_components)
        Rows sum to 1.

    Returns
    -------
    Mixture
        A component without any point has the moments of all of them.
    """
    lonely = responsibilities.sum(axis=0) < _EMPTY_CLUSTER
    shares = np.where(lonely, 1 / len(points), responsibilities)
    shares = shares / shares.sum(axis=0)
    means = shares.T @ points
    deviations = (points - mean for mean in means)
    covariances = [(s * x.T) @ x for s, x in zip(shares.T, deviations, strict=True)]
    weights = responsibilities.mean(axis=0)
    return Mixture(weights / weights.sum(), means, np.stack(covariances))


def precision_factors(covariances: Array, kind: str = "full") -> Array:
    """Upper triangular U with ``U U^T`` the inverse of each covariance.

    Parameters
    ----------
    covariances : ndarray of shape (n_components, d, d), (d, d), (n_components, d) \
            or (n_components,)
    kind : {'full', 'tied', 'diag', 'spherical'}, default='full'

    Returns
    -------
    ndarray of the same shape

    Raises
    ------
    numpy.linalg.LinAlgError
        If a covariance is not positive definite.
    """
    if kind in ("diag", "spherical"):
        if not (covariances > 0).all():
            raise np.linalg.LinAlgError("A variance is not positive.")
        return 1 / np.sqrt(covariances)
    inverses = np.linalg.inv(np.linalg.cholesky(covariances))
    # Pivoting leaves rounding in the other triangle.
    return np.tril(inverses).swapaxes(-1, -2)
