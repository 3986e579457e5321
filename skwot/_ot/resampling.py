"""Bootstrap of unmixing weights, every replicate on the planes of the others.

Potentials are feasible whatever the masses are. So when the masses of the sources and
the target are resampled, every pair found before gives a plane of the new problem at
the price of a matrix product, and few transport problems are left to solve.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from skwot._ot.dense import DenseObjective
from skwot._ot.measures import Measure, SourceMeasures
from skwot._ot.outliers import add_outlier_source
from skwot._ot.solvers.bundle import solve_bundle
from skwot._ot.transport import Metric
from skwot._ot.unmixing import Unmixing

Array = NDArray[np.float64]

# The gap of a replicate may be this fraction of its loss, far below its spread.
REPLICATE_TOL = 3e-3
_POOL = 100  # pairs of potentials kept


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


def resample(sample: Sample, rng: np.random.Generator) -> Sample:
    """Draw as many rows as there were, with the masses as probabilities.

    Parameters
    ----------
    sample : Sample
    rng : numpy.random.Generator

    Returns
    -------
    Sample
    """
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
    target = rng.multinomial(sample.target_size, sample.target) / sample.target_size
    return sample._replace(masses=drawn.tocsr(), target=target)


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
    sample = Sample(sources.masses, sizes[0], target.masses, sizes[1])
    each = surcharges / objective.unit
    found = solve_bundle(
        objective, max_iter=max_iter, tol=REPLICATE_TOL, surcharges=each
    )
    estimate, pool = found.weights, [(found.alpha, found.beta)]
    weights, n_failed = [], 0
    for seed in seeds:
        drawn = resample(sample, np.random.default_rng(seed))
        found = _solve_replicate(objective, drawn, estimate, pool, max_iter, each)
        pool = [*pool, (found.alpha, found.beta)][-_POOL:]
        weights.append(found.weights)
        n_failed += not found.converged
    return Replicates(estimate, np.array(weights), n_failed)


def _solve_replicate(
    objective: DenseObjective,
    drawn: Sample,
    start: Array,
    pool: list[tuple[Array, Array]],
    max_iter: int,
    surcharges: Array | float,
) -> Unmixing:
    masses = drawn.masses
    if objective.masses.shape[0] > masses.shape[0]:
        masses = add_outlier_source(masses)
    pairs = np.array([a for a, _ in pool]), np.array([b for _, b in pool])
    replicate = objective.reweighted(masses, drawn.target, start, pairs)
    return solve_bundle(
        replicate, max_iter=max_iter, tol=REPLICATE_TOL, surcharges=surcharges
    )
