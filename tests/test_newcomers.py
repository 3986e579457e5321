"""What a scikit-learn user tries without reading: it works, or explains itself."""

import copy
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

from skwot import GMMFlowFitter, WassersteinUnmixer, stack_sources
from skwot.datasets import make_unmixing


@pytest.fixture(scope="module")
def data():
    X, y, _ = make_unmixing(n_source_samples=50, n_target_samples=60, random_state=0)
    return X, y


@pytest.fixture(scope="module")
def samples(data):
    X, y = data
    return [X[y == k] for k in range(3)], X[y == -1]


@pytest.fixture(scope="module")
def weights(data):
    return WassersteinUnmixer().fit(*data).weights_


@pytest.mark.parametrize("container", [list, tuple, lambda s: dict(enumerate(s))])
def test_separate_samples_in_place_of_rows(samples, container):
    sources, target = samples
    with pytest.raises(ValueError, match=r"stack_sources\(sources, target\)"):
        WassersteinUnmixer().fit(container(sources), target)


def test_separate_bags_in_place_of_groups(data, samples, weights):
    unmixer = WassersteinUnmixer().fit(*data)
    bags = [samples[1], samples[1][:20]]
    with pytest.raises(ValueError, match=r"groups.*= skwot.stack_sources\(targets\)"):
        unmixer.unmix(bags)
    X, groups, masses = stack_sources(bags)
    found = unmixer.unmix(X, groups=groups, sample_weight=masses)
    np.testing.assert_allclose(found[0], weights, atol=1e-9)


def test_labelled_rows_in_place_of_samples(data):
    with pytest.raises(ValueError, match="go into fit as they are, with y"):
        stack_sources(data[0], data[0])


def test_no_labels(data):
    with pytest.raises(TypeError, match="'y'"):
        WassersteinUnmixer().fit(data[0])
    with pytest.raises(ValueError, match="requires y to be passed"):
        WassersteinUnmixer().fit(data[0], None)


@pytest.mark.parametrize("missing", [np.nan, None])
def test_missing_labels_as_the_target(data, missing):
    X, y = data
    labels = [missing if label == -1 else float(label) for label in y]
    with pytest.raises(ValueError, match="y must have no missing labels"):
        WassersteinUnmixer().fit(X, labels)


def test_labels_of_other_types(data, weights):
    X, y = data
    for labels in (y.tolist(), y.astype(float), pd.Series(y), pd.Categorical(y)):
        found = WassersteinUnmixer().fit(X, labels).weights_
        np.testing.assert_array_equal(found, weights)
    with pytest.warns(DataConversionWarning, match="column-vector"):
        WassersteinUnmixer().fit(X, y[:, None])
    with pytest.raises(ValueError, match="Set target_label='-1'"):
        WassersteinUnmixer().fit(X, y.astype(str))


def test_rows_of_other_types(data, weights):
    X, y = data
    for rows in (X.tolist(), torch.tensor(X), pd.DataFrame(X), np.asfortranarray(X)):
        found = WassersteinUnmixer().fit(rows, y).weights_
        np.testing.assert_array_equal(found, weights)
    found = WassersteinUnmixer().fit(X.astype(np.float32), y).weights_
    np.testing.assert_allclose(found, weights, atol=0.02)


@pytest.mark.parametrize("estimator", [WassersteinUnmixer(), GMMFlowFitter(3)])
def test_rows_that_are_none(data, estimator):
    X, y = data
    with pytest.raises(ValueError, match="contains NaN"):
        clone(estimator).fit(np.where(X > 3, np.nan, X), y)
    with pytest.raises(ValueError, match=r"Reshape your data"):
        clone(estimator).fit(X[:, 0], y)
    with pytest.raises(TypeError, match=r"Use '.toarray\(\)'"):
        clone(estimator).fit(sparse.csr_array(X), y)


@pytest.mark.parametrize("method", ["predict", "transform", "unmix", "bootstrap"])
def test_results_before_a_fit(data, method):
    arguments = [] if method == "bootstrap" else [data[0]]
    with pytest.raises(NotFittedError, match="Call 'fit'"):
        getattr(WassersteinUnmixer(), method)(*arguments)


@pytest.mark.parametrize("method", ["predict", "transport", "sample", "score"])
def test_results_of_a_flow_before_a_fit(data, method):
    arguments = [] if method == "sample" else [data[0]]
    with pytest.raises(NotFittedError, match="Call 'fit'"):
        getattr(GMMFlowFitter(), method)(*arguments)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"loss": "emd"}, "'loss' parameter.*among.*'wasserstein'"),
        ({"metric": "wasserstein"}, "'metric' parameter.*among.*'sqeuclidean'"),
        ({"debias": "yes"}, "'debias' parameter"),
        ({"classifier": RidgeClassifier()}, "implementing 'fit' and 'predict_proba'"),
        ({"classifier": LogisticRegression}, "got estimator class instead"),
        ({"solver": "lp", "learning_rate": 0.1}, "learning_rate=0.1 needs solver="),
        ({"reg": 0.1}, "reg=0.1 needs loss="),
    ],
)
def test_parameters_that_make_no_sense(data, wrong, message):
    with pytest.raises((ValueError, TypeError), match=message):
        WassersteinUnmixer(**wrong).fit(*data)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"covariance_type": "diagonal"}, "'covariance_type' parameter.*among.*'diag'"),
        ({"n_components": 0}, "'n_components' parameter"),
        ({"target": "kmeans"}, "target must be a fitted mixture or a tuple"),
        ({"target": GaussianMixture(3)}, "target=GaussianMixture.* call its fit"),
        ({"target": np.zeros((9, 2))}, r"Fit a mixture to them first"),
        ({"init": np.zeros((9, 2))}, r"Fit a mixture to them first"),
        ({"target": ([1.0], [[0.0, 0.0]])}, "a tuple .weights, means, covariances"),
        ({"solver": "bures", "learning_rate": 0.1}, "learning_rate must be 'auto'"),
    ],
)
def test_flow_parameters_that_make_no_sense(data, wrong, message):
    with pytest.raises((ValueError, NotFittedError), match=message):
        GMMFlowFitter(**wrong).fit(data[0])


