"""Class probabilities as points, for the ground cost."""

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict
from sklearn.utils.validation import has_fit_parameter

from skwot._compat import safe_indexing
from skwot._typing import Array
from skwot._unmixing.labels import Labels


def cross_fit(
    classifier: Any, X: Any, labels: Labels, masses: Array | None, cv: Any
) -> tuple[Any, Array]:
    """Fit a classifier to the sources, and map all rows to its probabilities.

    A row of a source gets the probabilities of a classifier that has not seen it, as
    the rows of the target do. Otherwise the sources would look purer than they are.

    Parameters
    ----------
    classifier : estimator with `predict_proba`
    X : indexable of n_samples rows
        Whatever the classifier takes.
    labels : Labels
    masses : ndarray of shape (n_samples,) or None
        Passed to a classifier that takes `sample_weight`.
    cv : int, cross-validation generator or iterable
        With fewer rows in a source than folds, there are as many folds as rows.

    Returns
    -------
    fitted : estimator
        A clone, fitted to all rows of the sources.
    points : ndarray of shape (n_samples, K)
        Roots of probabilities.

    Raises
    ------
    ValueError
        If a source has a single row, which no classifier can both see and not see.
    """
    rows = np.flatnonzero(labels.source >= 0)
    others = np.flatnonzero(labels.source < 0)
    y = labels.classes[labels.source[rows]]
    cv = _possible_folds(cv, labels)
    parameters = {}
    if masses is not None and has_fit_parameter(classifier, "sample_weight"):
        parameters = {"sample_weight": masses[rows]}
    known = safe_indexing(X, rows)
    fitted = clone(classifier).fit(known, y, **parameters)
    points = np.empty((len(labels.source), len(labels.classes)))
    if len(others):
        points[others] = probability_points(fitted, safe_indexing(X, others))
    points[rows] = np.sqrt(
        cross_val_predict(
            classifier, known, y, cv=cv, method="predict_proba", params=parameters
        )
    )
    return fitted, points


def _possible_folds(cv: Any, labels: Labels) -> Any:
    """Lower a number of folds to the number of rows of the smallest source."""
    if cv is None:
        cv = 5  # as in scikit-learn
    if not isinstance(cv, Integral):
        return cv
    sizes = np.bincount(labels.source[labels.source >= 0])
    if sizes.min() < 2:
        raise ValueError(
            "classifier needs at least two rows of each source, so that a row's "
            "probabilities come from a classifier that has not seen it; got one row of "
            f"source {labels.classes.tolist()[sizes.argmin()]!r}."
        )
    return min(int(cv), int(sizes.min()))


def probability_points(classifier: Any, X: Any) -> Array:
    """Roots of class probabilities, between which distances are Hellinger's.

    Parameters
    ----------
    classifier : fitted estimator
    X : indexable of n_samples rows

    Returns
    -------
    ndarray of shape (n_samples, K)
    """
    return np.sqrt(classifier.predict_proba(X))


def finite_numbers(X: Any) -> Array | None:
    """Rows as numbers, if they are finite ones in a dense array or frame.

    Parameters
    ----------
    X : indexable of n_samples rows

    Returns
    -------
    ndarray of shape (n_samples, n_features) or None
    """
    numbers = np.asarray(X)  # a single object, of a sparse array
    if numbers.ndim != 2 or numbers.dtype.kind not in "biuf":
        return None
    numbers = numbers.astype(np.float64, copy=False)
    return numbers if np.isfinite(numbers).all() else None
