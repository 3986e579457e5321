"""Bures-Wasserstein geometry of Gaussian distributions, in batches.

Every function takes stacks of matrices, one matrix a row: NumPy arrays or PyTorch
tensors, and returns the same. A covariance C is carried to a covariance D by the
symmetric map T with ``T C T = D``; with the root R of D this is
``T = R (R C R)^(-1/2) R``, so that the roots of fixed targets are computed once.
"""

from typing import Any

import numpy as np
import torch

_EPS = float(np.finfo(np.float64).eps)
# Squared distances below this part of the traces lose digits to cancellation.
_CLOSE = 1e-6


def namespace(array: Any) -> Any:
    """NumPy or PyTorch, whichever the array is of."""
    # NumPy's overhead is a fraction of PyTorch's for the small stacks of mixtures.
    return np if isinstance(array, np.ndarray) else torch


def to_numpy(array: Any) -> np.ndarray:
    """NumPy array of an array or tensor on any device."""
    return array if isinstance(array, np.ndarray) else array.numpy(force=True)


def eye_like(matrices: Any) -> Any:
    """Identity of the size, precision and device of matrices."""
    if isinstance(matrices, np.ndarray):
        return np.eye(matrices.shape[-1])
    return torch.eye(matrices.shape[-1], dtype=matrices.dtype, device=matrices.device)


def empty_like(matrices: Any, size: int) -> Any:
    """Uninitialised stack of matrices of the same kind."""
    shape = size, *matrices.shape[1:]
    return (
        np.empty(shape)
        if isinstance(matrices, np.ndarray)
        else matrices.new_empty(shape)
    )


def inner_products(matrices: Any, others: Any) -> Any:
    """Frobenius inner product of each pair of two stacks of matrices."""
    linalg, size = namespace(matrices).linalg, len(matrices)
    return linalg.vecdot(matrices.reshape(size, -1), others.reshape(size, -1))


def spectral_roots(covariances: Any) -> Any:
    """Square roots of the eigenvalues, ascending.

    Parameters
    ----------
    covariances : array of shape (..., d, d)

    Returns
    -------
    array of shape (..., d)
    """
    xp = namespace(covariances)
    return xp.sqrt(xp.clip(xp.linalg.eigvalsh(covariances), 0, None))


def matrix_roots(covariances: Any) -> Any:
    """Positive semi-definite square roots.

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

    The nuclear norm of a product is at most the inner product of the singular
    values (von Neumann's trace inequality), so the squared distance is at least
    that of the sorted spectra.

    Parameters
    ----------
    spectra : array of shape (n, d)
        Square roots of eigenvalues, ascending.
    target_spectra : array of shape (m, d)

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
    target_roots : array of shape (n, d, d)

    Returns
    -------
    values : array of shape (n, d)
        Ascending, with the fidelity of the pair as sum. Those whose squares are
        within rounding of zero are zero.
    vectors : array of shape (n, d, d)
    """
    xp = namespace(covariances)
    squares, vectors = xp.linalg.eigh(target_roots @ covariances @ target_roots)
    rounding = squares.shape[-1] * _EPS * squares[..., -1:]
    return xp.sqrt(xp.where(squares > rounding, squares, 0.0)), vectors


def squared_bures(covariances: Any, maps: Any, traces: Any, eigenvalues: Any) -> Any:
    """Squared Bures distance of each pair.

    ``tr C + tr D - 2 tr (R C R)^(1/2)`` (Peyré & Cuturi, 2019, remark 2.31). This
    cancels when C and D are close, and is then computed from the map instead.

    Parameters
    ----------
    covariances : array of shape (n, d, d)
    maps : array of shape (n, d, d)
        See :func:`transport_maps`.
    traces : array of shape (n,)
        ``tr C + tr D``.
    eigenvalues : array of shape (n, d)
        See :func:`pair_eigensystems`.

    Returns
    -------
    array of shape (n,)
    """
    squares = (traces - 2 * eigenvalues.sum(-1)).clip(0)
    # The map of a singular pair leaves out what it cannot reach.
    close = (squares < _CLOSE * traces) & (eigenvalues[:, 0] > 0)
    if close.any():
        squares[close] = _displacement(covariances[close], maps[close])
    return squares


def _displacement(covariances: Any, maps: Any) -> Any:
    """``tr (I - T) C (I - T)``, what the maps move by: small without cancelling."""
    strains = eye_like(maps) - maps
    return inner_products(strains @ covariances, strains).clip(0)


def transport_maps(target_roots: Any, eigenvalues: Any, eigenvectors: Any) -> Any:
    """Symmetric linear maps T with ``T C T = D``.

    Directions in which C or D has no variance are mapped to zero.

    Parameters
    ----------
    target_roots : array of shape (n, d, d)
    eigenvalues, eigenvectors : array of shape (n, d), array of shape (n, d, d)
        See :func:`pair_eigensystems`.

    Returns
    -------
    array of shape (n, d, d)
    """
    positive = eigenvalues > 0
    inverse = positive / namespace(eigenvalues).where(positive, eigenvalues, 1.0)
    factors = target_roots @ eigenvectors
    return (factors * inverse[..., None, :]) @ factors.mT


def geodesic(covariances: Any, targets: Any, maps: Any, t: float) -> Any:
    """Covariances at time t of the geodesics from C to D.

    ``((1 - t) I + t T) C ((1 - t) I + t T)``, expanded with ``T C T = D``: so the
    ends are exact, whatever the rank.

    Parameters
    ----------
    covariances, targets, maps : array of shape (n, d, d)
    t : float

    Returns
    -------
    array of shape (n, d, d)
    """
    cross = maps @ covariances
    mixed = t * (1 - t) * (cross + cross.mT)
    return (1 - t) ** 2 * covariances + mixed + t**2 * targets


def are_positive_definite(matrices: Any) -> bool:
    """Whether a stack of symmetric matrices is, by a fraction of an eigh's time."""
    if not isinstance(matrices, np.ndarray):
        return not bool(torch.linalg.cholesky_ex(matrices).info.any())
    try:
        np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        return False
    return True


def raise_spectrum(covariances: Any, floor: float) -> Any:
    """Project onto the symmetric matrices with eigenvalues of at least `floor`.

    Parameters
    ----------
    covariances : array of shape (n, d, d), or (n, d) if diagonal
    floor : float

    Returns
    -------
    array of the same shape
        Matrices that fulfil the bound are returned as they are.
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
