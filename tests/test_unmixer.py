import pickle
import re
import warnings

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io as skops
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import poisson
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skwot import WassersteinUnmixer, stack_sources
from skwot.datasets import make_unmixing
from skwot.exceptions import IdentifiabilityWarning
from tests.generators.measures import (
    far_apart_diracs,
    overlapping_sources,
    reweighted_sources,
)
from tests.workers import two_workers

PRECISE = {"tol": 1e-10}

# Generated sources are a few random rows, and the target is not made of them, which the
# estimator notices. What these tests state does not depend on it.
of_random_rows = pytest.mark.filterwarnings(
    "ignore:The target is no mixture of these sources"
)


@pytest.fixture
def problem():
    return make_unmixing(4, 3, random_state=0)


# Answers known in closed form


@settings(deadline=None, max_examples=50)
@given(
    reweighted_sources(),
    st.sampled_from(["euclidean", "sqeuclidean"]),
    st.sampled_from(["auto", "pgd"]),
)
def test_reweighted_sources_are_recovered(case, metric, solver):
    unmixer = WassersteinUnmixer(metric=metric, solver=solver).fit(*case.rows)
    assert_allclose(unmixer.weights_, case.weights, atol=1e-6)
    assert_allclose(unmixer.loss_, 0, atol=1e-9)
    assert unmixer.converged_


@settings(deadline=None, max_examples=30)
@given(far_apart_diracs())
def test_far_apart_diracs(case):
    unmixer = WassersteinUnmixer(**PRECISE).fit(*case.rows)
    assert_allclose(unmixer.weights_, case.weights, atol=1e-8)
    assert_allclose(unmixer.loss_, case.loss, rtol=1e-8)


def test_one_source_has_all_the_weight():
    X, y, _ = make_unmixing(1, random_state=0)
    unmixer = WassersteinUnmixer().fit(X, y)
    assert_array_equal(unmixer.weights_, [1.0])
    assert unmixer.n_iter_ == 1
    assert_array_equal(unmixer.predict(X), np.zeros(len(X)))


def test_without_marked_rows_the_weights_are_the_label_frequencies():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), rng.integers(0, 3, 60)
    unmixer = WassersteinUnmixer().fit(X, y)
    assert_allclose(unmixer.weights_, np.bincount(y) / 60)
    assert_allclose(unmixer.loss_, 0, atol=1e-12)


def test_moments_of_the_sources(problem):
    X, y, _ = problem
    masses = np.random.default_rng(0).random(len(X))
    unmixer = WassersteinUnmixer().fit(X, y, masses)
    for k, label in enumerate(unmixer.classes_):
        rows = y == label
        mean = np.average(X[rows], axis=0, weights=masses[rows])
        covariance = np.cov(X[rows].T, aweights=masses[rows], ddof=0)
        assert_allclose(unmixer.means_[k], mean)
        assert_allclose(unmixer.covariances_[k], covariance)


# Invariances


@of_random_rows
@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_row_order(seed):
    X, y, masses = overlapping_sources(seed).rows
    order = np.random.default_rng(seed).permutation(len(X))
    one = WassersteinUnmixer().fit(X, y, masses)
    other = WassersteinUnmixer().fit(X[order], y[order], masses[order])
    assert_array_equal(one.weights_, other.weights_)
    assert_array_equal(one.source_potentials_, other.source_potentials_)
    assert one.loss_ == other.loss_


@of_random_rows
@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_weight_two_is_a_row_given_twice(seed):
    X, y, _ = overlapping_sources(seed).rows
    counts = np.random.default_rng(seed).integers(1, 4, len(X))
    weighted = WassersteinUnmixer().fit(X, y, counts)
    repeated = WassersteinUnmixer().fit(
        np.repeat(X, counts, axis=0), np.repeat(y, counts)
    )
    assert_array_equal(weighted.weights_, repeated.weights_)
    assert_array_equal(weighted.transform(X), repeated.transform(X))


@of_random_rows
@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from([1e-6, 3.7e-3, 1e2, 2.9e5, 1e6]))
def test_units_do_not_matter(seed, unit):
    X, y, masses = overlapping_sources(seed).rows
    one = WassersteinUnmixer().fit(X, y, masses)
    other = WassersteinUnmixer().fit(unit * X, y, masses)
    assert_allclose(other.weights_, one.weights_, rtol=0, atol=1e-12)
    assert_allclose(other.loss_, unit * one.loss_, rtol=1e-12)


@of_random_rows
@example(34, 1e-6)  # of which the rows are no mixture
@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10_000), st.sampled_from([1e-6, 1e-2, 1e2, 1e6]))
def test_units_do_not_matter_to_the_descent(seed, unit):
    X, y, masses = overlapping_sources(seed).rows
    descent = WassersteinUnmixer(solver="pgd", **PRECISE)
    one = clone(descent).fit(X, y, masses)
    other = clone(descent).fit(unit * X, y, masses)
    assert_allclose(other.weights_, one.weights_, atol=1e-6)
    assert_allclose(other.loss_, unit * one.loss_, rtol=1e-8)


@of_random_rows
@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from(["euclidean", "sqeuclidean"]))
def test_translation_and_rotation(seed, metric):
    X, y, masses = overlapping_sources(seed).rows
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(X.shape[1], X.shape[1])))
    moved = X @ rotation + 10 * rng.normal(size=X.shape[1])
    one = WassersteinUnmixer(metric=metric, **PRECISE).fit(X, y, masses)
    other = WassersteinUnmixer(metric=metric, **PRECISE).fit(moved, y, masses)
    assert_allclose(other.weights_, one.weights_, atol=1e-6)
    assert_allclose(other.loss_, one.loss_, rtol=1e-8)


