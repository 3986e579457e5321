"""Covariance types of scikit-learn: full, tied, diag and spherical.

Inside, the covariances of a mixture are a stack of matrices (n, d, d), or of diagonals
(n, d) where no matrix of a problem has an entry off its diagonal. A covariance type is
a linear subspace of the stacks. scikit-learn's attributes hold an element of it in a
shape of their own: (n, d, d), (d, d), (n, d) or (n,), in the order of the types above.
"""

from typing import Any

import numpy as np

from skwot._gmm.arrays import as_like, eye_like, namespace, per_row
from skwot._gmm.mixtures import Mixture
from skwot._typing import Array

COVARIANCE_TYPES = ("full", "tied", "diag", "spherical")


def constrain(matrices: Any, weights: Array, kind: str) -> Any:
    """Project a stack onto a covariance type.

    The projection is orthogonal in the inner product that weighs the components. A
    projected covariance keeps the moments that the type can represent, and a projected
    gradient step is the best one within the type.

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
        shares = as_like(weights / weights.sum(), matrices)
        mean = (per_row(shares, matrices) * matrices).sum(0)
        return mean + 0 * matrices
    if kind == "spherical":
        return expand(compact(matrices, kind), kind, matrices)
    if kind == "diag" and matrices.ndim == 3:
        return matrices * eye_like(matrices)
    return matrices


def compact(matrices: Any, kind: str) -> Any:
    """Bring a stack within a covariance type into scikit-learn's shape.

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
        A stack of the shape wanted.

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


def expand_full(values: Array, kind: str, n_components: int, n_features: int) -> Array:
    """Full covariances from those in scikit-learn's shape.

    Parameters
    ----------
    values : ndarray of shape (n, d, d), (d, d), (n, d) or (n,)
    kind : {'full', 'tied', 'diag', 'spherical'}
    n_components, n_features : int
        n and d.

    Returns
    -------
    ndarray of shape (n, d, d)
        A copy.
    """
    shape = n_components, n_features, n_features
    return np.array(expand(values, kind, np.broadcast_to(0.0, shape)))


def drop_zeros(initial: Mixture, target: Mixture, kind: str) -> tuple[Mixture, Mixture]:
    """Keep the diagonals alone of a problem in which nothing else matters.

    That is so if the components stay diagonal, by their covariance type, and the
    target's are.

    Parameters
    ----------
    initial, target : Mixture
    kind : {'full', 'tied', 'diag', 'spherical'}

    Returns
    -------
    initial, target : Mixture
        With covariances of shape (n, d) if their diagonals are all that matters, else
        as they were.
    """
    if target.covariances.ndim == 2 or kind not in ("diag", "spherical"):
        return initial, target
    diagonals = compact(target.covariances, "diag")
    if np.count_nonzero(target.covariances) > np.count_nonzero(diagonals):
        return initial, target
    return (
        initial._replace(covariances=compact(initial.covariances, "diag")),
        target._replace(covariances=diagonals),
    )
