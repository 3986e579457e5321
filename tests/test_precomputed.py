"""``metric="precomputed"``: the same results from costs instead of rows."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from sklearn.utils.estimator_checks import estimator_checks_generator

from skwot import WassersteinUnmixer
from skwot.datasets import make_unmixing

X, Y, _ = make_unmixing(
    n_source_samples=25,
    n_target_samples=40,
    weights=[0.5, 0.3, 0.2],
    separation=1.5,
    random_state=0,
)
# In the order of measures, so that what is random falls on the same rows.
ORDER = np.lexsort(X.T[::-1])
X, Y = X[ORDER], Y[ORDER]
COSTS = cdist(X, X)
NEW = X[::3] + np.random.default_rng(1).normal(scale=0.1, size=(len(X[::3]), 2))
NEW = NEW[np.lexsort(NEW.T[::-1])]
NEW_COSTS = cdist(NEW, X)
OPTIONS = [
    {},
    {"solver": "pgd"},
    {"learning_rate": 0.05, "max_iter": 20, "tol": 1.0},
    {"outlier_cost": 1.0},
    {"outlier_cost": "auto", "random_state": 0},
    {"debias": True, "random_state": 0},
    {"loss": "semirelaxed"},
    {"loss": "semirelaxed", "outlier_cost": "auto"},
]


def fit_both(options, rows=slice(None)):
    """Fit to rows, and to the costs between them."""
    y = Y[rows]
    return (
        WassersteinUnmixer(metric="euclidean", **options).fit(X[rows], y),
        WassersteinUnmixer(metric="precomputed", **options).fit(
            COSTS[rows][:, rows], y
        ),
    )


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_result_is_that_of_the_rows(options):
    by_rows, by_costs = fit_both(options)
    assert_allclose(by_costs.weights_, by_rows.weights_, atol=1e-9)
    for name in ("loss_", "unexplained_", "source_noise_", "source_spread_"):
        assert_allclose(getattr(by_costs, name), getattr(by_rows, name), rtol=1e-9)
    assert by_costs.converged_
    assert_allclose(by_costs.transform(NEW_COSTS), by_rows.transform(NEW), atol=1e-9)
    assert_array_equal(by_costs.predict(NEW_COSTS), by_rows.predict(NEW))
    groups = np.arange(len(NEW)) % 3
    assert_allclose(
        by_costs.unmix(NEW_COSTS, groups=groups),
        by_rows.unmix(NEW, groups=groups),
        atol=1e-9,
    )


@pytest.mark.parametrize("of_fit", [True, False])
def test_intervals_are_those_of_the_rows(of_fit):
    by_rows, by_costs = fit_both({})
    given = (None, None) if of_fit else (NEW, NEW_COSTS)
    one, other = (
        unmixer.bootstrap(data, n_resamples=30, random_state=0).standard_error
        for unmixer, data in zip((by_rows, by_costs), given, strict=True)
    )
    assert_allclose(one, other, atol=1e-9)


def test_without_a_target_the_weights_are_label_frequencies():
    y = np.repeat([0, 1, 2], [20, 10, 10])  # of neighbours, so that they differ
    unmixer = WassersteinUnmixer(metric="precomputed").fit(COSTS[:40, :40], y)
    assert_allclose(unmixer.weights_, [0.5, 0.25, 0.25])
    assert unmixer.loss_ == 0
    # Costs of which staying has one, too, have to be solved for.
    shifted = COSTS[:40, :40] + 1.0
    unmixer = WassersteinUnmixer(metric="precomputed").fit(shifted, y)
    assert_allclose(unmixer.loss_, 1, rtol=1e-9)


def test_mass_moves_from_columns_to_rows():
    def uphill(u, v):
        return float(np.clip(v - u, 0, None).sum() + 0.1 * abs(v - u).sum())

    by_rows = WassersteinUnmixer(metric=uphill).fit(X, Y)
    costs = cdist(X, X, uphill).T
    by_costs = WassersteinUnmixer(metric="precomputed").fit(costs, Y)
    assert_allclose(by_costs.weights_, by_rows.weights_, atol=1e-9)
    new = cdist(X, NEW, uphill).T
    assert_allclose(by_costs.transform(new), by_rows.transform(NEW), atol=1e-9)
    assert_allclose(by_costs.unmix(new), by_rows.unmix(NEW), atol=1e-9)


def test_weight_two_is_a_row_given_twice():
    twice = np.append(np.arange(len(X)), [0, 30, len(X) - 1])
    repeated = WassersteinUnmixer(metric="precomputed").fit(
        COSTS[twice][:, twice], Y[twice]
    )
    weighted = WassersteinUnmixer(metric="precomputed").fit(
        COSTS, Y, np.bincount(twice).astype(float)
    )
    assert_allclose(repeated.weights_, weighted.weights_, atol=1e-12)
    assert_allclose(repeated.loss_, weighted.loss_, rtol=1e-12)


def test_units_do_not_matter():
    expected = WassersteinUnmixer(metric="precomputed").fit(COSTS, Y).weights_
    for unit in (1e-6, 3.7e5):
        found = WassersteinUnmixer(metric="precomputed").fit(unit * COSTS, Y)
        assert_allclose(found.weights_, expected, atol=1e-12)


def test_there_are_no_moments_and_the_points_are_row_numbers():
    unmixer = WassersteinUnmixer(metric="precomputed").fit(COSTS, Y)
    assert not hasattr(unmixer, "means_")
    assert not hasattr(unmixer, "covariances_")
    assert_array_equal(unmixer.source_points_[:, 0], np.flatnonzero(Y >= 0))
    assert_array_equal(unmixer.target_points_[:, 0], np.flatnonzero(Y == -1))
    again = pickle.loads(pickle.dumps(unmixer))
    assert_array_equal(again.transform(NEW_COSTS), unmixer.transform(NEW_COSTS))
    assert clone(unmixer).metric == "precomputed"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_support": 5}, "max_support=5 needs metric other than 'precomputed'"),
        ({"loss": "sinkhorn"}, "loss='sinkhorn' needs metric other"),
        ({"metric_params": {"p": 3}}, "metric_params=.* needs metric other"),
        ({"classifier": LogisticRegression()}, "classifier=.* needs metric other"),
    ],
)
def test_what_needs_rows_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        WassersteinUnmixer(metric="precomputed", **options).fit(COSTS, Y)


def test_costs_are_checked():
    with pytest.raises(ValueError, match=r"a square matrix X .* got .*\(115, 9\)"):
        WassersteinUnmixer(metric="precomputed").fit(COSTS[:, :9], Y)
    with pytest.raises(ValueError, match="Negative values"):
        WassersteinUnmixer(metric="precomputed").fit(-COSTS, Y)
    unmixer = WassersteinUnmixer(metric="precomputed").fit(COSTS, Y)
    with pytest.raises(ValueError, match="Negative values"):
        unmixer.unmix(-NEW_COSTS)
    with pytest.raises(ValueError, match="9 features, but WassersteinUnmixer is"):
        unmixer.transform(NEW_COSTS[:, :9])


def test_a_grid_search_slices_both_axes():
    labelled = Y >= 0
    costs, rows, y = COSTS[labelled][:, labelled], X[labelled], Y[labelled]
    splits = ShuffleSplit(n_splits=3, test_size=0.4, random_state=0)
    grid = {"solver": ["auto", "pgd"]}
    # Scored by the weights' distance from the shares of the held-out rows.
    by_costs, by_rows = (
        GridSearchCV(
            WassersteinUnmixer(metric=metric), grid, cv=splits, scoring=shares_scorer
        ).fit(data, y)
        for metric, data in (("precomputed", costs), ("euclidean", rows))
    )
    for name in ("mean_test_score", "std_test_score"):
        assert_allclose(
            by_costs.cv_results_[name], by_rows.cv_results_[name], atol=1e-6
        )


def shares_scorer(unmixer, data, y):
    shares = (y[:, None] == unmixer.classes_).mean(axis=0)
    return -abs(unmixer.unmix(data) - shares).mean()


PRECOMPUTED = WassersteinUnmixer(metric="precomputed")


@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(
            instance, check, id=f"{getattr(check, 'func', check).__name__}-{number}"
        )
        for number, (instance, check) in enumerate(
            estimator_checks_generator(PRECOMPUTED)
        )
        if "array_api" not in str(check)
    ],
)
def test_check_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize("loss", ["wasserstein", "semirelaxed"])
def test_goodness_of_fit_is_that_of_the_rows(loss):
    both = fit_both({"loss": loss})
    for samples in ((None, None), (NEW, NEW_COSTS)):
        one, other = (
            unmixer.goodness_of_fit(sample, n_resamples=5, random_state=0)
            for unmixer, sample in zip(both, samples, strict=True)
        )
        assert_allclose(other.statistic, one.statistic, rtol=1e-9)
        assert_allclose(other.null_distribution, one.null_distribution, rtol=1e-9)
