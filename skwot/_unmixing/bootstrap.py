"""Bootstrap of unmixing weights, every replicate on the planes of the sample.

Potentials stay feasible when masses change. So when the masses of the sources and the
target are resampled, pairs found before give planes of the new problem at the price of
a matrix product. Pairs from around the minimum of the sample save a tenth to a fifth
of the transport problems; a hundred from other replicates save fewer.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.parallel import delayed

from skwot._callbacks import Task, run_subtasks
from skwot._threads import one_thread_of_blas
from skwot._typing import Array
from skwot._unmixing.problem import Marginals, Objective, Plane, Problem
from skwot._unmixing.solve import Settings, make_objective, minimise

# The gap of a replicate may be this fraction of what sampling errors add to the loss,
# which moved weights by 0.1 to 0.2 of their spread on digits and breast cancer.
_SHARE_OF_RISE = 0.1
_FINEST = 1e-4  # of the loss; no gap needs to be smaller
_ADDED = 0.5  # rows of each source that join the target
_BLOCK = 50  # replicates in one task, which share the work on the sample


class RowCounts(NamedTuple):
    """How many rows were observed.

    Attributes
    ----------
    sources : ndarray of shape (K,)
    target : int
    """

    sources: NDArray[np.intp]
    target: int


class Sample(NamedTuple):
    """What is resampled.

    Attributes
    ----------
    problem : Problem
    rows : RowCounts
    """

    problem: Problem
    rows: RowCounts


class Resample(NamedTuple):
    """What was drawn.

    Attributes
    ----------
    marginals : Marginals
        With the masses of the target's own rows.
    labelled : ndarray of shape (K,)
        Shares of the rows that were added to the target, by source.
    """

    marginals: Marginals
    labelled: Array

    def complete(self, weights: Array) -> Array:
        """Weights of all rows, given those of the target's own, shape (K,)."""
        return (1 - self.labelled.sum()) * weights + self.labelled


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


def draw_replicates(
    samples: list[Sample],
    settings: Settings,
    n_resamples: int,
    random_state: np.random.RandomState,
    n_jobs: int | None,
    parent: Task | None = None,
) -> list[Replicates]:
    """Draw the replicates of each sample, in blocks that run in parallel.

    Parameters
    ----------
    samples : list of Sample
    settings : Settings
    n_resamples : int
    random_state : RandomState
    n_jobs : int or None
        The replicates do not depend on it.
    parent : Task, default=None
        What this is a part of, if anybody wants to know.

    Returns
    -------
    list of Replicates
        One for each sample.
    """
    entropy = random_state.randint(np.iinfo(np.int32).max, size=len(samples))
    blocks = [
        (sample, seeds)
        for sample, seed in zip(samples, entropy, strict=True)
        for seeds in _blocks(np.random.SeedSequence(seed).spawn(n_resamples))
    ]
    calls = (
        delayed(bootstrap_weights)(sample, settings, seeds) for sample, seeds in blocks
    )
    found = run_subtasks(calls, n_jobs, parent, "replicates", len(blocks))
    n_blocks = len(blocks) // len(samples)
    return [_join(found[i : i + n_blocks]) for i in range(0, len(blocks), n_blocks)]


def _blocks(seeds: list[np.random.SeedSequence]) -> list[list[np.random.SeedSequence]]:
    """Blocks that do not depend on the number of workers."""
    return [seeds[i : i + _BLOCK] for i in range(0, len(seeds), _BLOCK)]


def _join(blocks: list[Replicates]) -> Replicates:
    return Replicates(
        blocks[0].estimate,
        np.concatenate([block.weights for block in blocks]),
        sum(block.n_failed for block in blocks),
    )


