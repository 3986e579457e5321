import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from skwot._unmixing.classifier import cross_fit, finite_numbers, probability_points
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


def test_masses_reach_the_classifiers_of_the_folds():
    X, y, labels = labelled()
    masses = np.where(y == 0, 10.0, 1.0)
    # It knows nothing but the share of the mass that each source has. All sources have
    # as many rows, of which each fold leaves out a third.
    _, points = cross_fit(DummyClassifier(strategy="prior"), X, labels, masses, 3)
    assert_allclose(points**2, np.broadcast_to([10 / 12, 1 / 12, 1 / 12], (len(X), 3)))


@pytest.mark.parametrize(
    ("rows", "is_numbers"),
    [
        (np.eye(3), True),
        ([[1, 2], [3, 4]], True),
        (np.eye(3, dtype=bool), True),
        (np.array([[1.0, np.nan]]), False),
        (np.array([[1.0, "a"]], dtype=object), False),
        (["one text", "another"], False),
        (sparse.eye_array(3), False),
        (sparse.csr_matrix(np.eye(3)), False),
    ],
)
def test_finite_numbers_are_those_of_dense_arrays(rows, is_numbers):
    numbers = finite_numbers(rows)
    assert (numbers is not None) == is_numbers
    if is_numbers:
        assert_array_equal(numbers, np.asarray(rows, dtype=float))


def test_folds_are_as_many_as_the_smallest_source_has_rows():
    X, y, _ = labelled()
    kept = np.flatnonzero((y != 0) | (np.cumsum(y == 0) <= 2))
    _, points = cross_fit(CLASSIFIER, X[kept], read_labels(y[kept], -1), None, None)
    assert np.isfinite(points).all()
    _, usual = cross_fit(CLASSIFIER, X, read_labels(y, -1), None, None)
    _, expected = cross_fit(CLASSIFIER, X, read_labels(y, -1), None, 5)
    assert_array_equal(usual, expected)
    one = np.flatnonzero((y != 0) | (np.cumsum(y == 0) <= 1))
    with pytest.raises(ValueError, match="at least two rows of each source"):
        cross_fit(CLASSIFIER, X[one], read_labels(y[one], -1), None, 5)
