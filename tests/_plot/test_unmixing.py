import matplotlib as mpl
import numpy as np
import pytest
from numpy.testing import assert_allclose

mpl.use("Agg")
import matplotlib.pyplot as plt

from skwot import UnmixingDisplay, WassersteinUnmixer
from skwot.datasets import make_unmixing


@pytest.fixture
def fitted():
    X, y, _ = make_unmixing(random_state=0)
    yield WassersteinUnmixer().fit(X, y)
    plt.close("all")


def test_reweighted_areas_are_the_masses(fitted):
    display = UnmixingDisplay.from_estimator(fitted, kind="reweighted")
    target, mixture = display.ax_.collections
    assert_allclose(mixture.get_sizes().sum(), target.get_sizes().sum())
    expected = fitted.source_masses_ @ fitted.weights_
    assert_allclose(mixture.get_sizes() / mixture.get_sizes().sum(), expected)
    assert display.figure_ is display.ax_.figure


def test_each_source_is_drawn(fitted):
    display = UnmixingDisplay.from_estimator(fitted, kind="sources", features=(1, 0))
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["Target", "Source 0", "Source 1", "Source 2"]
    assert display.ax_.get_xlabel() == "Feature 1"


def test_loss_is_the_curve(fitted):
    _, ax = plt.subplots()
    display = UnmixingDisplay.from_estimator(fitted, kind="loss", ax=ax)
    assert display.ax_ is ax
    curve, bound = ax.lines
    assert_allclose(curve.get_ydata(), fitted.loss_curve_)
    assert_allclose(bound.get_ydata(), fitted.lower_bound_)


def test_one_feature_is_drawn_as_histograms():
    X, y, _ = make_unmixing(n_features=1, random_state=0)
    display = UnmixingDisplay.from_estimator(WassersteinUnmixer().fit(X, y))
    mass = sum(patch.get_height() for patch in display.ax_.patches)
    assert_allclose(mass, 2)
    plt.close("all")


def test_unknown_kind(fitted):
    with pytest.raises(ValueError, match="kind must be one of"):
        UnmixingDisplay.from_estimator(fitted, kind="pie")
    assert np.isfinite(fitted.loss_)
