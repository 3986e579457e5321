"""Results that :class:`skwot.WassersteinUnmixer` returns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skwot._typing import Array
from skwot._warnings import warn_user


class ConfidenceInterval(NamedTuple):
    """Ends of confidence intervals.

    Attributes
    ----------
    low : ndarray of shape (K,) or (n_groups, K)
        Lower ends, one a source.
    high : ndarray of shape (K,) or (n_groups, K)
        Upper ends.

    See Also
    --------
    BootstrapResult : Has one as a field.

    Examples
    --------
    >>> from skwot import WassersteinUnmixer
    >>> from skwot.datasets import make_unmixing
    >>> X, y, _ = make_unmixing(2, n_target_samples=50, random_state=0)
    >>> low, high = WassersteinUnmixer().fit(X, y).bootstrap(
    ...     n_resamples=20, random_state=0
    ... ).confidence_interval
    >>> low.shape
    (2,)
    """

    low: Array
    high: Array


class QuantizationResult(NamedTuple):
    """Points that stand for a sample, as :func:`quantize` found them.

    Attributes
    ----------
    points : ndarray of shape (n_points, n_features)
        Where the rows have gone.
    weights : ndarray of shape (n_points,)
        How much mass each of them has: the number of its rows, or their summed weights.
    error : float
        What it costs to move the rows to the points, as a mean per unit of mass, in
        units of the metric. It is a bound where chunks were merged, and NaN where there
        is none, because the metric is not known to obey the triangle inequality.

    See Also
    --------
    quantize : Computes it.
    stack_sources : Takes it for the sample of a source.

    Examples
    --------
    >>> from skwot import quantize
    >>> result = quantize([[0.0], [2.0], [9.0]], 2, random_state=0)
    >>> result.points, result.weights, round(result.error, 3)
    (array([[1.],
           [9.]]), array([2., 1.]), 0.667)
    """

    points: Array
    weights: Array
    error: float


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
    unexplained : BootstrapResult or None
        The same for the share that no source explains, with one number less in each
        shape: the fields have no axis of sources. None without `outlier_cost`.

    See Also
    --------
    WassersteinUnmixer.bootstrap : Computes it.

    Examples
    --------
    >>> from skwot import WassersteinUnmixer
    >>> from skwot.datasets import make_unmixing
    >>> X, y, _ = make_unmixing(2, n_target_samples=50, random_state=0)
    >>> result = WassersteinUnmixer().fit(X, y).bootstrap(
    ...     n_resamples=20, random_state=0
    ... )
    >>> result.bootstrap_distribution.shape
    (2, 20)
    """

    confidence_interval: ConfidenceInterval
    bootstrap_distribution: Array
    standard_error: Array
    unexplained: "BootstrapResult | None" = None


class UnmixingResult(NamedTuple):
    """Result of :meth:`WassersteinUnmixer.unmix` with ``return_result=True``.

    Each field has one entry a group, or is the value itself if there are no groups.

    Attributes
    ----------
    groups : ndarray of shape (n_groups,) or None
        The groups, sorted; None if there are none.
    weights : ndarray of shape (n_groups, K) or (K,)
        Weights of the sources; NaN for a group of which no source explains anything.
    unexplained : ndarray of shape (n_groups,) or float
        Share that no source explains; 0.0 without `outlier_cost`.
    loss : ndarray of shape (n_groups,) or float
        As `loss_`, in units of the ground cost.
    lower_bound : ndarray of shape (n_groups,) or float
        As `lower_bound_`, in units of the ground cost.
    converged : ndarray of bool of shape (n_groups,), or bool
        Whether the gap met `tol`.

    See Also
    --------
    WassersteinUnmixer.unmix : Computes it.

    Examples
    --------
    >>> import numpy as np
    >>> from skwot import WassersteinUnmixer
    >>> X, y = [[0.0], [1.0], [10.0], [11.0]], ["a", "a", "b", "b"]
    >>> unmixer = WassersteinUnmixer().fit(X, y)
    >>> result = unmixer.unmix(
    ...     [[0.5], [10.5], [0.2]], groups=[1, 1, 2], return_result=True
    ... )
    >>> result.groups
    array([1, 2])
    >>> result.weights
    array([[0.5, 0.5],
           [1. , 0. ]])
    """

    groups: NDArray[Any] | None
    weights: Array
    unexplained: Array | float
    loss: Array | float
    lower_bound: Array | float
    converged: NDArray[np.bool_] | bool