@of_random_rows
@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_permuting_the_sources_permutes_the_weights(seed):
    X, y, masses = overlapping_sources(seed).rows
    n_sources = y.max() + 1
    order = np.random.default_rng(seed).permutation(n_sources)
    renamed = np.where(y < 0, y, order[y])
    one = WassersteinUnmixer(**PRECISE).fit(X, y, masses)
    other = WassersteinUnmixer(**PRECISE).fit(X, renamed, masses)
    assert_allclose(other.weights_[order], one.weights_, atol=1e-6)
    assert_allclose(other.means_[order], one.means_)


# What a user does


def test_transform_is_per_row_and_predict_follows_it(problem):
    X, y, _ = problem
    unmixer = WassersteinUnmixer().fit(X, y)
    shares = unmixer.transform(X)
    assert_allclose(shares.sum(axis=1), 1)
    assert (shares >= 0).all()
    assert_array_equal(shares[::-1], unmixer.transform(X[::-1]))
    assert_array_equal(unmixer.predict(X), unmixer.classes_[shares.argmax(axis=1)])


def test_the_shares_of_the_target_average_to_the_weights():
    # By complementary slackness, when no target point is torn between sources.
    X, y, proportions = make_unmixing(
        weights=[0.2, 0.3, 0.5], separation=30, random_state=1
    )
    unmixer = WassersteinUnmixer().fit(X, y)
    shares = unmixer.transform(X[y == -1])
    assert_allclose(shares.mean(axis=0), proportions, atol=1e-12)
    assert_allclose(unmixer.weights_, proportions, atol=1e-4)


def test_weightless_source_gets_no_rows():
    sources = {"near": [[0.0], [1.0]], "far": [[50.0], [51.0]]}
    X, y, masses = stack_sources(sources, [[0.0], [1.0]], target_label="target")
    unmixer = WassersteinUnmixer(target_label="target").fit(X, y, masses)
    assert_array_equal(unmixer.classes_, ["far", "near"])
    assert_array_equal(unmixer.weights_, [0, 1])
    assert_array_equal(unmixer.transform([[50.0]]), [[0, 1]])


def test_pipeline_with_string_labels():
    X, y = load_digits(return_X_y=True)
    names = np.array([f"digit {label}" for label in y])
    names[900:] = np.where(y[900:] < 5, "target", "unused")
    kept = names != "unused"
    pipeline = Pipeline(
        [
            ("scale", StandardScaler()),
            ("project", PCA(20, random_state=0)),
            ("unmix", WassersteinUnmixer(target_label="target")),
        ]
    ).fit(X[kept], names[kept])
    unmixer = pipeline[-1]
    truth = np.bincount(y[900:][y[900:] < 5], minlength=10)
    assert_allclose(unmixer.weights_, truth / truth.sum(), atol=0.05)
    assert set(pipeline.predict(X[kept])) <= set(unmixer.classes_)
    assert pipeline.transform(X[kept]).shape == (kept.sum(), 10)
    assert pipeline.get_feature_names_out()[3] == "wassersteinunmixer_digit 3"


def test_cross_val_predict_classifies():
    X, y, _ = make_unmixing(separation=8, random_state=0)
    X, y = X[y >= 0], y[y >= 0]
    predicted = cross_val_predict(
        make_pipeline(StandardScaler(), WassersteinUnmixer()), X, y
    )
    assert (predicted == y).mean() > 0.95


def test_clone_and_get_params():
    unmixer = WassersteinUnmixer(metric="cityblock", tol=1e-3, target_label="t")
    assert clone(unmixer).get_params() == unmixer.get_params()


def round_trips():
    trusted = ["skwot._unmixer.WassersteinUnmixer"]
    return [
        lambda unmixer: pickle.loads(pickle.dumps(unmixer)),
        lambda unmixer: skops.loads(skops.dumps(unmixer), trusted=trusted),
    ]


@pytest.mark.parametrize("labels", [[0, 1, 2, -1], ["a", "b", "c", "target"]])
@pytest.mark.parametrize("round_trip", round_trips(), ids=["pickle", "skops"])
def test_round_trips(labels, round_trip):
    X, y, _ = make_unmixing(random_state=0)
    unmixer = WassersteinUnmixer(target_label=labels[-1]).fit(X, np.array(labels)[y])
    restored = round_trip(unmixer)
    assert_array_equal(restored.transform(X), unmixer.transform(X))
    assert_array_equal(restored.unmix(X), unmixer.unmix(X))


def test_skops_trusts_only_the_class_itself(problem):
    X, y, _ = problem
    data = skops.dumps(WassersteinUnmixer().fit(X, y))
    assert skops.get_untrusted_types(data=data) == ["skwot._unmixer.WassersteinUnmixer"]


@pytest.mark.parametrize(
    ("frame", "output"), [(pd.DataFrame, "pandas"), (pl.DataFrame, "polars")]
)
def test_data_frames_in_and_out(problem, frame, output):
    X, y, _ = problem
    columns = ["a", "b", "c"]
    table = frame(dict(zip(columns, X.T, strict=True)))
    unmixer = WassersteinUnmixer().set_output(transform=output).fit(table, y)
    assert_array_equal(unmixer.feature_names_in_, columns)
    shares = unmixer.transform(table)
    assert type(shares) is type(table)
    assert list(shares.columns) == [f"wassersteinunmixer{k}" for k in range(4)]
    assert_array_equal(unmixer.weights_, WassersteinUnmixer().fit(X, y).weights_)


