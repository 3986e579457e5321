"""``loss="semirelaxed"``, as a user has it."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.transform import Rotation
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skwot import WassersteinUnmixer
from skwot.datasets import make_unmixing

X, Y, TRUTH = make_unmixing(
    n_features=3,
    n_source_samples=60,
    n_target_samples=150,
    weights=[0.6, 0.3, 0.1],
    separation=2.0,
    random_state=0,
)
TARGET = X[Y == -1]


def fit(rows=X, y=Y, masses=None, **options):
    return WassersteinUnmixer(loss="semirelaxed", **options).fit(rows, y, masses)


FITTED = fit()


def test_it_maximises_a_likelihood():
    unmixer = FITTED
    assert unmixer.converged_
    assert_allclose(unmixer.loss_, unmixer.lower_bound_, rtol=1e-9)
    assert_allclose(unmixer.target_masses_ @ unmixer.target_potentials_, unmixer.loss_)
    scales = np.sqrt(np.mean([np.diag(c) for c in unmixer.covariances_], axis=0))
    assert_allclose(unmixer.feature_scales_, scales)
    ((temperature,), (exponent,)) = unmixer.view_temperatures_, unmixer.view_exponents_
    assert_allclose(unmixer.temperature_, temperature / exponent)
    differences = abs(unmixer.source_points_[:, None] - TARGET) / scales
    kernel = np.exp(-differences.mean(axis=2) / temperature)
    densities = (unmixer.source_masses_.T @ kernel) ** exponent
    densities *= np.exp(-unmixer.source_surcharges_ / unmixer.temperature_)[:, None]
    mixed = unmixer.weights_ @ densities
    assert_allclose(-unmixer.temperature_ * np.log(mixed).mean(), unmixer.loss_)
    # Where a weight is positive, its mean posterior probability is the weight.
    posterior = unmixer.transform(TARGET)
    assert_allclose(posterior, (unmixer.weights_[:, None] * densities / mixed).T)
    assert_allclose(posterior.mean(axis=0), unmixer.weights_, atol=1e-9)
    assert_array_equal(unmixer.predict(TARGET), posterior.argmax(axis=1))


def test_it_is_nearer_to_the_truth_than_transport_where_sources_overlap():
    errors = []
    for seed in range(20):
        rows, y, truth = make_unmixing(
            n_features=3, n_target_samples=300, separation=2.0, random_state=seed
        )
        for unmixer in (fit(rows, y), WassersteinUnmixer().fit(rows, y)):
            errors.append(abs(unmixer.weights_ - truth).mean())
    free, transported = np.reshape(errors, (20, 2)).mean(axis=0)
    assert free < 0.9 * transported


def test_descent_through_autograd_ends_there_too():
    descended = fit(solver="pgd", tol=1e-8)
    assert descended.converged_
    # The gap is the square of the error of the weights: 1e-8 leaves 1e-4 and more.
    assert_allclose(descended.weights_, FITTED.weights_, atol=1e-3)
    assert_allclose(descended.loss_, FITTED.loss_, rtol=1e-7)
    steps = fit(learning_rate=0.1, max_iter=200, tol=0.1)
    assert_allclose(steps.weights_, FITTED.weights_, atol=0.05)


def test_units_do_not_matter():
    for unit in (1e-6, 3.7e5):
        assert_allclose(fit(unit * X).weights_, FITTED.weights_, atol=1e-9)
    # By default, neither do those of single features.
    units = np.array([1e-6, 1.0, 3.7e5])
    assert_allclose(fit(units * X).weights_, FITTED.weights_, atol=1e-9)


def test_shifts_and_rotations_do_not_matter():
    assert_allclose(fit(X + 5).weights_, FITTED.weights_, atol=1e-9)
    moved = X @ Rotation.random(rng=0).as_matrix() + 5
    weights = fit(metric="euclidean").weights_
    assert_allclose(fit(moved, metric="euclidean").weights_, weights, atol=1e-9)


def test_a_feature_that_is_constant_in_each_source_tells_them_apart():
    # Of a feature that is the same throughout nothing can be learned.
    rows = np.column_stack([X, np.repeat(7.0, len(X)), np.where(Y == 1, 1.0, 0.0)])
    unmixer = fit(rows)
    assert_allclose(unmixer.feature_scales_[3:], [0, np.sqrt(2) / 3])
    shifted = fit(rows + np.array([0, 0, 0, 1e6, 0]))
    assert_allclose(shifted.weights_, unmixer.weights_, atol=1e-9)


def test_more_features_than_rows():
    wide = np.random.default_rng(0).normal(size=(30, 200))
    wide[10:] += 1
    unmixer = fit(wide, np.repeat([0, 1, -1], 10))
    assert_allclose(unmixer.weights_, [0, 1], atol=1e-6)


def test_the_order_of_rows_does_not_matter():
    order = np.random.default_rng(0).permutation(len(X))
    assert_array_equal(fit(X[order], Y[order]).weights_, FITTED.weights_)


def test_weight_two_is_a_row_given_twice():
    twice = np.append(np.arange(len(X)), [0, 70, 200, 201])
    repeated = fit(X[twice], Y[twice])
    weighted = fit(masses=np.bincount(twice).astype(float))
    assert_array_equal(repeated.weights_, weighted.weights_)
    assert repeated.temperature_ == weighted.temperature_


def test_permuting_the_sources_permutes_the_weights():
    renamed = np.where(Y == -1, -1, (Y + 1) % 3)
    assert_allclose(fit(y=renamed).weights_[[1, 2, 0]], FITTED.weights_, atol=1e-6)


def test_without_a_target_it_is_about_the_label_frequencies():
    rows = Y >= 0
    assert_allclose(fit(X[rows], Y[rows]).weights_, 1 / 3, atol=0.03)


def test_groups_are_solved_as_alone_and_in_parallel():
    groups = np.arange(len(TARGET)) % 4
    together = FITTED.unmix(TARGET, groups=groups)
    parallel = clone(FITTED).set_params(n_jobs=2).fit(X, Y).unmix(TARGET, groups=groups)
    assert_array_equal(together, parallel)
    for k, weights in enumerate(together):
        assert_array_equal(FITTED.unmix(TARGET[groups == k]), weights)


def test_it_pickles_and_copies():
    again = pickle.loads(pickle.dumps(FITTED))
    assert_array_equal(again.unmix(TARGET), FITTED.weights_)


def test_surcharges_are_for_samples():
    plain = fit(debias=False)
    assert_array_equal(plain.source_surcharges_, 0)
    assert FITTED.source_surcharges_.min() == 0
    assert FITTED.source_surcharges_.max() > 0
    assert_array_equal(FITTED.source_noise_, 0)


def test_a_temperature_can_be_given():
    unmixer = fit(reg=0.1, metric="euclidean")
    points = X[Y >= 0]
    mean = np.linalg.norm(points[:, None] - points, axis=2).mean()
    assert_allclose(unmixer.temperature_, 0.1 * mean, rtol=0.1)


def test_what_is_foreign_stays_unexplained():
    rows = np.vstack([X, np.random.default_rng(0).normal(40, 1, size=(50, 3))])
    y = np.append(Y, np.full(50, -1))
    for outlier_cost in ("auto", 10.0):
        unmixer = fit(rows, y, outlier_cost=outlier_cost)
        # "auto" takes some of the honest rows that lie at the border, too.
        assert_allclose(unmixer.unexplained_, 0.25, atol=0.06)
        assert_allclose(unmixer.weights_, FITTED.weights_, atol=0.03)
        result = unmixer.bootstrap(n_resamples=20, random_state=0)
        low, high = result.unexplained.confidence_interval
        assert low < unmixer.unexplained_ < high
    assert fit(outlier_cost="auto").unexplained_ < 0.03


def test_large_samples_are_quantised():
    rows, y, truth = make_unmixing(
        n_source_samples=3000,
        n_target_samples=3000,
        weights=[0.5, 0.3, 0.2],
        random_state=0,
    )
    unmixer = fit(rows, y, max_support=200, random_state=0)
    assert_allclose(unmixer.weights_, truth, atol=0.02)
    assert np.isnan(unmixer.quantization_error_)


def test_a_classifier_gives_the_points():
    digits, labels = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    sources, rest = np.split(rng.permutation(len(digits)), [900])
    unmixer = fit(
        digits[sources], labels[sources], classifier=LogisticRegression(max_iter=2000)
    )
    drawn = rng.choice(rest, 200, p=labels[rest] / labels[rest].sum())
    truth = np.bincount(labels[drawn], minlength=10) / 200
    assert abs(unmixer.unmix(digits[drawn]) - truth).mean() < 0.01
    # The rows themselves are another view, before the roots of probabilities.
    assert unmixer.source_points_.shape == (900, 64 + 10)
    assert (unmixer.view_exponents_ > 0).all()
    assert unmixer.temperature_ == 1
    posterior = unmixer.transform(digits[rest])
    assert_allclose(posterior.sum(axis=1), 1)
    assert (unmixer.predict(digits[rest]) == labels[rest]).mean() > 0.95
    assert_allclose(unmixer.transform(digits[rest[:5]]), posterior[:5], rtol=1e-12)


def test_a_view_of_numbers_needs_numbers():
    unmixer = fit(classifier=HistGradientBoostingClassifier(max_iter=5))
    assert unmixer.feature_scales_ is not None
    missing = TARGET.copy()
    missing[3, 2] = np.nan
    with pytest.raises(ValueError, match="X must be a dense array or frame of finite"):
        unmixer.unmix(missing)
    # Where fit saw missing values, the probabilities are the only view.
    partly = np.vstack([X, missing])
    y = np.append(Y, np.full(len(missing), -1))
    unmixer = fit(partly, y, classifier=HistGradientBoostingClassifier(max_iter=5))
    assert unmixer.source_points_.shape[1] == 3
    unmixer.unmix(missing)


def test_a_classifier_of_texts_is_the_only_view():
    rows = np.array([["aa"], ["ab"], ["b"], ["bb"]] * 5, dtype=object)
    y = np.array(["a", "a", "b", "b"] * 5)
    classifier = make_pipeline(
        OneHotEncoder(handle_unknown="ignore"), LogisticRegression()
    )
    unmixer = fit(rows, y, classifier=classifier)
    assert unmixer.source_points_.shape[1] == 2
    assert unmixer.feature_scales_ is None
    assert_allclose(unmixer.unmix(rows[:3]), [2 / 3, 1 / 3], atol=0.05)


def test_intervals_take_moments():
    result = FITTED.bootstrap(n_resamples=500, random_state=0)
    low, high = result.confidence_interval
    assert ((low < TRUTH) & (TRUTH < high)).all()
    assert (high - low < 0.3).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "lp"}, "solver='lp' needs loss='wasserstein'"),
        ({"device": "cpu"}, "device='cpu' needs loss='sinkhorn'"),
        (
            {"metric_params": {"w": [1, 1, 1]}},
            "needs metric other than 'precomputed' and 'auto'",
        ),
    ],
)
def test_contradictions(options, message):
    with pytest.raises(ValueError, match=message):
        fit(**options)
