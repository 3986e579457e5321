"""Bures-Wasserstein geometry of Gaussian distributions.

Every function takes stacks of matrices, one matrix a row, as NumPy arrays or PyTorch
tensors, and returns the same kind. The optimal map between two centred Gaussians with
covariances C and D is linear, with the symmetric positive semi-definite matrix T that
fulfils ``T C T = D``. For any factors ``C = F F^T`` and ``D = R R^T`` it is
``T = R (R^T C R)^(-1/2) R^T`` (Peyré & Cuturi, 2019, Computational Optimal Transport,
remark 2.31), and the matrix in brackets is ``(R^T F) (R^T F)^T``: so factors are
computed once for each component, and covariances are never multiplied, which would
square their condition.
"""

from typing import Any, NamedTuple

import numpy as np
import torch

from skwot._gmm.arrays import as_like, namespace, to_numpy
from skwot._typing import Index, Mask

_EPS = float(np.finfo(np.float64).eps)
# A squared Bures distance below this part of tr C + tr D has lost more than half of its
# digits to cancellation in the usual formula.
_CANCELLING = 1e-6
# Eigenvalues further apart than this have squares of singular values that are not exact
# enough.
_WIDE = 1e-6


def inner_products(matrices: Any, others: Any) -> Any:
    """Frobenius inner product of each matrix of a stack with that of another.

    Parameters
    ----------
    matrices, others : array of shape (n, d, d)

    Returns
    -------
    array of shape (n,)
    """
    linalg, size = namespace(matrices).linalg, len(matrices)
    return linalg.vecdot(matrices.reshape(size, -1), others.reshape(size, -1))


def spectral_roots(covariances: Any) -> Any:
    """Square roots of the eigenvalues.

    Parameters
    ----------
    covariances : array of shape (..., d, d)

    Returns
    -------
    array of shape (..., d)
        Ascending; zero for eigenvalues that rounding made negative.
    """
    xp = namespace(covariances)
    return xp.sqrt(xp.clip(xp.linalg.eigvalsh(covariances), 0, None))


def bures_lower_bounds(spectra: Any, target_spectra: Any) -> Any:
    """Bound the squared Bures distance of every pair of covariances from below.

    The distance is ``tr C + tr D - 2 |C^(1/2) D^(1/2)|_*``, and the nuclear norm of a
    product is at most the inner product of the two sorted vectors of singular values
    (von Neumann's trace inequality). So the squared Euclidean distance between the
    sorted roots of the eigenvalues is never larger.

    Parameters
    ----------
    spectra : array of shape (n, d)
        Square roots of the eigenvalues, ascending.
    target_spectra : array of shape (m, d)
        Likewise.

    Returns
    -------
    array of shape (n, m)
    """
    return ((spectra[:, None] - target_spectra) ** 2).sum(-1)


def factorise(covariances: Any, order: Index) -> tuple[Any, Mask]:
    """Factor covariances as ``F F^T``, and say which of them are singular.

    The factor is Cholesky's, of the features in the order of falling variance. Then it
    is graded, and so are products of two factors: what features of small variance do
    is not lost in the rounding of those of large variance.

    Parameters
    ----------
    covariances : array of shape (n, d, d)
    order : ndarray of shape (d,)
        A permutation of the features, see :func:`falling_variance`.

    Returns
    -------
    factors : array of shape (n, d, d)
        With rows in the order of the features.
    singular : ndarray of shape (n,), bool
        Whether a feature is a combination of others, to rounding. Such a covariance has
        the factor ``S V L^(1/2)``, where ``V L V^T`` is the correlation matrix and S
        holds the standard deviations.
    """
    xp, d = namespace(covariances), covariances.shape[-1]
    ordered = covariances[:, order][:, :, order]
    lower, failed = _cholesky(ordered)
    pivots = xp.einsum("nkk->nk", lower) ** 2
    lost = pivots <= 4 * d * _EPS * xp.einsum("nkk->nk", ordered)
    singular = failed | to_numpy(lost).any(axis=1)
    if singular.any():
        lower[singular] = _correlation_roots(ordered[singular])
    factors = xp.empty_like(lower)
    factors[:, order] = lower
    return factors, singular


def falling_variance(covariances: Any) -> Index:
    """Features in the order of falling mean variance, for all components together."""
    variances = to_numpy(namespace(covariances).einsum("nkk->nk", covariances))
    return np.argsort(-variances.mean(axis=0), kind="stable")


def _cholesky(matrices: Any) -> tuple[Any, Mask]:
    """Lower factors, and where there are none."""
    if isinstance(matrices, np.ndarray):
        try:
            return np.linalg.cholesky(matrices), np.zeros(len(matrices), dtype=bool)
        except np.linalg.LinAlgError:
            # NumPy does not say which matrix it was.
            lower, failed = _cholesky(torch.from_numpy(np.ascontiguousarray(matrices)))
            return lower.numpy(), failed
    lower, info = torch.linalg.cholesky_ex(matrices)
    return lower, to_numpy(info) > 0


