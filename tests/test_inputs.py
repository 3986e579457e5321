"""Inputs that used to give silent or unclear answers, as a user gives them.

Each has the right answer, an error that says what to do, or a warning that asks.
"""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skwot import GMMFlowFitter, WassersteinUnmixer, stack_sources
from skwot.datasets import make_unmixing
from skwot.exceptions import IdentifiabilityWarning

X, Y, TRUTH = make_unmixing(
    2, n_source_samples=30, n_target_samples=40, weights=[0.7, 0.3], random_state=0
)
NAMES = np.array(["b", "c", "a"])[Y + 1]  # of the target, and of both sources
NAMES = np.where(Y == -1, "target", np.where(Y == 0, "a", "b"))
WEIGHTS = WassersteinUnmixer().fit(X, Y).weights_


def mixed_list():
    return ["a" if k == 0 else "b" if k == 1 else -1 for k in Y.tolist()]


class TestLabels:
    def test_a_list_of_names_and_minus_one_is_what_it_says(self):
        unmixer = WassersteinUnmixer().fit(X, mixed_list())
        assert unmixer.classes_.tolist() == ["a", "b"]
        assert_array_equal(unmixer.weights_, WEIGHTS)

    @pytest.mark.parametrize(
        ("y", "target_label"),
        [
            (np.array(mixed_list()), -1),
            (Y.astype(str), -1),
            (NAMES, "Target"),
            (np.where(Y == -1, 255, Y).astype(np.uint8), -1),
        ],
    )
    def test_a_target_label_that_no_row_has_exactly(self, y, target_label):
        with pytest.raises(ValueError, match="No row of y has target_label"):
            WassersteinUnmixer(target_label=target_label).fit(X, y)

    def test_a_forgotten_target_label(self):
        with pytest.warns(UserWarning, match="Set target_label='target' if"):
            WassersteinUnmixer().fit(X, NAMES)

    def test_a_source_that_is_the_mixture_of_the_others(self):
        rows = np.concatenate([X[Y == 0], X[Y == 1], X[Y == 0], X[Y == 1][:10]])
        y = np.repeat(["a", "b", "observed"], [30, 30, 40])
        with pytest.warns(IdentifiabilityWarning, match="'observed'.* target_label"):
            WassersteinUnmixer().fit(rows, y)

    @pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
    def test_a_missing_label(self, missing):
        y = pd.Series(mixed_list(), dtype=object)
        y[3] = missing
        with pytest.raises(ValueError, match=r"y must have no missing .* row 3"):
            WassersteinUnmixer().fit(X, y)

    def test_names_and_numbers(self):
        y = [7 if label == "b" else label for label in mixed_list()]
        with pytest.raises(ValueError, match="labels of one type"):
            WassersteinUnmixer().fit(X, y)

    def test_bool_and_minus_one(self):
        y = [bool(k) if k >= 0 else -1 for k in Y.tolist()]
        assert_array_equal(WassersteinUnmixer().fit(X, y).weights_, WEIGHTS)

    def test_binary_classes(self):
        with pytest.warns(UserWarning, match="labels 1 and -1 only"):
            WassersteinUnmixer().fit(X[Y == 1], np.resize([1, -1], 30))

    def test_a_list_as_target_label(self):
        with pytest.raises(ValueError, match="target_label must be a single label"):
            WassersteinUnmixer(target_label=[-1]).fit(X, Y)

    @pytest.mark.parametrize("missing", [None, np.nan])
    def test_a_missing_group(self, missing):
        groups = np.array(["p", missing] * 20, dtype=object)
        unmixer = WassersteinUnmixer().fit(X, Y)
        with pytest.raises(ValueError, match="groups must have no missing labels"):
            unmixer.unmix(X[Y == -1], groups=groups)


class TestFrames:
    @pytest.mark.parametrize("library", [pd, pl])
    def test_stacked_frames_stay_frames(self, library):
        frames = [
            library.DataFrame(dict(zip("xy", X[k == Y].T, strict=True)))
            for k in (0, 1, -1)
        ]
        rows, y, masses = stack_sources(frames[:2], frames[2])
        assert isinstance(rows, library.DataFrame)
        assert list(rows.columns) == ["x", "y"]
        unmixer = WassersteinUnmixer().fit(rows, y, masses)
        assert unmixer.feature_names_in_.tolist() == ["x", "y"]
        assert_allclose(unmixer.weights_, WEIGHTS, atol=1e-12)

    @pytest.mark.parametrize("library", [pd, pl])
    @pytest.mark.parametrize(
        ("columns", "message"), [("yx", "another order"), ("xz", "other names")]
    )
    def test_columns_of_frames_must_agree(self, library, columns, message):
        one = library.DataFrame({"x": [1.0], "y": [2.0]})
        other = library.DataFrame({name: [1.0] for name in columns})
        with pytest.raises(ValueError, match=f"the columns of 'b' have {message}"):
            stack_sources({"a": one, "b": other})

    def test_frames_and_arrays_do_not_mix(self):
        with pytest.raises(ValueError, match="all be data frames or none"):
            stack_sources([pd.DataFrame({"x": [1.0]}), [[2.0]]])

    def test_sparse_samples_stay_sparse(self):
        rows, y, _ = stack_sources([sparse.eye_array(3), np.zeros((1, 3))])
        assert sparse.issparse(rows)
        assert y.tolist() == [0, 0, 0, 1]

    def test_masked_samples(self):
        with pytest.raises(ValueError, match="no masked entries"):
            stack_sources([np.ma.array([[1.0], [2.0]], mask=[[0], [1]])])


