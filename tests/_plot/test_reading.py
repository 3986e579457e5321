import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skwot import GMMFlowFitter, WassersteinUnmixer
from skwot._plot.reading import (
    feature_labels,
    fitted_step,
    given_names,
    pick_features,
)
from skwot.datasets import make_unmixing
from skwot.model_selection import PrevalenceShiftSplit

NAMES = ["age", "height", "weight"]


@pytest.fixture(scope="module")
def data():
    X, y, _ = make_unmixing(random_state=0)
    return X, y


def test_an_estimator_is_itself_and_a_pipeline_its_last_step(data):
    unmixer = WassersteinUnmixer().fit(*data)
    assert fitted_step(unmixer, WassersteinUnmixer) is unmixer
    pipeline = make_pipeline(StandardScaler(), WassersteinUnmixer()).fit(*data)
    assert fitted_step(pipeline, WassersteinUnmixer) is pipeline[-1]


def test_unfitted_is_said(data):
    with pytest.raises(NotFittedError, match="WassersteinUnmixer"):
        fitted_step(WassersteinUnmixer(), WassersteinUnmixer)
    with pytest.raises(NotFittedError, match="WassersteinUnmixer"):
        fitted_step(make_pipeline(WassersteinUnmixer()), WassersteinUnmixer)


@pytest.mark.parametrize(
    ("wrong", "described"),
    [
        (LogisticRegression(), "got a LogisticRegression"),
        (GMMFlowFitter(), "got a GMMFlowFitter"),
        (make_pipeline(StandardScaler()), "last step is a StandardScaler"),
        (WassersteinUnmixer, "got the class WassersteinUnmixer itself"),
        (np.zeros((2, 2)), "got a ndarray"),
    ],
)
def test_a_wrong_estimator_is_named(wrong, described):
    with pytest.raises(TypeError, match=described):
        fitted_step(wrong, WassersteinUnmixer)


def test_a_search_points_to_its_best_estimator(data):
    X, y = data
    cv = PrevalenceShiftSplit(2, random_state=0)
    search = GridSearchCV(WassersteinUnmixer(), {"tol": [1e-3]}, cv=cv)
    search.fit(X[y >= 0], y[y >= 0])
    with pytest.raises(TypeError, match="GridSearchCV, whose best_estimator_ can be"):
        fitted_step(search, WassersteinUnmixer)


def names_of(pipeline, data, **frame):
    X, y = data
    pipeline.fit(pd.DataFrame(X, **frame) if frame else X, y)
    names = given_names(pipeline, pipeline[-1])
    return None if names is None else list(names)


def test_names_are_those_of_the_columns_a_step_was_given(data):
    columns = ["age", "height"]
    scaled = make_pipeline(StandardScaler(), WassersteinUnmixer())
    assert names_of(scaled, data, columns=columns) == columns
    alone = make_pipeline(WassersteinUnmixer())
    assert names_of(alone, data, columns=columns) == columns
    projected = make_pipeline(PCA(1), WassersteinUnmixer())
    assert names_of(projected, data, columns=columns) == ["pca0"]
    frames = clone(scaled).set_output(transform="pandas")
    assert names_of(frames, data, columns=columns) == columns


def test_columns_without_names_have_none(data):
    assert names_of(make_pipeline(StandardScaler(), WassersteinUnmixer()), data) is None
    nameless = make_pipeline(FunctionTransformer(np.abs), WassersteinUnmixer())
    assert names_of(nameless, data) is None


def test_labels_are_the_names_or_numbers():
    assert feature_labels(None, 2) == ["Feature 0", "Feature 1"]
    assert feature_labels(np.array(NAMES, dtype=object), 3) == NAMES
    with pytest.raises(ValueError, match="feature_names must be 2"):
        feature_labels(NAMES, 2)


@pytest.mark.parametrize(
    ("features", "columns"),
    [
        (None, [0, 1]),
        ((2, 0), [2, 0]),
        (["height", "age"], [1, 0]),
        (("weight", np.int64(1)), [2, 1]),
        ("height", [1]),
        (2, [2]),
        ([0], [0]),
    ],
)
def test_features_by_name_and_by_index(features, columns):
    assert pick_features(features, NAMES) == columns


def test_of_a_single_feature_there_is_no_choice():
    assert pick_features(None, ["age"]) == [0]


@pytest.mark.parametrize("wrong", ["ag", 3, -1, 1.0, None])
def test_an_unknown_feature_names_the_choices(wrong):
    match = "names 'age', 'height', 'weight', or an index from 0 to 2; got "
    with pytest.raises(ValueError, match=match + repr(wrong)):
        pick_features(("age", wrong), NAMES)


@pytest.mark.parametrize("wrong", [(), (0, 1, 2)])
def test_another_number_of_features(wrong):
    with pytest.raises(ValueError, match="features must be one or two; got"):
        pick_features(wrong, NAMES)


def test_many_names_are_cut_short():
    with pytest.raises(ValueError, match=r"'f19', \.\.\., or an index from 0 to 99"):
        pick_features("g", [f"f{i}" for i in range(100)])