@pytest.mark.parametrize("dtype", [None, "str", "category"])
def test_pandas_labels(dtype):
    X, y, _ = make_unmixing(random_state=0)
    names = pd.Series(np.array(["a", "b", "c", "target"])[y], dtype=dtype)
    unmixer = WassersteinUnmixer(target_label="target").fit(X, names)
    assert_array_equal(unmixer.classes_, ["a", "b", "c"])
    assert_array_equal(unmixer.weights_, WassersteinUnmixer().fit(X, y).weights_)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_groups_equal_a_loop(problem, n_jobs):
    X, y, _ = problem
    target = X[y == -1]
    rng = np.random.default_rng(0)
    groups, masses = rng.integers(3, 6, len(target)), rng.random(len(target))
    unmixer = WassersteinUnmixer(n_jobs=n_jobs).fit(X, y)
    together = unmixer.unmix(target, sample_weight=masses, groups=groups)
    assert together.shape == (3, 4)
    for row, group in zip(together, [3, 4, 5], strict=True):
        rows = groups == group
        alone = unmixer.unmix(target[rows], sample_weight=masses[rows])
        assert_array_equal(row, alone)


def test_groups_on_a_dask_cluster():
    X, y, _ = make_unmixing(n_source_samples=30, random_state=0)
    target = X[y == -1]
    groups = np.arange(len(target)) % 100
    unmixer = WassersteinUnmixer().fit(X, y)
    alone = [unmixer.unmix(target[groups == group]) for group in range(100)]
    unmixer.set_params(n_jobs=2)
    with two_workers(), joblib.parallel_config(backend="dask"):
        together = unmixer.unmix(target, groups=groups)
    assert_array_equal(together, alone)


@pytest.mark.parametrize(
    ("module", "backend"), [("ray.util.joblib", "ray"), ("joblibspark", "spark")]
)
def test_groups_on_other_clusters(problem, module, backend):
    getattr(pytest.importorskip(module), f"register_{backend}")()
    X, y, _ = problem
    target = X[y == -1]
    groups = np.arange(len(target)) % 10
    unmixer = WassersteinUnmixer().fit(X, y)
    alone = unmixer.unmix(target, groups=groups)
    with joblib.parallel_config(backend=backend, n_jobs=2):
        together = unmixer.unmix(target, groups=groups)
    assert_array_equal(together, alone)


def test_unmix_of_the_fitted_target_is_the_fit(problem):
    X, y, _ = problem
    unmixer = WassersteinUnmixer().fit(X, y)
    assert_array_equal(unmixer.unmix(X[y == -1]), unmixer.weights_)


def test_string_groups(problem):
    X, y, _ = problem
    target = X[y == -1]
    groups = np.where(np.arange(len(target)) % 2, "odd", "even")
    unmixer = WassersteinUnmixer().fit(X, y)
    assert_array_equal(
        unmixer.unmix(target, groups=groups)[1], unmixer.unmix(target[1::2])
    )


def test_callable_metric_is_the_named_one(problem):
    X, y, _ = make_unmixing(n_source_samples=10, n_target_samples=20, random_state=0)
    by_name = WassersteinUnmixer(metric="cityblock").fit(X, y)
    by_call = WassersteinUnmixer(metric=lambda u, v: abs(u - v).sum()).fit(X, y)
    assert_allclose(by_call.weights_, by_name.weights_, atol=1e-6)


def test_a_reweighting_matrix_is_rows_with_weights():
    rng = np.random.default_rng(0)
    bins, H = np.arange(12.0)[:, None], rng.random((12, 3))
    H /= H.sum(axis=0)
    weights = np.array([0.5, 0.2, 0.3])
    rows = stack_sources([(bins, column) for column in H.T], (bins, H @ weights))
    unmixer = WassersteinUnmixer().fit(*rows)
    assert_allclose(unmixer.weights_, weights, atol=1e-8)
    assert_allclose(unmixer.source_masses_, H)


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
def test_max_support_bounds_its_error(metric):
    X, y, proportions = make_unmixing(
        n_source_samples=300, n_target_samples=300, random_state=0
    )
    exact = WassersteinUnmixer(metric=metric).fit(X, y)
    fewer = WassersteinUnmixer(metric=metric, max_support=50, random_state=0).fit(X, y)
    assert len(fewer.source_points_) == 150
    assert len(fewer.target_points_) == 50
    assert_allclose(fewer.means_, exact.means_)
    assert_allclose(fewer.weights_, proportions, atol=0.05)
    # The exact optimum costs no more than the exact cost at the quantised weights.
    assert exact.lower_bound_ <= fewer.loss_ + fewer.quantization_error_
    assert exact.quantization_error_ == 0
    assert_array_equal(fewer.unmix(X[y == -1]), fewer.unmix(X[y == -1]))


def test_sources_that_are_equal_are_named():
    rng = np.random.default_rng(0)
    cells, others = rng.normal(size=(20, 2)), rng.normal(4, size=(20, 2))
    sources = {"a": cells, "b": others, "c": cells, "d": cells + 1e-3}
    rows = stack_sources(sources, others, target_label="?")
    message = (
        r"sources 'a', 'c' and 'd' are \(nearly\) the same distribution "
        r"\(identifiability .*\)\. Weight moves"
    )
    with pytest.warns(IdentifiabilityWarning, match=message) as caught:
        unmixer = WassersteinUnmixer(target_label="?").fit(*rows)
    assert caught[0].filename == __file__
    assert (unmixer.identifiability_[[0, 2, 3]] < 1e-3).all()
    assert unmixer.identifiability_[1] > 0.5
    assert_allclose(unmixer.weights_[1], 1, atol=1e-12)


