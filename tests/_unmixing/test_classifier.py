import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from skwot._unmixing.classifier import cross_fit, probability_points
from skwot._unmixing.labels import read_labels
from skwot.datasets import make_unmixing

CLASSIFIER = LogisticRegression()


def labelled():
    X, y, _ = make_unmixing(3, n_source_samples=30, n_target_samples=20, random_state=0)
    return X, y, read_labels(y, -1)


def test_sources_are_seen_by_classifiers_that_did_not_see_them():
    X, y, labels = labelled()
    fitted, points = cross_fit(CLASSIFIER, X, labels, None, 3)
    rows = y >= 0
    expected = cross_val_predict(
        CLASSIFIER, X[rows], y[rows], cv=3, method="predict_proba"
    )
    assert_allclose(points[rows] ** 2, expected)
    assert_allclose(points[~rows] ** 2, fitted.predict_proba(X[~rows]))
    assert not hasattr(CLASSIFIER, "classes_")


def test_points_lie_on_the_unit_sphere():
    X, _, labels = labelled()
    fitted, points = cross_fit(CLASSIFIER, X, labels, None, 3)
    assert_allclose((points**2).sum(axis=1), 1)
    assert_allclose((probability_points(fitted, X) ** 2).sum(axis=1), 1)


def test_masses_reach_the_classifier():
    X, y, labels = labelled()
    masses = np.ones(len(X))
    plain, _ = cross_fit(CLASSIFIER, X, labels, None, 3)
    equal, _ = cross_fit(CLASSIFIER, X, labels, masses, 3)
    assert_array_equal(plain.coef_, equal.coef_)
    masses[y == 0] = 10.0
    heavy, _ = cross_fit(CLASSIFIER, X, labels, masses, 3)
    assert abs(heavy.intercept_ - plain.intercept_).max() > 0.1