@one_thread_of_blas
def bootstrap_weights(
    sample: Sample, settings: Settings, seeds: list[np.random.SeedSequence]
) -> Replicates:
    """Weights of one replicate for each seed.

    Parameters
    ----------
    sample : Sample
    settings : Settings
        Its solver is not used for losses of transport: every replicate is then solved
        by the level method.
    seeds : list of numpy.random.SeedSequence

    Returns
    -------
    Replicates
    """
    objective = make_objective(sample.problem, settings)
    marginals = objective.marginals
    # Planes of the exact loss serve all replicates, so that all are descended on.
    settings = settings._replace(
        learning_rate="auto",
        tol=_FINEST,
        solver="auto" if settings.is_newton else "pgd",
    )
    weights = minimise(objective, settings).weights
    planes, rise = _explore(objective, weights, sample.rows.target)
    resolution = max(objective.rounding, _SHARE_OF_RISE * rise)
    # The source of outliers, if there is one, is a single atom.
    source_rows = np.ones(marginals.n_weights, dtype=np.intp)
    source_rows[: len(sample.rows.sources)] = sample.rows.sources
    rows = RowCounts(source_rows, sample.rows.target)
    replicates, n_failed = [], 0
    for seed in seeds:
        drawn = resample(marginals, rows, np.random.default_rng(seed))
        replicate = objective.reweighted(drawn.marginals, planes, weights)
        replicate.rounding = resolution
        solved = minimise(replicate, settings)
        replicates.append(drawn.complete(solved.weights))
        n_failed += not solved.converged
        del replicate  # its matrices, before those of the next one are made
    return Replicates(weights, np.array(replicates), n_failed)


def resample(
    marginals: Marginals, rows: RowCounts, rng: np.random.Generator
) -> Resample:
    """Draw as many rows as there were, with the masses as probabilities.

    To the target half a row of each source is added first, whose label is known
    (Jeffreys' prior; Brown, Cai & DasGupta, 2001). Otherwise what the sample happens to
    lack is in no replicate, and intervals of small shares cover too rarely. At least
    one of the target's own rows is drawn.

    Parameters
    ----------
    marginals : Marginals
    rows : RowCounts
    rng : numpy.random.Generator

    Returns
    -------
    Resample
    """
    shares = np.append(np.full(marginals.n_weights, _ADDED), rows.target)
    *added, own = rng.multinomial(rows.target, shares / shares.sum())
    own = max(own, 1)
    labelled = np.array(added) / (sum(added) + own)
    target = rng.multinomial(own, marginals.target) / own
    masses = _resample_sources(marginals.masses, rows.sources, rng)
    return Resample(marginals._replace(masses=masses, target=target), labelled)


def _resample_sources(
    masses: sparse.csr_array, sizes: NDArray[np.intp], rng: np.random.Generator
) -> sparse.csr_array:
    columns = masses.tocsc()
    ends = columns.indptr
    data = [
        rng.multinomial(size, columns.data[start:stop]) / size
        for size, start, stop in zip(sizes, ends[:-1], ends[1:], strict=True)
    ]
    drawn = sparse.csc_array(
        (np.concatenate(data), columns.indices, ends), shape=columns.shape
    )
    return drawn.tocsr()


def _explore(
    objective: Objective, weights: Array, size: int
) -> tuple[list[Plane], float]:
    """Evaluate the objective at its minimum, and where sampling moves the weights.

    Moving towards source k by ``size ** -0.5``, with probability w_k, moves the weights
    by zero on average, and with the covariance of shares among `size` rows. Where the
    gap is a small fraction of the mean rise of the loss, the optimum is near in units
    of the weights' sampling error.

    Returns
    -------
    planes : list of Plane
    rise : float
        What a sampling error of the weights adds to the loss.
    """
    length = size**-0.5
    towards = (1 - length) * weights + length * np.eye(len(weights))
    minimum, *moved = [objective(point) for point in [weights, *towards]]
    rises = [evaluation.value - minimum.value for evaluation in moved]
    planes = [evaluation.plane for evaluation in [minimum, *moved]]
    return planes, float(weights @ rises)
