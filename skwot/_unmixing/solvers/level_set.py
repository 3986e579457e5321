"""Projection onto a level set of planes on the simplex."""

import numpy as np
from scipy.linalg import helmert
from scipy.optimize import nnls

from skwot._typing import Array


def project_level_set(point: Array, slopes: Array, offsets: Array) -> Array | None:
    """Project onto the part of the simplex where affine functions are not positive.

    Finds the w on the simplex with ``slopes @ w + offsets <= 0`` that is nearest to
    `point`. In coordinates of the hyperplane of the simplex this is a least
    distance problem, solved by non-negative least squares (Lawson & Hanson,
    1974, chapter 23, section 4).

    Parameters
    ----------
    point : ndarray of shape (K,)
        On the simplex.
    slopes : ndarray of shape (n, K)
    offsets : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (K,) or None
        None if the set is empty to within rounding, or no projection is found.
    """
    basis = helmert(len(point)).T
    normals = np.vstack([-slopes @ basis, basis])
    bounds = np.concatenate([slopes @ point + offsets, -point])
    lengths = np.linalg.norm(normals, axis=1)
    lengths[lengths == 0] = 1.0
    normals, bounds = normals / lengths[:, None], bounds / lengths
    distance = bounds.max()  # the farthest violated half-space
    if distance <= 0:
        return point
    step = _least_distance(normals, bounds / distance)
    if step is None:
        return None
    projected = np.clip(point + basis @ (distance * step), 0, None)
    total = projected.sum()
    return projected / total if 0 < total < np.inf else None


def _least_distance(normals: Array, bounds: Array) -> Array | None:
    """Shortest x with ``normals @ x >= bounds``."""
    system = np.vstack([normals.T, bounds])
    goal = np.zeros(len(system))
    goal[-1] = 1.0
    try:
        multipliers, _ = nnls(system, goal)
    except RuntimeError:  # no convergence
        return None
    residual = system @ multipliers - goal
    if abs(residual[-1]) < 1e-14:
        return None
    return -residual[:-1] / residual[-1]