@pytest.mark.parametrize(
    ("spectra", "message"),
    [
        (
            {"a": [3, 1, 0, 0], "b": [0, 0, 1, 3], "c": [3, 1, 1, 3]},
            "source 'c' is (nearly) the mixture 0.5 of 'a' + 0.5 of 'b' (identif",
        ),
        (
            {0: [1, 1, 0, 0], 1: [0, 0, 1, 1], 2: [1, 0, 1, 0], 3: [0, 1, 0, 1]},
            "the mixture 0.5 of 0 + 0.5 of 1 is (nearly) the mixture 0.5 of 2 + 0.5 of",
        ),
    ],
)
def test_mixtures_among_the_sources_are_named(spectra, message):
    bins = np.arange(4.0)[:, None]
    sources = {label: (bins, masses) for label, masses in spectra.items()}
    rows = stack_sources(sources, (bins, [1, 2, 3, 4]))
    with pytest.warns(IdentifiabilityWarning, match=re.escape(message)):
        unmixer = WassersteinUnmixer().fit(*rows)
    assert_allclose(unmixer.identifiability_, 0, atol=1e-10)


def test_a_copy_does_not_hide_a_mixture():
    bins = np.arange(6.0)[:, None]
    one, other, apart = [3, 1, 0, 0, 0, 0], [0, 0, 1, 3, 0, 0], [0, 0, 0, 0, 1, 1]
    spectra = [one, one, other, np.add(one, other), apart]
    rows = stack_sources([(bins, masses) for masses in spectra], (bins, np.ones(6)))
    with pytest.warns(IdentifiabilityWarning) as caught:
        unmixer = WassersteinUnmixer().fit(*rows)
    (text,) = (str(warning.message) for warning in caught)
    assert "sources 0 and 1 are (nearly) the same" in text
    assert "source 3 is (nearly) the mixture 0.25 of 0 + 0.25 of 1 + 0.5 of 2" in text
    assert_array_equal(unmixer.identifiability_ > 0.1, [0, 0, 0, 0, 1])


def test_of_many_doubtful_sources_the_worst_are_named():
    X, y, _ = make_unmixing(20, 1, random_state=0)
    with pytest.warns(IdentifiabilityWarning, match=r"; and \d more, see") as caught:
        unmixer = WassersteinUnmixer().fit(X, y)
    assert str(caught[0].message).count("(identifiability ") == 3
    assert (unmixer.identifiability_ < 0.005).sum() > 3


