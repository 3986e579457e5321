"""Results that :class:`skwot.WassersteinUnmixer` returns."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skwot._typing import Array


class ConfidenceInterval(NamedTuple):
    """Ends of confidence intervals.

    Attributes
    ----------
    low : ndarray of shape (K,) or (n_groups, K)
        Lower ends, one a source.
    high : ndarray of shape (K,) or (n_groups, K)
        Upper ends.

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