@dataclass(frozen=True)
class GoodnessOfFitResult:
    """Result of :meth:`WassersteinUnmixer.goodness_of_fit`.

    Attributes
    ----------
    statistic : float or ndarray of shape (n_groups,)
        Loss of the target to one half of the sources.
    pvalue : float or ndarray of shape (n_groups,)
        Share of the losses of mixtures that are at least as large, the target's own
        counted among them.
    null_distribution : ndarray of shape (n_resamples,) or (n_groups, n_resamples)
        Losses of targets that are mixtures of the sources.

    See Also
    --------
    WassersteinUnmixer.goodness_of_fit : Computes it.

    Examples
    --------
    >>> from skwot import WassersteinUnmixer
    >>> from skwot.datasets import make_unmixing
    >>> X, y, _ = make_unmixing(2, random_state=0)
    >>> unmixer = WassersteinUnmixer(loss="semirelaxed").fit(X, y)
    >>> result = unmixer.goodness_of_fit(n_resamples=19, random_state=0)
    >>> result.null_distribution.shape
    (19,)
    """

    statistic: Array | float
    pvalue: Array | float
    null_distribution: Array


def missing_result(n_sources: int) -> UnmixingResult:
    """State that there is no solution for a target."""
    nothing = np.full(n_sources, np.nan)
    return UnmixingResult(None, nothing, np.nan, np.nan, np.nan, False)


def stack_results(
    groups: NDArray[Any], results: Sequence[UnmixingResult]
) -> UnmixingResult:
    """Gather the results of all groups, each of one target."""
    return UnmixingResult(
        groups, *(np.array(field) for field in list(zip(*results, strict=True))[1:])
    )


def summarise(
    shares: Array, confidence_level: float, method: str, *, has_unexplained: bool
) -> BootstrapResult:
    """Turn replicates into intervals.

    Parameters
    ----------
    shares : ndarray of shape (..., 1 + n_resamples, K + 1)
        Weights of the sample itself and of the replicates, and what stays unexplained.
        The weights are NaN where nothing is explained.
    confidence_level : float
    method : {"percentile", "basic"}
        "basic" reflects the percentiles at the estimate (Davison & Hinkley, 1997,
        section 5.2) and clips the ends to [0, 1].
    has_unexplained : bool
        Whether anything can stay unexplained.

    Returns
    -------
    BootstrapResult
    """
    lost = np.isnan(shares[..., 1:, 0]) & ~np.isnan(shares[..., :1, 0])
    if lost.any():
        warn_user(
            f"No source explains anything of the target in {np.count_nonzero(lost)} "
            "bootstrap replicates, whose weights are NaN: the intervals of the weights "
            "are those of the other replicates.",
            RuntimeWarning,
        )
    *weights, unexplained = (
        _summarise_one(share, confidence_level, method)
        for share in np.moveaxis(shares, -1, 0)
    )
    low, high, error = (
        np.stack([one[i] for one in weights], axis=-1) for i in range(3)
    )
    distribution = np.moveaxis(shares[..., 1:, :-1], -1, -2)
    rest = None
    if has_unexplained:
        ends = ConfidenceInterval(*unexplained[:2])
        rest = BootstrapResult(ends, shares[..., 1:, -1], unexplained[2])
    return BootstrapResult(ConfidenceInterval(low, high), distribution, error, rest)


def _summarise_one(
    share: Array, confidence_level: float, method: str
) -> tuple[Array, Array, Array]:
    """Compute the ends and the standard error of one share, (..., 1 + n_resamples)."""
    estimate, distribution = share[..., 0], share[..., 1:]
    tail = (1 - confidence_level) / 2
    # No spread is known of fewer than two replicates.
    missing = np.count_nonzero(~np.isnan(distribution), axis=-1) < 2
    known = np.where(missing[..., None], 0.0, distribution)
    low, high = np.nanquantile(known, [tail, 1 - tail], axis=-1)
    error = np.nanstd(known, axis=-1, ddof=1)
    if method == "basic":
        low, high = 2 * estimate - high, 2 * estimate - low
        low, high = np.clip(low, 0, 1), np.clip(high, 0, 1)
    low, high, error = (np.where(missing, np.nan, end) for end in (low, high, error))
    return low, high, error