@pytest.mark.parametrize("load", [load_breast_cancer, load_digits, load_wine])
@pytest.mark.parametrize("classifier", [None, LogisticRegression()])
def test_benchmark_sets_are_identifiable(load, classifier):
    X, y = load(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    X = PCA(min(20, X.shape[1]), random_state=0).fit_transform(X)
    rows = np.arange(len(X)) % 3 == 0
    labels = np.append(y[rows], -1)
    unmixer = WassersteinUnmixer(classifier=classifier)
    unmixer.fit(np.append(X[rows], X[:1], axis=0), labels)
    assert ((unmixer.identifiability_ > 0.05) & (unmixer.identifiability_ <= 1)).all()


def contaminated(random_state=0):
    """Sources, a target of which a fifth is foreign, and the shares in the rest."""
    X, y, proportions = make_unmixing(
        weights=[0.5, 0.3, 0.2], separation=6, random_state=random_state
    )
    foreign = np.random.default_rng(0).normal(60, 1, size=(50, 2))
    return np.vstack([X, foreign]), np.append(y, np.full(50, -1)), proportions


@pytest.mark.parametrize("solver", ["pgd", "lp"])
@pytest.mark.parametrize("outlier_cost", [10.0, "auto"])
def test_what_is_foreign_stays_unexplained(outlier_cost, solver):
    X, y, proportions = contaminated()
    unmixer = WassersteinUnmixer(
        outlier_cost=outlier_cost, solver=solver, random_state=0
    ).fit(X, y)
    # "auto" lets some of the honest mass go, too.
    assert 0.199 <= unmixer.unexplained_ <= 0.2 + 0.1 * 0.8
    assert_allclose(unmixer.weights_.sum(), 1)
    assert_allclose(unmixer.weights_, proportions, atol=0.03)
    assert_allclose(unmixer.transform(X).sum(axis=1), 1)
    assert unmixer.converged_
    noise = unmixer.source_noise_ / 2
    assert (noise > 0).all() == (outlier_cost == "auto")
    bound = unmixer.target_masses_ @ unmixer.target_potentials_ + min(
        *(unmixer.source_masses_.T @ unmixer.source_potentials_ - noise),
        *(unmixer.outlier_cost_ - unmixer.target_potentials_ - noise.mean()),
    )
    assert_allclose(bound, unmixer.lower_bound_)
    assert_array_equal(unmixer.unmix(X[y == -1]), unmixer.weights_)


def noisy_spectrum(noise_mz, noise, rng):
    """Five isotope envelopes that overlap, and a target that holds noise peaks."""
    peaks = np.arange(12)[:, None]
    first_and_mean = [(500, 1), (500.3, 4), (501, 2.5), (501.6, 3), (502.2, 2)]
    sources = [
        (first + peaks, poisson.pmf(peaks[:, 0], mean))
        for first, mean in first_and_mean
    ]
    proportions = rng.dirichlet(np.ones(5))
    signal = [w * y / y.sum() for w, (_, y) in zip(proportions, sources, strict=True)]
    mz = np.concatenate([*(mz for mz, _ in sources), noise_mz])
    intensities = np.concatenate([(1 - noise.sum()) * np.concatenate(signal), noise])
    return stack_sources(sources, (mz, intensities)), proportions


@pytest.mark.parametrize("random_state", range(3))
def test_noise_peaks_stay_unexplained(random_state):
    rng = np.random.default_rng(random_state)
    noise = rng.uniform(498, 518, (30, 1)), 0.1 * rng.dirichlet(np.ones(30))
    rows, proportions = noisy_spectrum(*noise, rng)
    unmixer = WassersteinUnmixer(outlier_cost=0.03).fit(*rows)
    assert abs(unmixer.weights_ - proportions).mean() <= 0.002
    assert_allclose(unmixer.unexplained_, 0.1, atol=0.01)
    assert abs(WassersteinUnmixer().fit(*rows).weights_ - proportions).mean() > 0.02


def test_noise_beyond_the_outlier_cost_changes_nothing():
    noise = np.array([[497.2], [505.45], [509.8], [540.0]]), np.full(4, 0.025)
    rows, proportions = noisy_spectrum(*noise, np.random.default_rng(0))
    unmixer = WassersteinUnmixer(outlier_cost=0.1, **PRECISE).fit(*rows)
    # The peaks stay where they are, the noise pays 0.1, and potentials of 0.1 at the
    # noise and zero elsewhere are feasible.
    assert_allclose(unmixer.loss_, 0.1 * 0.1)
    assert_allclose(unmixer.unexplained_, 0.1)
    assert_allclose(unmixer.weights_, proportions, atol=1e-6)


def test_a_high_outlier_cost_changes_nothing(problem):
    X, y, _ = problem
    balanced = WassersteinUnmixer(**PRECISE).fit(X, y)
    capped = WassersteinUnmixer(outlier_cost=1e3, **PRECISE).fit(X, y)
    assert capped.unexplained_ == 0
    assert_allclose(capped.weights_, balanced.weights_, atol=1e-6)
    assert_allclose(capped.loss_, balanced.loss_)
    assert balanced.unexplained_ == 0
    assert balanced.outlier_cost_ is None


def test_the_outlier_costs_scale_with_the_units():
    X, y, _ = contaminated()
    automatic = WassersteinUnmixer(outlier_cost="auto", random_state=0, **PRECISE)
    one, other = clone(automatic).fit(X, y), clone(automatic).fit(1e3 * X, y)
    assert_allclose(other.outlier_cost_, 1e3 * one.outlier_cost_)
    assert_allclose(other.weights_, one.weights_, atol=1e-6)
    assert_allclose(other.unexplained_, one.unexplained_, atol=1e-6)


def test_an_outlier_cost_can_be_impossible():
    X, y, _ = contaminated()
    with pytest.raises(ValueError, match="explain nothing"):
        WassersteinUnmixer(outlier_cost=1e-6).fit(X, y)
    with pytest.raises(ValueError, match="one row each"):
        WassersteinUnmixer(outlier_cost="auto").fit([[0.0], [1.0]], [0, 1])


def test_a_foreign_group_is_named_and_the_others_are_unmixed():
    X, y, _ = contaminated()
    unmixer = WassersteinUnmixer(outlier_cost=10.0).fit(X, y)
    target = X[y == -1]
    groups = np.where(target[:, 0] > 30, "foreign", "honest")
    with pytest.warns(RuntimeWarning, match="1 of 2 groups .* no source .* 'foreign'"):
        result = unmixer.unmix(target, groups=groups, return_result=True)
    assert_array_equal(result.groups, ["foreign", "honest"])
    assert np.isnan(result.weights[0]).all()
    assert_allclose(result.unexplained, [1, 0])
    assert result.converged.all()
    alone = unmixer.unmix(target[groups == "honest"], return_result=True)
    assert alone.groups is None
    assert_array_equal(alone.weights, result.weights[1])
    assert alone.loss == result.loss[1]
    assert (result.lower_bound <= result.loss).all()
    with pytest.raises(ValueError, match="explain nothing"):
        unmixer.unmix(target[groups == "foreign"])


@pytest.mark.parametrize("parameters", [{}, {"debias": True, "random_state": 0}])
def test_the_result_of_the_fitted_target_is_the_fit(problem, parameters):
    X, y, _ = problem
    unmixer = WassersteinUnmixer(**parameters).fit(X, y)
    result = unmixer.unmix(X[y == -1], return_result=True)
    assert_array_equal(result.weights, unmixer.weights_)
    assert result.loss == unmixer.loss_
    assert result.lower_bound == unmixer.lower_bound_
    assert result.unexplained == 0
    assert result.converged is True
    assert_array_equal(result.weights, pickle.loads(pickle.dumps(result)).weights)


# Sources that are samples


def compact_and_dispersed(seed, n_features=5):
    """Two classes that overlap, and a target of which half is of each."""
    rng = np.random.default_rng(seed)
    sizes = [(60, 1), (60, 3), (50, 1), (50, 3)]
    X = [scale * rng.normal(size=(size, n_features)) for size, scale in sizes]
    return np.vstack(X), np.repeat([0, 1, -1], [60, 60, 100])


def test_debiasing_does_not_favour_compact_sources():
    plain, debiased = (
        np.array(
            [
                WassersteinUnmixer(debias=debias, solver="lp", random_state=0)
                .fit(*compact_and_dispersed(seed))
                .weights_[0]
                for seed in range(30)
            ]
        )
        for debias in (False, True)
    )
    standard_error = debiased.std() / np.sqrt(len(debiased))
    assert plain.mean() > 0.5 + 4 * standard_error
    assert abs(debiased.mean() - 0.5) < abs(plain.mean() - 0.5) / 4


@pytest.mark.parametrize(
    "parameters", [{}, {"solver": "lp"}, {"loss": "sinkhorn", "reg": 0.1}]
)
def test_debiasing_is_certified(parameters):
    X, y, _ = make_unmixing(3, n_source_samples=40, n_target_samples=60, random_state=0)
    unmixer = WassersteinUnmixer(debias=True, random_state=0, **parameters).fit(X, y)
    noise = unmixer.source_noise_ / 2
    assert (noise > 0).all()
    assert unmixer.converged_
    assert 0 <= unmixer.dual_gap_ <= 1e-4 * (unmixer.loss_ + noise.max())
    assert_allclose(unmixer.loss_curve_.min(), unmixer.loss_)
    if "loss" not in parameters:
        plain = WassersteinUnmixer(tol=1e-10).fit(X, y)
        assert unmixer.loss_ >= plain.loss_ - noise.max()
        assert unmixer.loss_ <= plain.loss_ - plain.weights_ @ noise + 1e-4
        slopes = unmixer.source_masses_.T @ unmixer.source_potentials_
        beta = unmixer.target_masses_ @ unmixer.target_potentials_
        assert_allclose(beta + (slopes - noise).min(), unmixer.lower_bound_)
    assert_array_equal(unmixer.unmix(X[y == -1]), unmixer.weights_)


def test_without_a_target_there_is_nothing_to_debias():
    X, y, _ = make_unmixing(weights=[0.5, 0.3, 0.2], random_state=0)
    X, y = X[y >= 0], y[y >= 0]
    unmixer = WassersteinUnmixer(debias=True, random_state=0).fit(X[:-30], y[:-30])
    assert_allclose(unmixer.weights_, np.bincount(y[:-30]) / len(y[:-30]), atol=1e-9)
    assert_allclose(unmixer.loss_, 0, atol=1e-12)
    assert (unmixer.source_noise_ > 0).all()


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"solver": "lp", "outlier_cost": 5.0},
        {"max_support": 20, "random_state": 0},
        {"metric": "cosine"},
        {"metric": lambda x, y: abs(x - y).sum()},
    ],
)
def test_without_a_target_nothing_moves(parameters):
    X, y, _ = make_unmixing(4, 3, random_state=1)
    X, y = X[y >= 0][:-50], y[y >= 0][:-50]
    masses = np.random.default_rng(0).uniform(0.5, 2, len(X))
    unmixer = WassersteinUnmixer(**parameters).fit(X, y, masses)
    expected = np.bincount(y, masses) / masses.sum()
    assert_allclose(unmixer.weights_, expected, atol=1e-6)
    assert_allclose(unmixer.loss_, 0, atol=1e-12)
    assert unmixer.converged_
    assert unmixer.unexplained_ <= 1e-12
    assert_allclose(unmixer.target_masses_.sum(), 1)
    assert_allclose(unmixer.transform(X).sum(axis=1), 1)
    assert unmixer.quantization_error_ == 0
    assert len(unmixer.loss_curve_) == unmixer.n_iter_


