"""A sample moved to fewer points, chunk by chunk."""

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array, check_random_state
from sklearn.utils.parallel import delayed

from skwot._callbacks import run_tasks
from skwot._compat import Interval, StrOptions, validate_params
from skwot._ot.metrics import ALIASES, METRICS
from skwot._unmixing.chunks import columns_of, run_on_dask, split_chunks
from skwot._unmixing.merging import Goal, merge, move_chunk, seeds_of
from skwot._unmixing.results import QuantizationResult


@validate_params(
    {
        "max_support": [Interval(Integral, 1, None, closed="left"), None],
        "points": ["array-like", None],
        "metric": [StrOptions({*METRICS, *ALIASES}), callable],
        "metric_params": [dict, None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def quantize(
    X: Any,
    max_support: int | None = None,
    *,
    points: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    metric: str | Callable[..., Any] = "euclidean",
    metric_params: dict[str, Any] | None = None,
    n_jobs: int | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> QuantizationResult:
    """Move a sample, which need not fit in memory, to fewer points with weights.

    Each chunk of the sample is moved where it is: in a process of joblib, or on a
    worker of dask. Only the centres of chunks, at most `max_support` of each, come
    together and are moved once more.

    Read more in the :ref:`User Guide <how_to_large_samples>`.

    Parameters
    ----------
    X : array-like, data frame, dask collection, or iterable of chunks
        The rows, of shape (n_samples, n_features). An array, a memory-mapped array or a
        frame is cut into chunks of 4,194,304 numbers, and no less than ``20 *
        max_support`` rows. A dask array or frame has its own chunks, and dask computes
        them. A chunk in an iterable is an array, a frame, a function that returns one
        of these, a Delayed or a Future of dask, or a pair ``(rows, weights)`` of any of
        these. Functions and pairs can be combined: a function may return a pair.
    max_support : int, default=None
        Largest number of points. Centres are found by k-means in each chunk. The
        result depends on how the sample is divided into chunks.
    points : array-like of shape (n_points, n_features), default=None
        Each row moves to the nearest of these points instead, in Euclidean distance;
        nothing is random then. Give all sources and the target the same points: a
        target that is a mixture of the sources then remains one, so that few points are
        enough for accurate weights. One that is shifted against the sources needs many.
    sample_weight : array-like of shape (n_samples,), default=None
        Mass of each row; with a dask collection one of dask, in the same chunks. None
        if `X` is an iterable of chunks.
    metric : str or callable, default="euclidean"
        Ground cost in which the move is paid, as in :class:`WassersteinUnmixer`. Its
        weights of features count in the search for the nearest point, too.
    metric_params : dict, default=None
        Parameters of the metric.
    n_jobs : int, default=None
        Number of chunks that are moved in parallel, through joblib. The result does not
        depend on it. It must be None for dask's objects, which dask computes.
    random_state : int, RandomState instance or None, default=None
        Seed of k-means.

    Returns
    -------
    QuantizationResult
        With the fields `points`, `weights` and `error`. Where `points` are given, they
        are returned as they are, with a weight of zero where no row went.

    Raises
    ------
    ValueError
        If not exactly one of `max_support` and `points` is given, if no row has mass,
        if chunks differ in their features, or if `n_jobs` or `sample_weight` contradict
        the kind of `X`.

    See Also
    --------
    stack_sources : Takes the results for sources and target.
    WassersteinUnmixer : Moves samples that are in memory by its `max_support`.

    Notes
    -----
    Rows move to the nearest centre, and centres to the mean of their rows. What that
    costs is added up exactly within each chunk. Where the centres of chunks are moved
    in turn, the triangle inequality bounds the sum, for the square of a distance that
    of the roots [1]_.

    References
    ----------
    .. [1] S. Graf and H. Luschgy, "Foundations of Quantization for Probability
       Distributions", Springer (2000), section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from skwot import quantize
    >>> def read(seed):
    ...     return np.random.default_rng(seed).normal(size=(1000, 2))
    >>> chunks = (read(seed) for seed in range(5))
    >>> points, weights, error = quantize(chunks, 30, random_state=0)
    >>> points.shape, weights.sum()
    ((30, 2), np.float64(5000.0))
    """
    if (max_support is None) == (points is None):
        raise ValueError(
            "Exactly one of max_support and points must be given; "
            f"got {'neither' if points is None else 'both'}."
        )
    given, columns = None, None
    if points is not None:
        columns = columns_of(points)
        given = check_array(points, dtype=np.float64, input_name="points")
    goal = Goal(given, max_support, metric, metric_params, columns)
    rng = check_random_state(random_state)
    chunks = split_chunks(X, sample_weight, 20 * (max_support or 0))
    if chunks.on_dask and n_jobs is not None:
        raise ValueError(
            f"n_jobs must be None for objects of dask, whose scheduler computes them; "
            f"got {n_jobs}."
        )
    seeds = seeds_of(goal, rng)
    calls = ((chunk, goal, next(seeds)) for chunk in chunks.parts)
    if chunks.on_dask:
        found = run_on_dask(move_chunk, list(calls))
    else:
        found = run_tasks((delayed(move_chunk)(*call) for call in calls), n_jobs)
    return merge([moved for moved in found if moved is not None], goal, rng)
