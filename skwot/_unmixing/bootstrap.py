"""Bootstrap of unmixing weights, every replicate on the planes of the sample.

Potentials are feasible whatever the masses are. So when the masses of the sources and
the target are resampled, pairs found before give planes of the new problem at the price
of a matrix product. Pairs from around the minimum of the sample save a tenth to a fifth
of the transport problems; a hundred from other replicates save fewer.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import threadpool_limits

from skwot._ot.ground_costs import Metric
from skwot._ot.measures import Measure, SourceMeasures
from skwot._ot.transport import c_transform
from skwot._unmixing.losses.exact import DenseObjective
from skwot._unmixing.solvers.bundle import solve_bundle
from skwot._unmixing.sources import Target

Array = NDArray[np.float64]

# The gap of a replicate may be this fraction of what sampling errors add to the loss,
# which moved weights by 0.1 to 0.2 of their spread on digits and breast cancer.
_SHARE_OF_RISE = 0.1
_FINEST = 1e-4  # of the loss; no gap needs to be smaller
_ADDED = 0.5  # rows of each source
# Replicates in one task, which share the work on the sample.
_BLOCK = 50


class Sample(NamedTuple):
    """What is resampled.

    Attributes
    ----------
    masses : sparse array of shape (n, K)
        Masses of the sources.
    source_sizes : ndarray of shape (K,)
        Number of rows of each source.
    target : ndarray of shape (m,)
        Masses of the target.
    target_size : int
        Number of rows of the target.
    """

    masses: sparse.csr_array
    source_sizes: NDArray[np.intp]
    target: Array
    target_size: int


class Resample(NamedTuple):
    """What was drawn.

    Attributes
    ----------
    masses : sparse array of shape (n, K)
    target : ndarray of shape (m,)
        Masses of the target's own rows.
    labelled : ndarray of shape (K,)
        Shares of the rows that were added to the target, by source.
    """

    masses: sparse.csr_array
    target: Array
    labelled: Array

    def complete(self, weights: Array) -> Array:
        """Weights of all rows, given those of the target's own, shape (K,)."""
        return (1 - self.labelled.sum()) * weights + self.labelled


def resample(sample: Sample, rng: np.random.Generator) -> Resample:
    """Draw as many rows as there were, with the masses as probabilities.

    To the target half a row of each source is added first, whose label is known
    (Jeffreys' prior; Brown, Cai & DasGupta, 2001). Otherwise what the sample happens to
    lack is in no replicate, and intervals of small shares cover too rarely. At least
    one of the target's own rows is drawn.

    Parameters
    ----------
    sample : Sample
    rng : numpy.random.Generator

    Returns
    -------
    Resample
    """
    size, n_sources = sample.target_size, len(sample.source_sizes)
    rows = np.append(np.full(n_sources, _ADDED), size)
    *added, own = rng.multinomial(size, rows / rows.sum())
    own = max(own, 1)
    labelled = np.array(added) / (sum(added) + own)
    target = rng.multinomial(own, sample.target) / own
    return Resample(_resample_sources(sample, rng), target, labelled)


def _resample_sources(sample: Sample, rng: np.random.Generator) -> sparse.csr_array:
    columns = sample.masses.tocsc()
    data = [
        rng.multinomial(size, columns.data[start:stop]) / size
        for size, start, stop in zip(
            sample.source_sizes, columns.indptr[:-1], columns.indptr[1:], strict=True
        )
    ]
    drawn = sparse.csc_array(
        (np.concatenate(data), columns.indices, columns.indptr), shape=columns.shape
    )
    return drawn.tocsr()


class Replicates(NamedTuple):
    """Weights of a sample and of its replicates.

    Attributes
    ----------
    estimate : ndarray of shape (K,)
    weights : ndarray of shape (n_replicates, K)
        With an outlier cost, the last of K is the source of outliers.
    n_failed : int
        Replicates whose gap did not close.
    """

    estimate: Array
    weights: Array
    n_failed: int


# A joblib worker may have fewer threads, and sums depend on their number.
@threadpool_limits.wrap(limits=1, user_api="blas")
def bootstrap_weights(
    sources: SourceMeasures,
    target: Measure,
    metric: Metric,
    outlier_cost: float | None,
    surcharges: Array | float = 0.0,
    *,
    sizes: tuple[NDArray[np.intp], int],
    seeds: list[np.random.SeedSequence],
    max_iter: int,
) -> Replicates:
    """Weights of one replicate for each seed.

    Parameters
    ----------
    sources : SourceMeasures
    target : Measure
    metric : str or callable
    outlier_cost : float or None
    surcharges : ndarray of shape (K,), default=0.0
        Cost of a unit of each weight, the same in every replicate.
    sizes : tuple of ndarray of shape (K,) and int
        Number of rows of each source and of the target.
    seeds : list of numpy.random.SeedSequence
    max_iter : int
        Largest number of transport problems for a replicate.

    Returns
    -------
    Replicates
    """
    objective = DenseObjective(sources, target, metric, outlier_cost)
    # The source of outliers, if there is one, is a single atom.
    source_sizes = np.ones(objective.masses.shape[1], dtype=np.intp)
    source_sizes[: len(sizes[0])] = sizes[0]
    sample = Sample(objective.masses, source_sizes, target.masses, sizes[1])
    each = surcharges / objective.unit
    solve = partial(solve_bundle, max_iter=max_iter, tol=_FINEST, surcharges=each)
    found = solve(objective)
    around = _explore(objective, found.weights, sizes[1])
    resolution = max(objective.rounding, _SHARE_OF_RISE * around.rise)
    weights, n_failed = [], 0
    for seed in seeds:
        drawn = resample(sample, np.random.default_rng(seed))
        replicate = objective.reweighted(
            drawn.masses, drawn.target, found.weights, around.potentials, resolution
        )
        solved = solve(replicate)
        weights.append(drawn.complete(solved.weights))
        n_failed += not solved.converged
    return Replicates(found.weights, np.array(weights), n_failed)