@pytest.mark.parametrize(
    "parameters", [{}, {"max_support": 40}, {"loss": "sinkhorn", "reg": 0.1}]
)
def test_debiasing_depends_neither_on_order_nor_on_units(parameters):
    X, y = compact_and_dispersed(0)
    unmixer = WassersteinUnmixer(
        debias=True, random_state=0, **{"tol": 1e-8, **parameters}
    )
    weights = unmixer.fit(X, y).weights_
    noise = unmixer.source_noise_
    for scale in (1e-6, 1e6):
        assert_allclose(unmixer.fit(scale * X, y).weights_, weights, atol=1e-6)
        assert_allclose(unmixer.source_noise_, scale * noise)
    order = np.random.default_rng(0).permutation(len(X))
    assert_allclose(unmixer.fit(X[order], y[order]).weights_, weights, atol=1e-6)
    swapped = np.where(y < 0, y, 1 - y)
    assert_allclose(unmixer.fit(X, swapped).source_noise_, noise[::-1])


def test_classifier_measures_between_probabilities():
    X, y, proportions = make_unmixing(separation=5, random_state=3)
    unmixer = WassersteinUnmixer(classifier=LogisticRegression(), cv=3).fit(X, y)
    assert_allclose(unmixer.weights_, proportions, atol=0.06)
    assert unmixer.means_.shape == (3, 2)
    assert unmixer.source_points_.shape[1] == 3
    assert_allclose((unmixer.source_points_**2).sum(axis=1), 1)
    assert_allclose(unmixer.transform(X).sum(axis=1), 1)
    assert_array_equal(unmixer.unmix(X[y == -1]), unmixer.weights_)
    # The rows of the sources are seen by a classifier that was not fitted to them.
    fitted = np.sqrt(unmixer.classifier_.predict_proba(X[y == 0]))
    assert not np.isin(fitted[:, 0], unmixer.source_points_[:, 0]).any()


@pytest.mark.parametrize("device", [None, "cpu"])
def test_entropic_loss(problem, device):
    X, y, proportions = problem
    unmixer = WassersteinUnmixer(loss="sinkhorn", reg=0.05, device=device).fit(X, y)
    assert_allclose(unmixer.weights_, proportions, atol=0.06)
    assert unmixer.converged_
    assert 0 <= unmixer.dual_gap_ <= 1e-4 * unmixer.loss_
    shares = unmixer.transform(X[y == -1])
    # The entropic plan has the weights as its marginal.
    assert_allclose(shares.mean(axis=0), unmixer.weights_, atol=1e-4)
    scaled = WassersteinUnmixer(loss="sinkhorn", reg=0.05).fit(1e3 * X, y)
    assert_allclose(scaled.weights_, unmixer.weights_, atol=1e-6)
    assert_allclose(scaled.loss_, 1e3 * unmixer.loss_, rtol=1e-6)


