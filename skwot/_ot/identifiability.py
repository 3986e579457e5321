"""How well the geometry of the sources determines each weight."""

from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial.distance import cdist

from skwot._ot.measures import SourceMeasures
from skwot._ot.transport import Metric, ground_cost

Array = NDArray[np.float64]

# Atoms that are looked at: so many in all, or of each source if that is more.
_ATOMS = 5000
_ATOMS_OF_EACH = 300
_LANDMARKS = 50
_BLOCK_ENTRIES = 2**20  # of a cost matrix held at a time
_ROUNDING = 1e-12  # of the mean cost, in an energy distance

# Costs of negative type, whose energy distances are never negative, and costs that
# are squares of such (Schoenberg, 1938).
_NEGATIVE_TYPE = frozenset({"cityblock", "euclidean", "minkowski"})
_SQUARES = frozenset({"correlation", "cosine", "sqeuclidean"})


class Identifiability(NamedTuple):
    """What tells each of K sources from all combinations of the others.

    Attributes
    ----------
    scores : ndarray of shape (K,)
        In [0, 1]; zero if the weight is not determined.
    directions : ndarray of shape (K, K)
        Row k is the change of the weights, with sum zero and entry k one, that changes
        the mixture least.
    pairs : ndarray of shape (K, K)
        What `scores` would be if there were these two sources only; ones on the
        diagonal.
    """

    scores: Array
    directions: Array
    pairs: Array


def identifiability(sources: SourceMeasures, metric: Metric) -> Identifiability:
    """Energy distance between each source and the nearest combination of the others.

    With the costs c of two independent points, M_kl = E c(x_k, x_l), a change h of the
    weights, with sum zero, moves the mixture by the energy distance -h'Mh. Its least
    value among the changes with h_k = 1, divided by 2 M_kl for the nearest source l,
    is the score. For two sources it is the coefficient of inhomogeneity of Rizzo and
    Székely, one for two point masses.

    Of large sources a sample is looked at, drawn without randomness.

    Parameters
    ----------
    sources : SourceMeasures
    metric : str or callable
        The root of a squared cost is measured, whose energy distance would be
        that of the means. Costs not known to be of negative type are measured as
        Euclidean distances between the costs to some of the points.

    Returns
    -------
    Identifiability

    References
    ----------
    Székely, G. J., & Rizzo, M. L. (2013). Energy statistics: A class of statistics
    based on distances. Journal of Statistical Planning and Inference, 143(8).
    """
    n_sources = sources.masses.shape[1]
    if n_sources == 1:
        return Identifiability(np.ones(1), np.ones((1, 1)), np.ones((1, 1)))
    costs = _mean_costs(_systematic_sample(sources), metric)
    within = np.diag(costs)
    pairs = _ratio(2 * costs - within - within[:, None], 2 * costs)
    np.fill_diagonal(pairs, 1.0)
    distances, directions = _nearest_combinations(costs)
    nearest = (costs + np.diag(np.full(n_sources, np.inf))).min(axis=1)
    return Identifiability(_ratio(distances, 2 * nearest), directions, pairs)


def _ratio(distances: Array, scales: Array) -> Array:
    """Zero where the scale is: two masses at one point."""
    ratio = np.divide(distances, scales, out=np.zeros_like(distances), where=scales > 0)
    return ratio.clip(0, 1)


def _nearest_combinations(costs: Array) -> tuple[Array, Array]:
    """Least -h'Mh for sum h = 0 and h_k = 1, and the h that attain it, as rows.

    With A = -JMJ, J the projection along ones, the multiplier of h_k = 1 is
    1 / (A^-1)_kk. A ridge at the rounding error stands for the inverse where sources
    depend on each other.
    """
    unit = costs.mean() or 1.0
    centred = -costs / unit
    centred -= centred.mean(axis=0)
    centred -= centred.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh((centred + centred.T) / 2)
    basis = vectors - vectors.mean(axis=0)
    inverse = (basis / values.clip(_ROUNDING)) @ basis.T
    distances = 1 / np.diag(inverse)
    return unit * distances, inverse * distances[:, None]


def _mean_costs(sources: SourceMeasures, metric: Metric) -> Array:
    """Mean cost M_kl of independent points of sources k and l, by blocks."""
    points, masses = sources
    if metric not in _NEGATIVE_TYPE | _SQUARES:
        points, metric = _profiles(points, metric), "euclidean"
    n_blocks = -(-(len(points) ** 2) // _BLOCK_ENTRIES)
    to_mean = sparse.csr_array(masses.T)
    total = np.zeros((masses.shape[1], masses.shape[1]))
    for block in np.array_split(np.arange(len(points)), n_blocks):
        cost = ground_cost(points, points[block], metric)
        if metric in _SQUARES:
            np.sqrt(cost, out=cost)
        total += to_mean @ cost @ masses[block]
    return (total + total.T) / 2


def _profiles(points: Array, metric: Metric) -> Array:
    """Costs to some of the points.

    A cost that is not a number, such as "braycurtis" gives for two rows of zeros,
    counts as none: whether it matters is the solver's to say.
    """
    landmarks = points[:: -(-len(points) // _LANDMARKS)]
    with np.errstate(all="ignore"):
        costs = np.asarray(cdist(points, landmarks, cast(Any, metric)))
    return np.where(np.isfinite(costs), costs, 0.0)


def _systematic_sample(sources: SourceMeasures) -> SourceMeasures:
    """Draw atoms of large sources, each as likely as it is heavy, without randomness.

    The same atoms stand for all sources, so that equal sources stay equal and mixtures
    stay mixtures. Atoms too heavy to be left out are all kept.
    """
    points, masses = sources.points, sources.masses.toarray()
    limit = max(_ATOMS_OF_EACH, _ATOMS // masses.shape[1])
    if len(points) <= limit * masses.shape[1]:
        return sources
    chance = np.minimum(1, limit * masses.max(axis=1))
    chance[masses.argmax(axis=0)] = 1.0  # so that no source is left without
    chosen = chance == 1
    # Along each source by itself, lest all of one falls between the steps.
    owner = np.where(chosen, -1, masses.argmax(axis=1))
    for k in range(masses.shape[1]):
        own = np.flatnonzero(owner == k)
        steps = np.floor(np.cumsum(chance[own]) + 0.5)
        chosen[own] = np.diff(steps, prepend=0) > 0
    kept = masses[chosen] / chance[chosen, None]
    return SourceMeasures(points[chosen], sparse.csr_array(kept / kept.sum(axis=0)))