class _Surroundings(NamedTuple):
    """The objective of the sample around its minimum.

    Attributes
    ----------
    potentials : tuple of ndarray of shape (n_points, n) and (n_points, m)
    rise : float
        What a sampling error of the weights adds to the loss.
    """

    potentials: tuple[Array, Array]
    rise: float


def _explore(objective: DenseObjective, weights: Array, size: int) -> _Surroundings:
    """Evaluate the objective at its minimum, and where sampling moves the weights.

    Moving towards source k by ``size ** -0.5``, with probability w_k, moves the weights
    by zero on average, and with the covariance of shares among `size` rows. Where the
    gap is a small fraction of the mean rise, the optimum is near in units of spread.
    """
    length = size**-0.5
    towards = (1 - length) * weights + length * np.eye(len(weights))
    minimum, *moved = [objective(point) for point in [weights, *towards]]
    rise = sum(
        w * (one.value - minimum.value) for w, one in zip(weights, moved, strict=True)
    )
    betas = np.array([one.plane.record for one in [minimum, *moved]], dtype=np.float64)
    alphas = np.array([c_transform(objective.cost, beta) for beta in betas])
    return _Surroundings((alphas, betas), float(rise))


class ConfidenceInterval(NamedTuple):
    """Ends of confidence intervals.

    Attributes
    ----------
    low : ndarray of shape (K,) or (n_groups, K)
    high : ndarray of shape (K,) or (n_groups, K)
    """

    low: Array
    high: Array


@dataclass(frozen=True)
class BootstrapResult:
    """Result of :meth:`WassersteinUnmixer.bootstrap`, as of `scipy.stats.bootstrap`.

    Attributes
    ----------
    confidence_interval : ConfidenceInterval
        With the fields `low` and `high`, of shape (K,) or (n_groups, K).
    bootstrap_distribution : ndarray of shape (K, n_resamples) or \
            (n_groups, K, n_resamples)
        Weights of the replicates.
    standard_error : ndarray of shape (K,) or (n_groups, K)
        Their standard deviation.
    """

    confidence_interval: ConfidenceInterval
    bootstrap_distribution: Array
    standard_error: Array


def draw_replicates(
    sources: SourceMeasures,
    targets: list[Target],
    metric: Metric,
    outlier_cost: float | None,
    surcharges: Array,
    *,
    source_sizes: NDArray[np.intp],
    n_resamples: int,
    random_state: np.random.RandomState,
    max_iter: int,
    n_jobs: int | None,
) -> list[Replicates]:
    """Draw the replicates of each target, in blocks that run in parallel.

    Parameters
    ----------
    sources : SourceMeasures
    targets : list of Target
    metric : str or callable
    outlier_cost : float or None
    surcharges : ndarray of shape (K,)
    source_sizes : ndarray of shape (K,)
        Number of rows of each source.
    n_resamples : int
    random_state : RandomState
    max_iter : int
        Largest number of transport problems for a replicate.
    n_jobs : int or None
        The replicates do not depend on it.

    Returns
    -------
    list of Replicates
        One for each target.
    """
    entropy = random_state.randint(np.iinfo(np.int32).max, size=len(targets))
    tasks = [
        (target, seeds)
        for target, seed in zip(targets, entropy, strict=True)
        for seeds in _blocks(np.random.SeedSequence(seed).spawn(n_resamples))
    ]
    found = Parallel(n_jobs=n_jobs)(
        delayed(bootstrap_weights)(
            sources,
            target.measure,
            metric,
            outlier_cost,
            surcharges,
            sizes=(source_sizes, target.size),
            seeds=seeds,
            max_iter=max_iter,
        )
        for target, seeds in tasks
    )
    n_blocks = len(tasks) // len(targets)
    return [_join(found[i : i + n_blocks]) for i in range(0, len(tasks), n_blocks)]


def _blocks(seeds: list[np.random.SeedSequence]) -> list[list[np.random.SeedSequence]]:
    """Blocks that do not depend on the number of workers."""
    return [seeds[i : i + _BLOCK] for i in range(0, len(seeds), _BLOCK)]


def _join(blocks: list[Replicates]) -> Replicates:
    return Replicates(
        blocks[0].estimate,
        np.concatenate([block.weights for block in blocks]),
        sum(block.n_failed for block in blocks),
    )


def summarise(
    estimate: Array, distribution: Array, confidence_level: float, method: str
) -> BootstrapResult:
    """Turn replicates into intervals.

    Parameters
    ----------
    estimate : ndarray of shape (..., K)
        Weights of the sample itself.
    distribution : ndarray of shape (..., K, n_resamples)
    confidence_level : float
    method : {"percentile", "basic"}
        "basic" reflects the percentiles at the estimate (Davison & Hinkley, 1997,
        section 5.2) and clips the ends to [0, 1].

    Returns
    -------
    BootstrapResult
    """
    tail = (1 - confidence_level) / 2
    low, high = np.quantile(distribution, [tail, 1 - tail], axis=-1)
    if method == "basic":
        low, high = 2 * estimate - high, 2 * estimate - low
        low, high = np.clip(low, 0, 1), np.clip(high, 0, 1)
    return BootstrapResult(
        ConfidenceInterval(low, high), distribution, distribution.std(axis=-1, ddof=1)
    )
