"""Gaussian mixtures, those that move and those that stay."""

from typing import Any, NamedTuple

import numpy as np
import torch

from skwot._gmm.arrays import namespace, to_device, to_numpy
from skwot._gmm.gaussians import factorise, falling_variance, spectral_roots
from skwot._typing import Array, Index, Mask

_USUAL = 1e-50  # sizes from this one to its inverse are computed with as they are


class Mixture(NamedTuple):
    """A Gaussian mixture, as plain arrays.

    Attributes
    ----------
    weights : ndarray of shape (n_components,)
        Masses of the components, non-negative and with sum 1.
    means : ndarray of shape (n_components, n_features)
        Means of the components, in the unit of the data.
    covariances : ndarray of shape (n_components, n_features, n_features)
        Covariances of the components, symmetric and positive semi-definite, in the
        squared unit of the data.

    See Also
    --------
    skwot.GMMFlowFitter : Takes mixtures as `init` and as `target`.
    skwot.datasets.make_gaussian_mixtures : Draws two mixtures.

    Examples
    --------
    >>> import numpy as np
    >>> from skwot.mixtures import Mixture
    >>> mixture = Mixture(
    ...     weights=np.array([0.25, 0.75]),
    ...     means=np.array([[0.0], [4.0]]),
    ...     covariances=np.array([[[1.0]], [[9.0]]]),
    ... )
    >>> mixture.weights @ mixture.means
    array([3.])
    """

    weights: Array
    means: Array
    covariances: Array


# Its public home, which is what documentation and pickles name.
Mixture.__module__ = "skwot.mixtures"


def extreme_unit(*mixtures: Mixture) -> float:
    """Find a unit in which sizes are of order one, if they are far from it.

    Products of two covariances would leave the range of numbers.

    Parameters
    ----------
    *mixtures : Mixture

    Returns
    -------
    float
        A power of two, which rounds nothing; 1.0 for any usual unit.
    """
    size = max(
        max(abs(means).max(), np.sqrt(abs(covariances).max()))
        for _, means, covariances in mixtures
    )
    if _USUAL < size < 1 / _USUAL:
        return 1.0
    # Of a size of zero, the exponent is zero.
    return float(np.ldexp(1.0, np.frexp(size)[1]))


def in_unit(mixture: Mixture, unit: float) -> Mixture:
    """Express a mixture in another unit of the data."""
    if unit == 1.0:
        return mixture
    weights, means, covariances = mixture
    return Mixture(weights, means / unit, covariances / unit / unit)


class Target(NamedTuple):
    """A mixture that does not move, with all that its pairs share computed once.

    The covariances are matrices of shape (d, d), or vectors of shape (d,) if those of
    both mixtures of a problem are diagonal.

    Attributes
    ----------
    weights : ndarray of shape (m,)
    means : array of shape (m, d)
    covariances : array of shape (m, d, d) or (m, d)
    factors : array of shape (m, d, d) or (m, d)
        Matrices R with ``R R^T`` equal to the covariance; standard deviations, if the
        covariances are diagonal.
    singular : ndarray of shape (m,), bool
        Which covariances are singular; see :func:`~skwot._gmm.gaussians.factorise`.
    order : ndarray of shape (d,)
        Features in the order in which covariances are factored.
    spectra : array of shape (m, d)
        Square roots of the eigenvalues; ascending, unless the covariances are diagonal.
    traces : array of shape (m,)
    """

    weights: Array
    means: Any
    covariances: Any
    factors: Any
    singular: Mask
    order: Index
    spectra: Any
    traces: Any


def prepare_target(target: Mixture, device: torch.device | None = None) -> Target:
    """Compute what all distances to the components of a fixed mixture share.

    Parameters
    ----------
    target : Mixture
    device : torch device, default=None
        Where all arrays but the weights live, as tensors; None for NumPy arrays.

    Returns
    -------
    Target
    """
    weights = target.weights / target.weights.sum()
    means, covariances = (to_device(x, device) for x in target[1:])
    if covariances.ndim == 2:
        factors = spectra = namespace(means).sqrt(covariances)
        singular: Mask = np.any(to_numpy(covariances) == 0, axis=1)
        order = np.arange(covariances.shape[1])
        traces = covariances.sum(1)
    else:
        order = falling_variance(covariances)
        factors, singular = factorise(covariances, order)
        spectra = spectral_roots(covariances)
        traces = namespace(means).einsum("nkk->n", covariances)
    return Target(
        weights, means, covariances, factors, singular, order, spectra, traces
    )
