"""Bures-Wasserstein geometry of Gaussian distributions, in batches.

Every function takes stacks of matrices, one matrix a row. A covariance C is
carried to a covariance D by the symmetric map T with ``T C T = D``; with the root
R of D this is ``T = R (R C R)^(-1/2) R``, so that the roots of fixed targets are
computed once.
"""

import numpy as np
import torch
from torch import Tensor

_EPS = float(np.finfo(np.float64).eps)
# Squared distances below this part of the traces lose digits to cancellation.
_CLOSE = 1e-6


def spectral_roots(covariances: Tensor) -> Tensor:
    """Square roots of the eigenvalues, ascending.

    Parameters
    ----------
    covariances : tensor of shape (..., d, d)

    Returns
    -------
    tensor of shape (..., d)
    """
    return torch.linalg.eigvalsh(covariances).clamp(min=0).sqrt()


def matrix_roots(covariances: Tensor) -> Tensor:
    """Positive semi-definite square roots.

    Parameters
    ----------
    covariances : tensor of shape (..., d, d)

    Returns
    -------
    tensor of shape (..., d, d)
    """
    values, vectors = torch.linalg.eigh(covariances)
    return (vectors * values.clamp(min=0).sqrt()[..., None, :]) @ vectors.mT


def bures_lower_bounds(spectra: Tensor, target_spectra: Tensor) -> Tensor:
    """Bound the squared Bures distance of every pair of covariances from below.

    The nuclear norm of a product is at most the inner product of the singular
    values (von Neumann's trace inequality), so the squared distance is at least
    that of the sorted spectra.

    Parameters
    ----------
    spectra : tensor of shape (n, d)
        Square roots of eigenvalues, ascending.
    target_spectra : tensor of shape (m, d)

    Returns
    -------
    tensor of shape (n, m)
    """
    return (spectra[:, None] - target_spectra).square().sum(-1)


def pair_eigensystems(
    covariances: Tensor, target_roots: Tensor
) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of R C R, the only costly part of a pair.

    Parameters
    ----------
    covariances : tensor of shape (n, d, d)
    target_roots : tensor of shape (n, d, d)

    Returns
    -------
    values : tensor of shape (n, d)
        Ascending; those within rounding of zero are zero.
    vectors : tensor of shape (n, d, d)
    """
    values, vectors = torch.linalg.eigh(target_roots @ covariances @ target_roots)
    rounding = values.shape[-1] * _EPS * values[..., -1:]
    return torch.where(values > rounding, values, 0.0), vectors


def squared_bures(
    covariances: Tensor,
    targets: Tensor,
    target_roots: Tensor,
    eigenvalues: Tensor,
    eigenvectors: Tensor,
) -> Tensor:
    """Squared Bures distance of each pair.

    ``tr C + tr D - 2 tr (R C R)^(1/2)`` (Peyré & Cuturi, 2019, remark 2.31). This
    cancels when C and D are close, and is then computed from the map instead.

    Parameters
    ----------
    covariances, targets, target_roots : tensor of shape (n, d, d)
    eigenvalues, eigenvectors : tensor of shape (n, d), tensor of shape (n, d, d)
        Of R C R, see :func:`pair_eigensystems`.

    Returns
    -------
    tensor of shape (n,)
    """
    traces = _trace(covariances) + _trace(targets)
    squares = (traces - 2 * eigenvalues.sqrt().sum(-1)).clamp(min=0)
    # The map of a singular pair leaves out what it cannot reach.
    close = (squares < _CLOSE * traces) & (eigenvalues[..., 0] > 0)
    if close.any():
        maps = transport_maps(
            target_roots[close], eigenvalues[close], eigenvectors[close]
        )
        squares[close] = _displacement(covariances[close], maps)
    return squares


def _trace(matrices: Tensor) -> Tensor:
    return torch.einsum("nkk->n", matrices)


def _displacement(covariances: Tensor, maps: Tensor) -> Tensor:
    """``tr (I - T) C (I - T)``, what the maps move by: small without cancelling."""
    strains = torch.eye(maps.shape[-1], dtype=maps.dtype) - maps
    return torch.einsum("nij,njk,nik->n", strains, covariances, strains).clamp(min=0)


def transport_maps(
    target_roots: Tensor, eigenvalues: Tensor, eigenvectors: Tensor
) -> Tensor:
    """Symmetric linear maps T with ``T C T = D``.

    Directions in which C or D has no variance are mapped to zero.

    Parameters
    ----------
    target_roots : tensor of shape (n, d, d)
    eigenvalues, eigenvectors : tensor of shape (n, d), tensor of shape (n, d, d)
        Of R C R, see :func:`pair_eigensystems`.

    Returns
    -------
    tensor of shape (n, d, d)
    """
    inverse_roots = torch.where(eigenvalues > 0, eigenvalues.rsqrt(), 0.0)
    factors = target_roots @ eigenvectors
    return (factors * inverse_roots[..., None, :]) @ factors.mT


def geodesic(covariances: Tensor, targets: Tensor, maps: Tensor, t: float) -> Tensor:
    """Covariances at time t of the geodesics from C to D.

    ``((1 - t) I + t T) C ((1 - t) I + t T)``, expanded with ``T C T = D``: so the
    ends are exact, whatever the rank.

    Parameters
    ----------
    covariances, targets, maps : tensor of shape (n, d, d)
    t : float

    Returns
    -------
    tensor of shape (n, d, d)
    """
    cross = maps @ covariances
    mixed = t * (1 - t) * (cross + cross.mT)
    return (1 - t) ** 2 * covariances + mixed + t**2 * targets


def raise_spectrum(covariances: Tensor, floor: float) -> Tensor:
    """Project onto the symmetric matrices with eigenvalues of at least `floor`.

    Parameters
    ----------
    covariances : tensor of shape (n, d, d)
    floor : float

    Returns
    -------
    tensor of shape (n, d, d)
        Matrices that fulfil the bound are returned as they are.
    """
    values, vectors = torch.linalg.eigh(covariances)
    low = values[..., 0] < floor
    if not low.any():
        return covariances
    raised = (vectors * values.clamp(min=floor)[..., None, :]) @ vectors.mT
    return torch.where(low[..., None, None], (raised + raised.mT) / 2, covariances)