@settings(deadline=None, max_examples=15)
@given(reweighted_sources())
def test_entropic_loss_recovers_reweighted_sources(case):
    unmixer = WassersteinUnmixer(loss="sinkhorn", reg=0.1).fit(*case.rows)
    assert_allclose(unmixer.weights_, case.weights, atol=1e-4)
    assert_allclose(unmixer.loss_, 0, atol=1e-8)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"loss": "sinkhorn", "solver": "lp"}, "solver='lp' needs loss='wasserstein'"),
        (
            {"loss": "sinkhorn", "outlier_cost": 1.0},
            "outlier_cost=1.0 needs loss other",
        ),
        ({"loss": "sinkhorn", "device": "a toaster"}, "device must be one"),
        ({"solver": "lp", "learning_rate": 123.0}, "learning_rate=123.0 needs solver="),
        ({"device": "cpu"}, "device='cpu' needs loss='sinkhorn'; got loss="),
        ({"reg": 0.1}, "reg=0.1 needs loss='sinkhorn' or loss='semirelaxed'; got"),
    ],
)
def test_contradictions_are_errors(problem, parameters, message):
    X, y, _ = problem
    with pytest.raises(ValueError, match=message):
        WassersteinUnmixer(**parameters).fit(X, y)


@pytest.mark.parametrize("loss", ["wasserstein", "sinkhorn"])
def test_bootstrap_is_scipys_kind_of_result(problem, loss):
    X, y, _ = problem
    unmixer = WassersteinUnmixer(loss=loss).fit(X, y)
    result = unmixer.bootstrap(n_resamples=20, random_state=0)
    low, high = result.confidence_interval
    assert result.bootstrap_distribution.shape == (4, 20)
    assert_allclose(result.bootstrap_distribution.sum(axis=0), 1)
    assert (low <= unmixer.weights_ + 0.02).all()
    assert (unmixer.weights_ - 0.02 <= high).all()
    assert_allclose(
        result.standard_error, result.bootstrap_distribution.std(axis=1, ddof=1)
    )
    wider = unmixer.bootstrap(n_resamples=20, confidence_level=0.99, random_state=0)
    assert (wider.confidence_interval.high >= high).all()
    basic = unmixer.bootstrap(n_resamples=20, method="basic", random_state=0)
    assert_allclose(
        basic.confidence_interval.low,
        np.clip(2 * unmixer.weights_ - high, 0, 1),
        atol=2e-2,
    )


def test_bootstrap_spread_is_the_multinomials():
    # Sources so far apart that the weights are the counts.
    X, y, proportions = make_unmixing(
        2,
        separation=100,
        n_source_samples=20,
        n_target_samples=50,
        weights=[0.5, 0.5],
        random_state=0,
    )
    result = WassersteinUnmixer().fit(X, y).bootstrap(n_resamples=200, random_state=0)
    expected = np.sqrt(proportions * (1 - proportions) / 50)
    assert_allclose(result.standard_error, expected, rtol=0.25)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_bootstrap_of_groups(problem, n_jobs, monkeypatch):
    X, y, _ = problem
    target = X[y == -1]
    groups = np.arange(len(target)) % 2
    monkeypatch.setattr("skwot._unmixing.bootstrap._BLOCK", 5)
    unmixer = WassersteinUnmixer(n_jobs=n_jobs).fit(X, y)
    result = unmixer.bootstrap(target, groups=groups, n_resamples=10, random_state=1)
    assert result.confidence_interval.low.shape == (2, 4)
    assert result.bootstrap_distribution.shape == (2, 4, 10)
    alone = WassersteinUnmixer().fit(X, y)
    again = alone.bootstrap(target, groups=groups, n_resamples=10, random_state=1)
    assert_array_equal(result.bootstrap_distribution, again.bootstrap_distribution)


def test_bootstrap_with_outliers():
    X, y, proportions = contaminated()
    unmixer = WassersteinUnmixer(outlier_cost=10.0).fit(X, y)
    result = unmixer.bootstrap(n_resamples=20, random_state=0)
    low, high = result.confidence_interval
    assert (low <= proportions + 0.02).all()
    assert (proportions <= high + 0.02).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_resamples": 1}, "n_resamples"),
        ({"confidence_level": 1.0}, "confidence_level"),
        ({"method": "BCa"}, "method"),
        ({"groups": [0, 1]}, "belong to X"),
    ],
)
def test_bootstrap_arguments_are_checked(problem, arguments, message):
    X, y, _ = problem
    unmixer = WassersteinUnmixer().fit(X, y)
    with pytest.raises(ValueError, match=message):
        unmixer.bootstrap(**arguments)
    with pytest.raises(NotFittedError):
        WassersteinUnmixer().bootstrap()


# Fitted attributes and warnings


def test_attributes_are_numpy_and_agree(problem):
    X, y, _ = problem
    unmixer = WassersteinUnmixer().fit(X, y)
    fitted = {k: v for k, v in vars(unmixer).items() if k.endswith("_")}
    assert not any(isinstance(value, torch.Tensor) for value in fitted.values())
    assert isinstance(unmixer.loss_, float)
    assert isinstance(unmixer.converged_, bool)
    assert unmixer.dual_gap_ == unmixer.loss_ - unmixer.lower_bound_
    assert 0 <= unmixer.dual_gap_ <= 1e-4 * unmixer.loss_
    assert unmixer.loss_ == unmixer.loss_curve_.min()
    assert unmixer.n_iter_ == len(unmixer.loss_curve_)
    bound = unmixer.target_masses_ @ unmixer.target_potentials_ + min(
        unmixer.source_masses_.T @ unmixer.source_potentials_
    )
    assert_allclose(bound, unmixer.lower_bound_)


def test_out_of_steps_warns_with_the_gap(problem):
    X, y, _ = problem
    unmixer = WassersteinUnmixer(solver="pgd", max_iter=2, tol=1e-9)
    with pytest.warns(ConvergenceWarning, match="dual gap is") as caught:
        unmixer.fit(X, y)
    assert f"{unmixer.dual_gap_:.3g}" in str(caught[0].message)
    assert not unmixer.converged_
    with pytest.warns(ConvergenceWarning, match="in 2 of 2 groups"):
        unmixer.unmix(X, groups=np.arange(len(X)) % 2)


