"""Bootstrap of several targets, in parallel, and its result."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.parallel import Parallel, delayed

from skwot._ot.measures import SourceMeasures
from skwot._ot.resampling import Replicates, bootstrap_weights
from skwot._ot.transport import Metric
from skwot._sources import Target

Array = NDArray[np.float64]

# Replicates in one task, which share the work on the sample.
_BLOCK = 50


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
