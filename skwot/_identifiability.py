"""A warning of sources that cannot be told apart, in words."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skwot._ot.identifiability import Identifiability, identifiability
from skwot._ot.measures import SourceMeasures
from skwot._ot.transport import Metric
from skwot.exceptions import IdentifiabilityWarning

Array = NDArray[np.float64]

# Two samples of 200 rows from one distribution score this much on average.
THRESHOLD = 0.005
_SHARE = 0.05  # smaller parts of a mixture are not named
_STATEMENTS = 3  # of the sources that are worst determined


def check_identifiability(
    sources: SourceMeasures, metric: Metric, classes: NDArray[Any]
) -> Array:
    """Score how well each weight is determined, and warn of those that are not.

    Parameters
    ----------
    sources : SourceMeasures
    metric : str or callable
    classes : ndarray of shape (K,)
        Labels of the sources, for the message.

    Returns
    -------
    ndarray of shape (K,)
        In [0, 1].
    """
    found = identifiability(sources, metric)
    statements = describe(found, classes.tolist())
    if statements:
        more = len(statements) - _STATEMENTS
        rest = [f"and {more} more, see identifiability_"] if more > 0 else []
        warnings.warn(
            "Some weights are hardly determined: "
            f"{'; '.join(statements[:_STATEMENTS] + rest)}. "
            "Weight moves between these sources at almost no cost. Merge their "
            "labels, or read their weights with bootstrap intervals only.",
            IdentifiabilityWarning,
            stacklevel=5,  # the caller of fit, which scikit-learn wraps
        )
    return found.scores


def describe(found: Identifiability, labels: list[Any]) -> list[str]:
    """Say which sources are equal, or which mixtures of them are, with the scores.

    Parameters
    ----------
    found : Identifiability
    labels : list of K objects

    Returns
    -------
    list of str
        Empty if every score reaches the threshold.
    """
    order = np.argsort(found.scores, kind="stable")
    doubtful = [int(k) for k in order if found.scores[k] < THRESHOLD]
    statements, named = [], set()
    # Equal sources first: they would share the part of one in a mixture.
    for k in doubtful:
        equal = sorted({k, *np.flatnonzero(found.pairs[k] < THRESHOLD).tolist()})
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
