"""Covariance types of scikit-learn: full, tied, diag and spherical.

Inside, covariances are a stack of matrices (n, d, d), or of diagonals (n, d) where
nothing has off-diagonal entries. A type is a linear subspace of the stacks, and in
its own shape that of scikit-learn's attributes. NumPy arrays or PyTorch tensors.
"""

from typing import Any

import numpy as np

from skwot._gmm.gaussians import eye_like, namespace
from skwot._gmm.mixtures import Array

COVARIANCE_TYPES = ("full", "tied", "diag", "spherical")


def constrain(matrices: Any, weights: Array, kind: str) -> Any:
    """Project a stack onto a covariance type.

    Of covariances this keeps the moments that the type can represent; of the strains
    of a gradient step it makes the best one within the type.

    Parameters
    ----------
    matrices : array of shape (n, d, d), or (n, d) if diagonal
    weights : ndarray of shape (n,)
        Non-negative.
    kind : {'full', 'tied', 'diag', 'spherical'}

    Returns
    -------
    array of the same shape
    """
    if kind == "tied":
        shares = weights / weights.sum()
        if not isinstance(matrices, np.ndarray):
            shares = matrices.new_tensor(shares)
        mean = (shares.reshape(-1, *(1 for _ in matrices.shape[1:])) * matrices).sum(0)
        return mean + 0 * matrices
    if kind == "spherical":
        return expand(compact(matrices, kind), kind, matrices)
    if kind == "diag" and matrices.ndim == 3:
        return matrices * eye_like(matrices)
    return matrices


def compact(matrices: Any, kind: str) -> Any:
    """Bring a stack of a covariance type into scikit-learn's shape.

    Parameters
    ----------
    matrices : array of shape (n, d, d), or (n, d) if diagonal
    kind : {'full', 'tied', 'diag', 'spherical'}

    Returns
    -------
    array of shape (n, d, d), (d, d), (n, d) or (n,)
    """
    if kind == "full":
        return matrices
    if kind == "tied":
        return matrices[0]
    full = matrices.ndim == 3
    diagonals = namespace(matrices).einsum("nkk->nk", matrices) if full else matrices
    return diagonals.mean(1) if kind == "spherical" else diagonals


def expand(values: Any, kind: str, like: Any) -> Any:
    """Bring covariances in scikit-learn's shape into a stack.

    Parameters
    ----------
    values : array of shape (n, d, d), (d, d), (n, d) or (n,)
    kind : {'full', 'tied', 'diag', 'spherical'}
    like : array of shape (n, d, d), or (n, d) if diagonal
        Gives the shape.

    Returns
    -------
    array of the shape of `like`
    """
    xp = namespace(values)
    if kind == "full":
        return values
    if kind == "tied":
        return xp.tile(values, (like.shape[0], 1, 1))
    if kind == "spherical":
        values = xp.tile(values[:, None], (1, like.shape[1]))
    return values[:, :, None] * eye_like(like) if like.ndim == 3 else values
