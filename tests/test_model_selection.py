import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skwot import WassersteinUnmixer
from skwot.model_selection import (
    PrevalenceShiftSplit,
    neg_kullback_leibler_divergence,
    neg_mean_absolute_error,
    neg_relative_absolute_error,
)

Y = np.repeat(["a", "b", "c"], [40, 20, 10])
X = (
    np.random.default_rng(0).normal(size=(70, 2))
    + 2 * np.repeat(np.arange(3), [40, 20, 10])[:, None]
)


def splits(y=Y, **options):
    return list(PrevalenceShiftSplit(20, random_state=0, **options).split(None, y))


def test_no_row_of_a_bag_is_trained_on():
    for train, test in splits():
        assert not np.intersect1d(train, test).size
        assert len(test) == 200
        # Three tenths of each class are held back.
        assert_array_equal(np.unique(Y[train], return_counts=True)[1], [28, 14, 7])


def test_prevalences_are_dirichlet():
    shares = np.array(
        [[np.mean(Y[test] == k) for k in "abc"] for _, test in splits(alpha=1.0) * 1]
    )
    assert_allclose(shares.sum(axis=1), 1)
    assert shares.std(axis=0).min() > 0.15
    even = np.array(
        [[np.mean(Y[test] == k) for k in "abc"] for _, test in splits(alpha=1e4)]
    )
    assert_allclose(even, 1 / 3, atol=0.12)


def test_seeds_make_splits():
    one, other = splits(), splits()
    for (a, b), (c, d) in zip(one, other, strict=True):
        assert_array_equal(a, c)
        assert_array_equal(b, d)
    assert PrevalenceShiftSplit(7).get_n_splits() == 7
    assert "alpha=2.0" in repr(PrevalenceShiftSplit(alpha=2.0))


def test_a_small_class_keeps_a_row_on_each_side():
    y = [0, 0, 0, 0, 1, 1]
    for train, test in splits(y, test_size=0.9, bag_size=30):
        assert set(np.asarray(y)[train]) == {0, 1}
        assert len(test) == 30
    with pytest.raises(ValueError, match=r"two rows of each class.* 1 of class 1"):
        splits([0, 0, 0, 1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_splits": 0}, "n_splits must be an integer above 0; got 0"),
        ({"n_splits": 2.5}, "n_splits must be an integer"),
        ({"bag_size": 0}, "bag_size must be"),
        ({"alpha": 0}, "alpha must be a number above 0"),
        ({"test_size": 1.0}, "test_size must be a number between 0 and 1"),
    ],
)
def test_parameters_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        PrevalenceShiftSplit(**options)


def test_scores_are_the_errors_of_the_prevalences():
    unmixer = WassersteinUnmixer().fit(X, Y)
    bag, labels = X[::3], Y[::3]
    found = unmixer.unmix(bag)
    truth = np.array([np.mean(labels == k) for k in "abc"])
    score = unmixer.score(bag, labels)
    assert_allclose(score, -abs(found - truth).mean())
    assert_allclose(neg_mean_absolute_error(unmixer, bag, labels), score)
    added = 1 / (2 * len(bag))
    p, q = (truth + added) / (1 + 3 * added), (found + added) / (1 + 3 * added)
    assert_allclose(
        neg_relative_absolute_error(unmixer, bag, labels), -(abs(p - q) / p).mean()
    )
    assert_allclose(
        neg_kullback_leibler_divergence(unmixer, bag, labels),
        -(p * np.log(p / q)).sum(),
    )


def test_masses_count_in_the_score():
    unmixer = WassersteinUnmixer().fit(X, Y)
    twice = np.append(np.arange(70), [0, 50])
    masses = np.bincount(twice).astype(float)
    repeated = unmixer.score(X[twice], Y[twice])
    assert_allclose(unmixer.score(X, Y, masses), repeated, rtol=1e-12)


def test_unknown_labels_are_refused():
    unmixer = WassersteinUnmixer().fit(X, Y)
    with pytest.raises(ValueError, match=r"labels of the fitted sources.* got 'd'"):
        unmixer.score(X, ["d"] * 70)
    with pytest.raises(ValueError, match=r"labels of the fitted sources.* got 'd'"):
        neg_relative_absolute_error(unmixer, X, ["d"] * 70)


@pytest.mark.parametrize(
    "scoring",
    [
        None,
        neg_mean_absolute_error,
        neg_relative_absolute_error,
        neg_kullback_leibler_divergence,
    ],
)
def test_a_search_in_a_pipeline_prefers_what_finds_prevalences(scoring):
    rows, y = load_wine(return_X_y=True, as_frame=True)
    assert isinstance(rows, pd.DataFrame)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), WassersteinUnmixer()),
        {"wassersteinunmixer__loss": ["wasserstein", "semirelaxed"]},
        cv=PrevalenceShiftSplit(8, random_state=0),
        scoring=scoring,
    ).fit(rows, y)
    assert search.best_params_ == {"wassersteinunmixer__loss": "semirelaxed"}
    assert (search.cv_results_["mean_test_score"] < 0).all()


def test_costs_are_sliced_on_both_axes():
    costs = np.linalg.norm(X[:, None] - X, axis=2)
    cv = PrevalenceShiftSplit(4, random_state=0)
    by_costs = cross_val_score(
        WassersteinUnmixer(metric="precomputed"), costs, Y, cv=cv
    )
    by_rows = cross_val_score(WassersteinUnmixer(), X, Y, cv=cv)
    assert_allclose(by_costs, by_rows, atol=1e-9)
