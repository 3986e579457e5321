"""How well the geometry of the sources determines each weight, and in words."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from skwot._ot.ground_costs import ground_cost
from skwot._ot.measures import SourceMeasures, row_counts
from skwot._ot.metrics import Metric, facts_of, raw_costs
from skwot._typing import Array
from skwot._warnings import warn_user
from skwot.exceptions import IdentifiabilityWarning

_ATOMS = 5000  # atoms that are looked at, of all sources together,
_ATOMS_OF_EACH = 300  # or of each source, if that is more
_LANDMARKS = 50  # points to which the costs stand for a point, see _profiles
_BLOCK_ENTRIES = 2**20  # of a cost matrix held at a time
_ROUNDING = 1e-12  # of the mean cost, in an energy distance

# Two samples of 200 rows from one distribution score this much on average.
THRESHOLD = 0.005
_ROUNDED = 1e-9  # a larger score of sources that are known exactly is no rounding
_SHARE = 0.05  # smaller parts of a mixture are not named
_STATEMENTS = 3  # of the sources that are worst determined


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
    metric : Metric
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
    if not facts_of(metric).negative_type:
        points, metric = _profiles(points, metric), "euclidean"
    n_blocks = -(-(len(points) ** 2) // _BLOCK_ENTRIES)
    to_mean = sparse.csr_array(masses.T)
    total = np.zeros((masses.shape[1], masses.shape[1]))
    for block in np.array_split(np.arange(len(points)), n_blocks):
        cost = ground_cost(points, points[block], metric)
        if facts_of(metric).square:
            np.sqrt(cost, out=cost)
        total += to_mean @ cost @ masses[block]
    return (total + total.T) / 2


def _profiles(points: Array, metric: Metric) -> Array:
    """Costs to some of the points.

    A cost that is not a number, such as "braycurtis" gives for two rows of zeros,
    counts as none: whether it matters is the solver's to say.
    """
    landmarks = points[:: -(-len(points) // _LANDMARKS)]
    costs = raw_costs(points, landmarks, metric)
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


def check_identifiability(
    sources: SourceMeasures,
    metric: Metric,
    classes: NDArray[Any],
    sizes: NDArray[np.intp],
    hint: str = "",
) -> Array:
    """Score how well each weight is determined, and warn of those that are not.

    Parameters
    ----------
    sources : SourceMeasures
    metric : Metric
    classes : ndarray of shape (K,)
        Labels of the sources, for the message.
    sizes : ndarray of shape (K,)
        Number of rows of each source.
    hint : str, default=""
        Ends the message.

    Returns
    -------
    ndarray of shape (K,)
        In [0, 1].
    """
    found = identifiability(sources, metric)
    exact = are_profiles(sources, sizes)
    statements = describe(found, classes.tolist(), _ROUNDED if exact else THRESHOLD)
    if statements:
        more = len(statements) - _STATEMENTS
        rest = [f"and {more} more, see identifiability_"] if more > 0 else []
        warn_user(
            "Some weights are hardly determined: "
            f"{'; '.join(statements[:_STATEMENTS] + rest)}. "
            "Weight moves between these sources at almost no cost. Merge their "
            f"labels, or read their weights with bootstrap intervals only.{hint}",
            IdentifiabilityWarning,
        )
    return found.scores


def are_profiles(sources: SourceMeasures, sizes: NDArray[np.intp]) -> bool:
    """Whether the sources are given exactly, as masses on the same points.

    Spectra and histograms are. Samples have masses that count rows, or points of their
    own, and a difference between them may be chance.

    Parameters
    ----------
    sources : SourceMeasures
    sizes : ndarray of shape (K,)
        Number of rows of each source.

    Returns
    -------
    bool
    """
    n_atoms, n_sources = sources.masses.shape
    if n_sources == 1 or sources.masses.nnz < n_sources * n_atoms / 2:
        return False
    columns = sources.masses.toarray().T
    return any(
        row_counts(masses, size) is None
        for masses, size in zip(columns, sizes.tolist(), strict=True)
    )


def describe(
    found: Identifiability, labels: list[Any], threshold: float = THRESHOLD
) -> list[str]:
    """Say which sources are equal, or which mixtures of them are, with the scores.

    Parameters
    ----------
    found : Identifiability
    labels : list of K objects
    threshold : float, default=THRESHOLD
        Smaller scores are stated.

    Returns
    -------
    list of str
        Empty if every score reaches the threshold.
    """
    order = np.argsort(found.scores, kind="stable")
    doubtful = [int(k) for k in order if found.scores[k] < threshold]
    statements, named = [], set()
    # Equal sources first: they would share the part of one in a mixture.
    for k in doubtful:
        equal = sorted({k, *np.flatnonzero(found.pairs[k] < threshold).tolist()})
        if len(equal) > 1 and k not in named:
            text = f"sources {_enumerate(equal, labels)} are (nearly) the same"
            statements.append(f"{text} distribution{_score(found, k)}")
            named.update(equal)
    for k in doubtful:
        if k not in named:
            text, members = _equal_mixtures(found.directions[k], labels)
            statements.append(text + _score(found, k))
            named.update(members)
    return statements


def _enumerate(sources: list[int], labels: list[Any]) -> str:
    *first, last = (repr(labels[k]) for k in sources)
    return f"{', '.join(first)} and {last}"


def _equal_mixtures(direction: Array, labels: list[Any]) -> tuple[str, list[int]]:
    """Name the mixtures between which a direction moves weight, and their sources."""
    shares = [side / side.sum() for side in (direction.clip(0), (-direction).clip(0))]
    large = [
        np.flatnonzero(side >= min(_SHARE, side.max())).tolist() for side in shares
    ]
    first, second = sorted([0, 1], key=lambda i: (len(large[i]), large[i]))
    texts = [_mixture(shares[i], large[i], labels) for i in (first, second)]
    return " is (nearly) ".join(texts), large[0] + large[1]


def _mixture(shares: Array, large: list[int], labels: list[Any]) -> str:
    if shares[large[0]] > 1 - _SHARE:
        return f"source {labels[large[0]]!r}"
    terms = [f"{shares[k]:.2g} of {labels[k]!r}" for k in large]
    rest = ["..."] if shares[large].sum() < 1 - _SHARE / 10 else []
    return f"the mixture {' + '.join(terms + rest)}"


def _score(found: Identifiability, k: int) -> str:
    return f" (identifiability {found.scores[k]:.1g})"