class TestRowsOutsideOfTheMetric:
    def test_a_row_without_direction(self):
        rows = X.copy()
        rows[5] = 0
        with pytest.raises(ValueError, match=r"metric='cosine' needs rows .* row 5"):
            WassersteinUnmixer(metric="cosine").fit(rows, Y)
        unmixer = WassersteinUnmixer(metric="cosine").fit(X, Y)
        for method in (unmixer.unmix, unmixer.transform, unmixer.predict):
            with pytest.raises(ValueError, match="metric='cosine' needs rows"):
                method(rows)

    def test_negative_numbers_are_no_distribution(self):
        with pytest.raises(
            ValueError, match="'jensenshannon' needs rows that are non-negat"
        ):
            WassersteinUnmixer(metric="jensenshannon").fit(X, Y)

    def test_units_in_which_squares_underflow(self):
        with pytest.raises(ValueError, match="Give X in other units"):
            WassersteinUnmixer().fit(1e-300 * X, Y)
        found = WassersteinUnmixer(metric="cityblock").fit(1e-300 * X, Y)
        expected = WassersteinUnmixer(metric="cityblock").fit(X, Y)
        assert_allclose(found.weights_, expected.weights_, atol=1e-12)

    @pytest.mark.parametrize("name", ["dice", "yule", "minkowski", "hamming"])
    def test_the_name_of_a_function_means_nothing(self, name):
        def metric(u, v):
            return float(abs(u - v).sum())

        metric.__name__ = name
        found = WassersteinUnmixer(metric=metric).fit(X, Y)
        expected = WassersteinUnmixer(metric="cityblock").fit(X, Y)
        assert_allclose(found.weights_, expected.weights_, atol=1e-12)


class TestSizes:
    @pytest.mark.parametrize("solver", ["auto", "pgd"])
    def test_an_outlier_cost_that_is_never_paid(self, solver):
        expected = WassersteinUnmixer(solver=solver).fit(X, Y)
        found = WassersteinUnmixer(solver=solver, outlier_cost=1e300).fit(X, Y)
        assert_array_equal(found.weights_, expected.weights_)
        assert found.unexplained_ == 0
        intervals = found.bootstrap(n_resamples=5, random_state=0)
        # Half a row of the outliers joins the target, as of every source.
        assert intervals.unexplained.bootstrap_distribution.max() <= 2 / 40

    def test_a_temperature_of_nothing(self):
        with pytest.raises(ValueError, match="'reg' parameter"):
            WassersteinUnmixer(loss="sinkhorn", reg=1e-30).fit(X, Y)

    @pytest.mark.parametrize("scale", [1e308, 1e-300])
    def test_masses_whose_sum_overflows(self, scale):
        masses = scale * np.linspace(0.1, 1, len(X))
        expected = WassersteinUnmixer().fit(X, Y, masses / scale)
        found = WassersteinUnmixer().fit(X, Y, masses)
        assert_allclose(found.weights_, expected.weights_, atol=1e-12)
        labelled = Y >= 0
        shares = [
            WassersteinUnmixer().fit(X[labelled], Y[labelled], m[labelled]).weights_
            for m in (masses, masses / scale)
        ]
        assert_allclose(*shares, atol=1e-12)

    def test_a_step_of_any_size(self):
        rows = 1e9 * X
        unmixer = WassersteinUnmixer(
            metric="sqeuclidean", learning_rate=0.002, max_iter=50, tol=10.0
        )
        assert_allclose(unmixer.fit(rows, Y).weights_.sum(), 1)