def test_mixtures_that_do_not_match(data):
    X, _ = data
    three = GaussianMixture(3, random_state=0).fit(X)
    with pytest.raises(ValueError, match="init must have n_components=5 components"):
        GMMFlowFitter(5, init=three).fit(X)
    with pytest.raises(ValueError, match=r"X must have at least as many rows"):
        GMMFlowFitter(1000).fit(X)


def test_new_rows_that_do_not_match(data):
    X, y = data
    unmixer = WassersteinUnmixer().fit(X, y)
    with pytest.raises(ValueError, match="expecting 2 features"):
        unmixer.unmix(X[:, :1])
    with pytest.raises(ValueError, match="groups must have one entry a row of X"):
        unmixer.unmix(X, groups=[1])
    framed = WassersteinUnmixer().fit(pd.DataFrame(X, columns=["a", "b"]), y)
    with pytest.raises(ValueError, match="feature names should match"):
        framed.unmix(pd.DataFrame(X, columns=["b", "a"]))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        framed.unmix(X)


def test_masses_that_are_none(data):
    X, y = data
    with pytest.raises(ValueError, match="Negative values"):
        WassersteinUnmixer().fit(X, y, -np.ones(len(y)))
    with pytest.raises(ValueError, match=r"sample_weight.shape == \(3,\)"):
        WassersteinUnmixer().fit(X, y, np.ones(3))


def test_a_pipeline_and_its_last_step(data, samples, weights):
    pipeline = make_pipeline(StandardScaler(), WassersteinUnmixer()).fit(*data)
    found = pipeline[-1].unmix(pipeline[:-1].transform(samples[1]))
    np.testing.assert_array_equal(found, pipeline[-1].weights_)
    assert pipeline.predict(samples[1]).shape == (60,)
    np.testing.assert_allclose(found, weights, atol=0.1)


def test_model_selection_by_default_and_by_accuracy(data):
    X, y = data
    rows, labels = X[y >= 0], y[y >= 0]
    assert (cross_val_score(WassersteinUnmixer(), rows, labels) <= 0).all()
    by_rows = cross_val_score(WassersteinUnmixer(), rows, labels, scoring="accuracy")
    assert by_rows.min() > 0.8
    predicted = cross_val_predict(WassersteinUnmixer(), rows, labels)
    assert np.mean(predicted == labels) > 0.8
    grid = GridSearchCV(GMMFlowFitter(), {"n_components": [1, 3]}).fit(rows)
    assert grid.best_params_ == {"n_components": 3}


def test_parts_of_other_estimators(data):
    X, y = data
    columns = ColumnTransformer([("unmix", WassersteinUnmixer(), [0, 1])])
    assert columns.fit_transform(X, y).shape == (len(X), 3)
    union = FeatureUnion([("u", WassersteinUnmixer()), ("g", GMMFlowFitter(2))])
    assert union.fit_transform(X, y).shape == (len(X), 5)
    names = union.get_feature_names_out()
    assert names[0] == "u__wassersteinunmixer0"


def test_in_place_of_a_gaussian_mixture(data):
    X, _ = data
    flow = GMMFlowFitter(3, n_target_components=9, random_state=0)
    labels = flow.fit_predict(X)
    np.testing.assert_array_equal(labels, flow.predict(X))
    np.testing.assert_allclose(flow.predict_proba(X).sum(axis=1), 1)
    assert np.isfinite([flow.score(X), flow.aic(X), flow.bic(X)]).all()
    assert flow.sample(5)[0].shape == (5, 2)
    assert isinstance(flow.to_sklearn(), GaussianMixture)


@pytest.mark.parametrize("estimator", [WassersteinUnmixer(), GMMFlowFitter(2)])
def test_copies_and_files(data, estimator, tmp_path):
    fitted = clone(estimator).fit(*data)
    joblib.dump(fitted, tmp_path / "fitted.joblib")
    for again in (copy.deepcopy(fitted), joblib.load(tmp_path / "fitted.joblib")):
        np.testing.assert_array_equal(again.predict(data[0]), fitted.predict(data[0]))


@pytest.mark.parametrize("estimator", [WassersteinUnmixer(), GMMFlowFitter(2)])
def test_frames_out(data, estimator):
    X, y = data
    frame = pd.DataFrame(X, columns=["a", "b"], index=np.arange(len(X)) + 7)
    out = clone(estimator).set_output(transform="pandas").fit_transform(frame, y)
    assert out.index.tolist() == frame.index.tolist()
    assert all(name.startswith(type(estimator).__name__.lower()) for name in out)


def test_classes_that_are_no_source(data):
    X, y = data
    with pytest.raises(ValueError, match="at least one source"):
        WassersteinUnmixer().fit(X, np.full(len(y), -1))
    with pytest.warns(UserWarning, match="No row of y has target_label='new'"):
        WassersteinUnmixer(target_label="new").fit(X, y)


def test_a_seed_twice_gives_the_same(data):
    X, y = data
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one, other = (
            GMMFlowFitter(3, n_target_components=5, random_state=3).fit(X)
            for _ in range(2)
        )
    np.testing.assert_array_equal(one.means_, other.means_)
    first, second = (WassersteinUnmixer(max_support=20).fit(X, y) for _ in range(2))
    np.testing.assert_allclose(first.weights_, second.weights_, atol=0.1)
