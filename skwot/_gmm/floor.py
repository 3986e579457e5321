"""A lower bound of the covariances of a flow, which keeps them from collapsing.

A covariance C stays above a part of a reference B in the Loewner order: ``C - level B``
is positive semi-definite. The reference is the mean covariance within the components of
both mixtures, so that the bound is free of units, also of those of single features. The
level is low enough that no positive definite covariance that was given is below it.
"""

from typing import Any, NamedTuple

import numpy as np

from skwot._gmm.arrays import as_like, namespace
from skwot._gmm.covariance_types import constrain
from skwot._gmm.gaussians import (
    factorise,
    falling_variance,
    which_are_positive_definite,
)
from skwot._gmm.mixtures import Mixture
from skwot._typing import Array

# Part of the smallest eigenvalue of what was given, relative to the reference, that the
# level is: rounding must not take the one for less than the other.
_MARGIN = 0.5
# Covariances below this part of the reference are singular, but for rounding.
_SINGULAR = 1e-13


class Floor(NamedTuple):
    """What covariances are raised to.

    Attributes
    ----------
    reference : ndarray of shape (d, d), or (d,) if diagonal
        The matrix B.
    factor : ndarray of shape (d, d), or (d,) if diagonal
        Matrix F with ``B = F F^T``.
    inverse : ndarray of the same shape
        Its inverse.
    level : float
    """

    reference: Array
    factor: Array
    inverse: Array
    level: float

    def raise_covariances(self, covariances: Any) -> Any:
        """Project onto the covariances above the floor, in coordinates where B is I.

        Parameters
        ----------
        covariances : array of shape (n, d, d), or (n, d) if diagonal

        Returns
        -------
        array of the same shape
            Matrices that are above the floor are returned as they are.
        """
        xp = namespace(covariances)
        lowest = as_like(self.level * self.reference, covariances)
        if covariances.ndim == 2:
            return xp.where(covariances < lowest, lowest, covariances)
        if which_are_positive_definite(covariances - lowest).all():
            return covariances
        factor = as_like(self.factor, covariances)
        inverse = as_like(self.inverse, covariances)
        values, vectors = xp.linalg.eigh(inverse @ covariances @ inverse.T)
        low = values[:, 0] < self.level
        rotated = factor @ vectors
        raised = (rotated * xp.clip(values, self.level, None)[:, None, :]) @ rotated.mT
        raised = (raised + raised.mT) / 2
        return xp.where(low[:, None, None], raised, covariances)


def make_floor(initial: Mixture, target: Mixture, level: float, kind: str) -> Floor:
    """Choose the reference and the level for a flow from one mixture to another.

    Parameters
    ----------
    initial, target : Mixture
        With full covariances, or both with diagonal ones.
    level : float
        Largest level.
    kind : {'full', 'tied', 'diag', 'spherical'}
        Covariance type that the floor keeps to.

    Returns
    -------
    Floor
    """
    given = [constrain(m.covariances, m.weights, kind) for m in (initial, target)]
    reference = _reference(initial, target, given, kind)
    if reference.ndim == 1:
        factor = np.sqrt(reference)
        inverse = 1 / factor
        ratios = np.concatenate(given) / reference
    else:
        order = falling_variance(reference[None])
        (factor,), _ = factorise(reference[None], order)
        inverse = np.linalg.inv(factor)
        factors, _ = factorise(np.concatenate(given), order)
        ratios = np.linalg.svd(inverse @ factors, compute_uv=False) ** 2
    least = ratios.min(axis=1)
    least = least[least > _SINGULAR]
    return Floor(
        reference,
        factor,
        inverse,
        min(level, _MARGIN * float(least.min(initial=np.inf))),
    )


def _reference(
    initial: Mixture, target: Mixture, given: list[Array], kind: str
) -> Array:
    """Mean covariance of both mixtures; of all means, where these are points."""
    means = [
        np.tensordot(m.weights / m.weights.sum(), covariances, axes=1)
        for m, covariances in zip((initial, target), given, strict=True)
    ]
    within = (means[0] + means[1]) / 2
    scatter = np.atleast_2d(np.cov(np.vstack([initial.means, target.means]).T))
    if within.ndim == 1:
        scatter = np.diagonal(scatter)
    for candidate in (within, within + scatter):
        if _is_regular(candidate):
            return _of_kind(candidate, kind)
    variances = candidate if candidate.ndim == 1 else np.diagonal(candidate)
    positive = variances[variances > 0]
    filled = np.where(variances > 0, variances, positive.mean() if len(positive) else 1)
    return _of_kind(filled if within.ndim == 1 else np.diag(filled), kind)


def _is_regular(matrix: Array) -> bool:
    if matrix.ndim == 1:
        return bool((matrix > 0).all())
    return not factorise(matrix[None], falling_variance(matrix[None]))[1].any()


def _of_kind(matrix: Array, kind: str) -> Array:
    return np.asarray(constrain(matrix[None], np.ones(1), kind)[0])
