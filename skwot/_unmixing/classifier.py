"""Class probabilities as points, for the ground cost."""

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict
from sklearn.utils.validation import has_fit_parameter

from skwot._typing import Array
from skwot._unmixing.sources import Labels


def cross_fit(
    classifier: Any, X: Array, labels: Labels, masses: Array | None, cv: Any
) -> tuple[Any, Array]:
    """Fit a classifier to the sources, and map all rows to its probabilities.

    A row of a source gets the probabilities of a classifier that has not seen it, as
    the rows of the target do. Otherwise the sources would look purer than they are.

    Parameters
    ----------
    classifier : estimator with `predict_proba`
    X : ndarray of shape (n_samples, n_features)
    labels : Labels
    masses : ndarray of shape (n_samples,) or None
        Passed to a classifier that takes `sample_weight`.
    cv : int, cross-validation generator or iterable

    Returns
    -------
    fitted : estimator
        A clone, fitted to all rows of the sources.
    points : ndarray of shape (n_samples, K)
        Roots of probabilities.
    """
    rows = labels.source >= 0
    y = labels.classes[labels.source[rows]]
    parameters = {}
    if masses is not None and has_fit_parameter(classifier, "sample_weight"):
        parameters = {"sample_weight": masses[rows]}
    fitted = clone(classifier).fit(X[rows], y, **parameters)
    points = probability_points(fitted, X)
    points[rows] = np.sqrt(
        cross_val_predict(
            classifier, X[rows], y, cv=cv, method="predict_proba", params=parameters
        )
    )
    return fitted, points


def probability_points(classifier: Any, X: Array) -> Array:
    """Roots of class probabilities, between which distances are Hellinger's.

    Parameters
    ----------
    classifier : fitted estimator
    X : ndarray of shape (n_samples, n_features)

    Returns
    -------
    ndarray of shape (n_samples, K)
    """
    return np.sqrt(classifier.predict_proba(X))