class TestModel:
    def test_blends_of_sources(self):
        far = X + 20 * (Y == 1)[:, None]
        sources = far[Y == 0], far[Y == 1]
        rows, y, masses = stack_sources(sources, 0.7 * sources[0] + 0.3 * sources[1])
        with pytest.warns(UserWarning, match="no mixture of these sources"):
            WassersteinUnmixer().fit(rows, y, masses)

    def test_profiles_that_are_known_exactly_are_no_cause_for_alarm(self):
        bins = np.arange(900.0)[:, None]
        profiles = [
            np.exp(-(((bins[:, 0] - 450) / width) ** 2)) for width in (100, 102, 104)
        ]
        truth = np.array([0.2, 0.5, 0.3])
        target = sum(w * h / h.sum() for w, h in zip(truth, profiles, strict=True))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            unmixer = WassersteinUnmixer().fit(
                *stack_sources([(bins, h) for h in profiles], (bins, target))
            )
        assert_allclose(unmixer.weights_, truth, atol=1e-8)
        # The same profiles twice, and samples of them, are.
        with pytest.warns(IdentifiabilityWarning, match="0 and 1 are"):
            WassersteinUnmixer().fit(
                *stack_sources([(bins, profiles[0])] * 2, (bins, profiles[0]))
            )
        rng = np.random.default_rng(0)
        drawn = [bins[rng.choice(900, 400, p=h / h.sum())] for h in profiles]
        with pytest.warns(IdentifiabilityWarning):
            WassersteinUnmixer().fit(*stack_sources(drawn[:2], drawn[2]))


COLOURS = np.where(X[:, 0] > np.median(X[:, 0]), "red", "blue")
FRAME = pd.DataFrame({"x": X[:, 0], "y": X[:, 1], "colour": COLOURS})
ENCODER = ColumnTransformer(
    [("colour", OneHotEncoder(), ["colour"])], remainder="passthrough"
)
OF_FRAMES = make_pipeline(ENCODER, LogisticRegression())
TEXTS = [
    f"word{int(10 * abs(x))} word{int(10 * abs(y))} {colour}"
    for x, y, colour in FRAME.itertuples(index=False)
]
OF_TEXTS = make_pipeline(TfidfVectorizer(), LogisticRegression())
SPARSE = sparse.csr_array(np.where(X > 0, X, 0))
HOLES = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
RAW = {
    "pandas": (FRAME, OF_FRAMES),
    "polars": (pl.DataFrame(FRAME.to_dict("list")), OF_FRAMES),
    "sparse": (SPARSE, LogisticRegression()),
    "holes": (HOLES, HistGradientBoostingClassifier(max_iter=5)),
    "texts": (TEXTS, OF_TEXTS),
    "array of texts": (np.array(TEXTS, dtype=object), OF_TEXTS),
    "lists": (X.tolist(), LogisticRegression()),
}


class TestClassifiersOfRawRows:
    @pytest.mark.parametrize("kind", RAW)
    def test_they_see_the_rows_as_they_came(self, kind):
        rows, classifier = RAW[kind]
        unmixer = WassersteinUnmixer(classifier=classifier).fit(rows, Y)
        assert_allclose(unmixer.weights_.sum(), 1)
        assert_allclose(unmixer.transform(rows).sum(axis=1), 1)
        assert unmixer.predict(rows).shape == (len(X),)
        groups = np.arange(len(X)) % 3
        assert unmixer.unmix(rows, groups=groups).shape == (3, 2)
        unmixer.bootstrap(rows, n_resamples=2, random_state=0)
        assert hasattr(unmixer, "means_") == (kind == "lists")

    def test_moments_are_those_of_numbers(self):
        unmixer = WassersteinUnmixer(classifier=LogisticRegression()).fit(X, Y)
        plain = WassersteinUnmixer().fit(X, Y)
        assert_array_equal(unmixer.means_, plain.means_)
        assert_array_equal(unmixer.covariances_, plain.covariances_)
        named = WassersteinUnmixer(
            classifier=make_pipeline(ENCODER, LogisticRegression())
        ).fit(FRAME, Y)
        assert named.feature_names_in_.tolist() == ["x", "y", "colour"]
        assert not hasattr(named, "means_")

    def test_a_small_source_has_fewer_folds(self):
        kept = np.flatnonzero((Y != 1) | (np.cumsum(Y == 1) <= 3))
        unmixer = WassersteinUnmixer(classifier=LogisticRegression(), cv=5)
        assert_allclose(unmixer.fit(X[kept], Y[kept]).weights_.sum(), 1)
        kept = np.flatnonzero((Y != 1) | (np.cumsum(Y == 1) <= 1))
        with pytest.raises(ValueError, match=r"two rows of each source.* source 1"):
            unmixer.fit(X[kept], Y[kept])

    def test_lengths_must_agree(self):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            WassersteinUnmixer(classifier=LogisticRegression()).fit(X, Y[:-1])


class TestFlow:
    def test_masked_rows(self):
        masked = np.ma.array(X, mask=np.zeros(X.shape, bool))
        GMMFlowFitter(2, random_state=0).fit(masked)
        masked[0, 0] = np.ma.masked
        with pytest.raises(ValueError, match="X must have no masked entries; got 1"):
            GMMFlowFitter(2).fit(masked)
