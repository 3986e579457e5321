"""Moving points and mixtures along an optimal plan between Gaussian mixtures."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from skwot._gmm.gaussians import geodesic
from skwot._gmm.mixtures import Mixture
from skwot._gmm.mw2 import solve_between
from skwot._gmm.pair_costs import plan_support
from skwot._typing import Array, Index

# Numbers that the images of a batch of points may take (32 MB).
_BATCH_NUMBERS = 2**22


class Coupling(NamedTuple):
    """The pairs of components that an optimal plan between two mixtures joins.

    Attributes
    ----------
    rows : ndarray of shape (n_pairs,)
        Component of the first mixture in each pair.
    columns : ndarray of shape (n_pairs,)
        Component of the second mixture in each pair.
    mass : ndarray of shape (n_pairs,)
        What the plan carries from one to the other.
    maps : ndarray of shape (n_pairs, d, d)
        Matrices of the Gaussian maps.
    """

    rows: Index
    columns: Index
    mass: Array
    maps: Array

    @property
    def shares(self) -> Array:
        """What part of its first component's mass each pair carries, (n_pairs,)."""
        return self.mass / np.bincount(self.rows, self.mass)[self.rows]


def couple(mixture: Mixture, other: Mixture) -> Coupling:
    """Find an optimal plan for MW2 between two mixtures.

    Parameters
    ----------
    mixture, other : Mixture

    Returns
    -------
    Coupling
    """
    _, _, costs, (_, plan, *_) = solve_between(mixture, other)
    rows, columns = np.nonzero(plan_support(plan))
    return Coupling(rows, columns, plan[rows, columns], costs.maps(rows, columns))


def interpolate_mixtures(mixture: Mixture, other: Mixture, t: float) -> Mixture:
    """MW2 geodesic at time t (Delon & Desolneux, 2020, section 4.4).

    Parameters
    ----------
    mixture, other : Mixture
        The ends, at times 0 and 1.
    t : float
        From 0 to 1.

    Returns
    -------
    Mixture
        One component for each pair of components that the plan joins.
    """
    pairs = couple(mixture, other)
    means = (1 - t) * mixture.means[pairs.rows] + t * other.means[pairs.columns]
    starts, ends = mixture.covariances[pairs.rows], other.covariances[pairs.columns]
    covariances = geodesic(starts, ends, pairs.maps, t)
    return Mixture(pairs.mass / pairs.mass.sum(), means, covariances)


def transport_barycentric(
    points: Array, responsibilities: Array, mixture: Mixture, other: Mixture
) -> Array:
    """Mean image of each point (Delon & Desolneux, 2020, section 6.3, T_mean).

    The mean is over the Gaussian maps of all pairs, by their posterior probabilities
    given the point.

    Parameters
    ----------
    points : ndarray of shape (n, d)
    responsibilities : ndarray of shape (n, n_components)
        Posterior probabilities of the components of `mixture`.
    mixture, other : Mixture

    Returns
    -------
    ndarray of shape (n, d)
    """
    pairs = couple(mixture, other)
    n_components, n_features = mixture.means.shape
    shares = pairs.shares
    linear = np.zeros((n_components, n_features, n_features))
    np.add.at(linear, pairs.rows, shares[:, None, None] * pairs.maps)
    offset = np.zeros((n_components, n_features))
    np.add.at(offset, pairs.rows, shares[:, None] * other.means[pairs.columns])
    offset -= np.einsum("kij,kj->ki", linear, mixture.means)
    stacked = linear.reshape(-1, n_features).T

    def move(batch: slice) -> Array:
        images = (points[batch] @ stacked).reshape(-1, n_components, n_features)
        return np.einsum("nk,nkd->nd", responsibilities[batch], images + offset)

    return _in_batches(move, len(points), n_components * n_features)


def transport_random(
    points: Array,
    responsibilities: Array,
    mixture: Mixture,
    other: Mixture,
    rng: np.random.RandomState,
) -> Array:
    """Image of each point under one Gaussian map, drawn from the plan.

    The pair of components is drawn by its posterior probability given the point (Delon
    & Desolneux, 2020, section 6.3, T_rand), so that a sample of `mixture` becomes a
    sample of `other`.

    Parameters
    ----------
    points : ndarray of shape (n, d)
    responsibilities : ndarray of shape (n, n_components)
        Posterior probabilities of the components of `mixture`.
    mixture, other : Mixture
    rng : RandomState

    Returns
    -------
    ndarray of shape (n, d)
    """
    pairs = couple(mixture, other)
    shares = pairs.shares
    uniform = rng.uniform(size=len(points))

    def move(batch: slice) -> Array:
        cumulated = np.cumsum(responsibilities[batch][:, pairs.rows] * shares, axis=1)
        level = uniform[batch] * cumulated[:, -1]
        drawn = (cumulated[:, :-1] <= level[:, None]).sum(1)
        centred = points[batch] - mixture.means[pairs.rows[drawn]]
        images = np.einsum("nij,nj->ni", pairs.maps[drawn], centred)
        return images + other.means[pairs.columns[drawn]]

    return _in_batches(move, len(points), points.shape[1] ** 2)


def _in_batches(
    move: Callable[[slice], Array], n_points: int, numbers_per_point: int
) -> Array:
    """Move points batch by batch, so that the images of all never exist at once."""
    size = max(1, _BATCH_NUMBERS // numbers_per_point)
    batches = range(0, n_points, size)
    return np.concatenate([move(slice(i, i + size)) for i in batches])