@pytest.mark.parametrize(
    "refit",
    [{}, {"loss": "wasserstein", "reg": "auto"}, {"classifier": LogisticRegression()}],
)
def test_a_refit_has_the_attributes_of_a_fresh_fit(problem, refit):
    X, y, _ = problem
    first = {"loss": "sinkhorn", "reg": 0.1, "debias": True, "random_state": 0}
    unmixer = WassersteinUnmixer(**first).fit(X, y)
    unmixer.set_params(**refit).fit(X, y)
    fresh = clone(unmixer).fit(X, y)
    assert vars(unmixer).keys() == vars(fresh).keys()
    assert hasattr(unmixer, "plan_potentials_") == (refit.get("loss") is None)


def test_a_refit_that_fails_leaves_the_last_fit(problem, monkeypatch):
    X, y, _ = problem
    unmixer = WassersteinUnmixer().fit(X, y)
    before = dict(vars(unmixer))
    with pytest.raises(ValueError, match="at least one source"):
        unmixer.fit(X[:, :2], np.full(len(X), -1))
    assert vars(unmixer) == before

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("skwot._unmixer.solve", interrupted)
    with pytest.raises(KeyboardInterrupt):
        unmixer.fit(X[:, :2], np.where(y < 0, y, 3 - y))
    assert vars(unmixer) == before


# Bad input


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_must_be_finite(problem, bad):
    X, y, _ = problem
    X[3, 1] = bad
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        WassersteinUnmixer().fit(X, y)


def test_some_row_must_be_a_source():
    with pytest.raises(ValueError, match="at least one source"):
        WassersteinUnmixer().fit([[0.0], [1.0]], [-1, -1])


def test_a_single_row_is_too_few():
    with pytest.raises(ValueError, match="minimum of 2"):
        WassersteinUnmixer().fit([[0.0]], [0])


@pytest.mark.parametrize(
    ("masses", "message"),
    [
        ([1, 1, 1, -1], "Negative values"),
        ([0, 0, 0, 0], "zero"),
        ([0, 0, 1, 1], "source 'a'"),
        ([1, 1, 0, 0], "the target"),
        ([1, 1, np.nan, 1], "NaN"),
    ],
)
def test_masses_must_be_positive_somewhere(masses, message):
    X, y = [[0.0], [1.0], [2.0], [3.0]], ["a", "a", "t", "t"]
    unmixer = WassersteinUnmixer(target_label="t")
    with pytest.raises(ValueError, match=message):
        unmixer.fit(X, y, masses)


def test_a_massless_group_is_named_and_the_others_are_unmixed(problem):
    X, y, _ = problem
    unmixer = WassersteinUnmixer().fit(X, y)
    given = {"groups": [0, 0, 1, 1], "sample_weight": [1, 1, 0, 0]}
    with pytest.warns(RuntimeWarning, match=r"sample_weight is zero .* of them: 1\."):
        result = unmixer.unmix(X[:4], **given, return_result=True)
    assert_array_equal(result.weights[0], unmixer.unmix(X[:2]))
    assert np.isnan([*result.weights[1], result.unexplained[1], result.loss[1]]).all()
    with pytest.warns(RuntimeWarning, match="sample_weight is zero"):
        intervals = unmixer.bootstrap(X[:4], **given, n_resamples=5, random_state=0)
    assert np.isnan(intervals.confidence_interval.low[1]).all()
    assert np.isfinite(intervals.confidence_interval.low[0]).all()


@pytest.mark.parametrize("method", ["transform", "predict", "unmix"])
def test_number_of_features_and_fit(problem, method):
    X, y, _ = problem
    with pytest.raises(NotFittedError):
        getattr(WassersteinUnmixer(), method)(X)
    unmixer = WassersteinUnmixer().fit(X, y)
    with pytest.raises(ValueError, match="2 features, but"):
        getattr(unmixer, method)(X[:, :2])


@pytest.mark.parametrize(
    "parameters",
    [
        {"metric": "manhattan distance"},
        {"metric_params": [2]},
        {"solver": "simplex"},
        {"learning_rate": 0.0},
        {"learning_rate": "fast"},
        {"max_iter": 0},
        {"tol": -1e-3},
    ],
)
def test_parameters_are_checked(problem, parameters):
    X, y, _ = problem
    (name,) = parameters
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        WassersteinUnmixer(**parameters).fit(X, y)


def test_continuous_labels_are_refused():
    X = np.random.default_rng(0).normal(size=(10, 2))
    with pytest.raises(ValueError, match="continuous"):
        WassersteinUnmixer().fit(X, X[:, 0])


def test_nothing_is_changed_outside(problem):
    X, y, _ = problem
    masses = np.ones(len(X))
    copies = X.copy(), y.copy(), masses.copy()
    state = np.random.get_state()[1:3]
    state = state[0].copy(), state[1]
    surroundings = torch.get_num_threads(), torch.get_default_dtype()
    torch_state, filters = torch.random.get_rng_state(), list(warnings.filters)
    unmixer = WassersteinUnmixer().fit(X, y, masses)
    WassersteinUnmixer(solver="lp").fit(X, y, masses)
    WassersteinUnmixer(loss="sinkhorn", reg=0.1).fit(X, y, masses)
    drawing = WassersteinUnmixer(max_support=50, outlier_cost="auto", random_state=0)
    drawing.fit(X, y, masses).bootstrap(n_resamples=2, random_state=0)
    unmixer.unmix(X, sample_weight=masses, groups=y)
    unmixer.transform(X)
    for array, copy in zip((X, y, masses), copies, strict=True):
        assert_array_equal(array, copy)
    keys, position = np.random.get_state()[1:3]
    assert_array_equal(keys, state[0])
    assert position == state[1]
    assert (torch.get_num_threads(), torch.get_default_dtype()) == surroundings
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    assert list(warnings.filters) == filters