def _correlation_roots(covariances: Any) -> Any:
    """Factors of covariances that may be singular."""
    xp, d = namespace(covariances), covariances.shape[-1]
    variances = xp.einsum("nkk->nk", covariances)
    positive = variances > 0
    scales = xp.sqrt(xp.where(positive, variances, 0.0))
    inverse = positive / xp.where(positive, scales, 1.0)
    correlations = inverse[:, :, None] * covariances * inverse[:, None, :]
    values, vectors = xp.linalg.eigh(correlations)
    values = xp.where(values > d * _EPS * values[:, -1:], values, 0.0)
    return scales[:, :, None] * vectors * xp.sqrt(values)[:, None, :]


class Pairs(NamedTuple):
    """What is known of pairs of centred Gaussians.

    Attributes
    ----------
    squares : array of shape (n,)
        Squared Bures distances.
    maps : array of shape (n, d, d)
        Symmetric matrices T of the optimal maps, with ``T C T = D``. Directions in
        which a singular C or D has no variance are mapped to zero.
    spectra : array of shape (n, d)
        Singular values of ``R^T F``, ascending. Their sum is the fidelity of the pair.
    """

    squares: Any
    maps: Any
    spectra: Any


def solve_pairs(factors: Any, target_factors: Any, singular: Mask) -> Pairs:
    """Solve for the optimal maps between pairs of centred Gaussians.

    For ``C = F F^T`` and ``D = R R^T`` with the singular value decomposition
    ``R^T F = U S V^T`` the map is ``R U S^(-1) (R U)^T``, and the squared distance is
    ``|F|^2 + |R|^2 - 2 tr S`` or, without a difference of large numbers,
    ``|F - R U V^T|^2``. Singular values that are not far apart are found from the
    eigenvalues of ``R^T F F^T R``, in half of the time.

    Parameters
    ----------
    factors : array of shape (n, d, d)
        The matrices F.
    target_factors : array of shape (n, d, d)
        The matrices R.
    singular : ndarray of shape (n,), bool
        Whether C or D is singular: then singular values within rounding are zero.

    Returns
    -------
    Pairs
    """
    xp = namespace(factors)
    product = target_factors.mT @ factors
    squares, left = xp.linalg.eigh(product @ product.mT)
    spectra = xp.sqrt(xp.clip(squares, 0, None))
    traces = inner_products(factors, factors)
    traces = traces + inner_products(target_factors, target_factors)
    wide = to_numpy(squares[:, 0] <= _WIDE * squares[:, -1])
    if wide.any():
        others, values, right = xp.linalg.svd(product[wide])
        rounding = values.shape[-1] * _EPS * values[:, :1]
        zero = as_like(singular[wide], values)[:, None] * (values <= rounding)
        # numpy.linalg.eigh and torch.linalg.eigh sort the other way round.
        spectra[wide] = xp.flip(xp.where(zero > 0, 0.0, values), (1,))
        left[wide] = xp.flip(others, (2,))
        residuals = factors[wide] - target_factors[wide] @ (others @ right)
    positive = spectra > 0
    inverse = positive / xp.where(positive, spectra, 1.0)
    rotated = target_factors @ left
    maps = (rotated * inverse[:, None, :]) @ rotated.mT
    distances = traces - 2 * spectra.sum(-1)
    close = to_numpy(distances < _CANCELLING * traces) & ~wide
    if close.any():
        strains = factors[close] - maps[close] @ factors[close]
        distances[close] = inner_products(strains, strains)
    if wide.any():
        distances[wide] = inner_products(residuals, residuals)
    return Pairs(distances, maps, spectra)


def geodesic(covariances: Any, targets: Any, maps: Any, t: float) -> Any:
    """Covariances at time t of the Bures-Wasserstein geodesics from C to D.

    They are ``((1 - t) I + t T) C ((1 - t) I + t T)`` (McCann, 1997, A convexity
    principle for interacting gases, example 1.7). The product is expanded with
    ``T C T = D``, so that both ends are exact, whatever the rank.

    Parameters
    ----------
    covariances, targets, maps : array of shape (n, d, d)
        The matrices C, D and T.
    t : float
        From 0 to 1.

    Returns
    -------
    array of shape (n, d, d)
    """
    cross = maps @ covariances
    mixed = t * (1 - t) * (cross + cross.mT)
    return (1 - t) ** 2 * covariances + mixed + t**2 * targets


def which_are_positive_definite(matrices: Any) -> Mask:
    """Say which symmetric matrices of a stack are positive definite.

    Parameters
    ----------
    matrices : array of shape (n, d, d), or (n, d) if diagonal

    Returns
    -------
    ndarray of shape (n,), bool
    """
    if matrices.ndim == 2:
        return np.asarray(to_numpy(matrices > 0).all(axis=1))
    return ~_cholesky(matrices)[1]
