"""Bures-Wasserstein geometry of Gaussian distributions.

Every function takes stacks of matrices, one matrix a row, as NumPy arrays or PyTorch
tensors, and returns the same kind. The optimal map between two centred Gaussians with
covariances C and D is linear, with the symmetric positive semi-definite matrix T that
fulfils ``T C T = D``. With the root R = D^(1/2) it is ``T = R (R C R)^(-1/2) R``
(Peyré & Cuturi, 2019, Computational Optimal Transport, remark 2.31): the roots of
targets that do not change are computed once.
"""

from typing import Any

import numpy as np
import torch

from skwot._gmm.arrays import eye_like, namespace

_EPS = float(np.finfo(np.float64).eps)
# A squared Bures distance below this part of tr C + tr D has lost more than half of its
# digits to cancellation in the usual formula.
_CANCELLING = 1e-6


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


def matrix_roots(covariances: Any) -> Any:
    """Symmetric positive semi-definite square roots.

    Parameters
    ----------
    covariances : array of shape (..., d, d)

    Returns
    -------
    array of shape (..., d, d)
    """
    xp = namespace(covariances)
    values, vectors = xp.linalg.eigh(covariances)
    return (vectors * xp.sqrt(xp.clip(values, 0, None))[..., None, :]) @ vectors.mT


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


def pair_eigensystems(covariances: Any, target_roots: Any) -> tuple[Any, Any]:
    """Eigenvalues and eigenvectors of (R C R)^(1/2), the only costly part of a pair.

    Parameters
    ----------
    covariances : array of shape (n, d, d)
        The matrices C.
    target_roots : array of shape (n, d, d)
        The matrices R.

    Returns
    -------
    values : array of shape (n, d)
        Eigenvalues, ascending. Their sum is the fidelity of the pair. An eigenvalue
        whose square is within rounding of zero is zero.
    vectors : array of shape (n, d, d)
        Eigenvectors, in columns.
    """
    xp = namespace(covariances)
    squares, vectors = xp.linalg.eigh(target_roots @ covariances @ target_roots)
    rounding = squares.shape[-1] * _EPS * squares[..., -1:]
    return xp.sqrt(xp.where(squares > rounding, squares, 0.0)), vectors


def squared_bures(covariances: Any, maps: Any, traces: Any, eigenvalues: Any) -> Any:
    """Squared Bures distance of each pair.

    It is ``tr C + tr D - 2 tr (R C R)^(1/2)`` (Peyré & Cuturi, 2019, remark 2.31).
    Where C and D are so close that this cancels, it is the mean squared displacement
    by the map, ``tr (I - T) C (I - T)``.

    Parameters
    ----------
    covariances : array of shape (n, d, d)
        The matrices C.
    maps : array of shape (n, d, d)
        The matrices T of :func:`transport_maps`.
    traces : array of shape (n,)
        ``tr C + tr D``.
    eigenvalues : array of shape (n, d)
        The values of :func:`pair_eigensystems`.

    Returns
    -------
    array of shape (n,)
    """
    squares = (traces - 2 * eigenvalues.sum(-1)).clip(0)
    # The map of a singular pair lacks the directions that it cannot reach, so that the
    # displacement by it is not the distance.
    close = (squares < _CANCELLING * traces) & (eigenvalues[:, 0] > 0)
    if close.any():
        squares[close] = _squared_displacements(covariances[close], maps[close])
    return squares


def _squared_displacements(covariances: Any, maps: Any) -> Any:
    """``tr (I - T) C (I - T)``, which is small without cancelling."""
    strains = eye_like(maps) - maps
    return inner_products(strains @ covariances, strains).clip(0)


def transport_maps(target_roots: Any, eigenvalues: Any, eigenvectors: Any) -> Any:
    """Symmetric matrices T of the optimal maps, with ``T C T = D``.

    Directions in which C or D has no variance are mapped to zero.

    Parameters
    ----------
    target_roots : array of shape (n, d, d)
        The matrices R.
    eigenvalues, eigenvectors : array of shape (n, d), array of shape (n, d, d)
        What :func:`pair_eigensystems` returns.

    Returns
    -------
    array of shape (n, d, d)
    """
    positive = eigenvalues > 0
    inverse = positive / namespace(eigenvalues).where(positive, eigenvalues, 1.0)
    factors = target_roots @ eigenvectors
    return (factors * inverse[..., None, :]) @ factors.mT


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


def are_positive_definite(matrices: Any) -> bool:
    """Say whether all symmetric matrices of a stack are positive definite.

    A Cholesky decomposition tells, in a fraction of the time of the eigenvalues.
    """
    if not isinstance(matrices, np.ndarray):
        return not bool(torch.linalg.cholesky_ex(matrices).info.any())
    try:
        np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        return False
    return True


def raise_spectrum(covariances: Any, floor: float) -> Any:
    """Project onto the symmetric matrices with eigenvalues of at least a floor.

    Parameters
    ----------
    covariances : array of shape (n, d, d), or (n, d) if diagonal
    floor : float
        In the unit of the covariances.

    Returns
    -------
    array of the same shape
        Matrices whose eigenvalues are at least the floor are returned as they are.
    """
    xp = namespace(covariances)
    if covariances.ndim == 2:
        return xp.clip(covariances, floor, None)
    if are_positive_definite(covariances - floor * eye_like(covariances)):
        return covariances
    values, vectors = xp.linalg.eigh(covariances)
    low = values[..., 0] < floor
    raised = (vectors * xp.clip(values, floor, None)[..., None, :]) @ vectors.mT
    return xp.where(low[..., None, None], (raised + raised.mT) / 2, covariances)
