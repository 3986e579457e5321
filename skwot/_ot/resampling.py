"""Bootstrap of unmixing weights, every replicate on the planes of the sample.

Potentials are feasible whatever the masses are. So when the masses of the sources and
the target are resampled, pairs found before give planes of the new problem at the price
of a matrix product. Pairs from around the minimum of the sample save a tenth to a fifth
of the transport problems; a hundred from other replicates save fewer.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from skwot._ot.dense import DenseObjective
from skwot._ot.measures import Measure, SourceMeasures
from skwot._ot.solvers.bundle import solve_bundle
from skwot._ot.transport import Metric, c_transform

Array = NDArray[np.float64]

# The gap of a replicate may be this fraction of what sampling errors add to the loss,
# which moved weights by 0.1 to 0.2 of their spread on digits and breast cancer.
_SHARE_OF_RISE = 0.1
_FINEST = 1e-4  # of the loss; no gap needs to be smaller
_ADDED = 0.5  # rows of each source


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
