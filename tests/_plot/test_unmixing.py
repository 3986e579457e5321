import inspect

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skwot import UnmixingDisplay, WassersteinUnmixer
from skwot.datasets import make_unmixing

NAMES = ["CD3", "CD19"]


@pytest.fixture(scope="module")
def data():
    return make_unmixing(random_state=0)


@pytest.fixture(scope="module")
def fitted(data):
    X, y, _ = data
    return WassersteinUnmixer().fit(X, y)


@pytest.fixture(scope="module")
def named(data):
    X, y, _ = data
    return WassersteinUnmixer().fit(pd.DataFrame(X, columns=NAMES), y)


def labels(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def axes_names(display):
    return display.ax_.get_xlabel(), display.ax_.get_ylabel()


def draw(estimator, kind="sources", **keywords):
    return UnmixingDisplay.from_estimator(estimator, kind=kind, **keywords)


def test_reweighted_areas_are_the_masses(fitted):
    display = draw(fitted, "reweighted")
    mixture, target = display.ax_.collections
    assert_allclose(mixture.get_sizes().sum(), target.get_sizes().sum())
    expected = fitted.source_masses_ @ fitted.weights_
    assert_allclose(mixture.get_sizes() / mixture.get_sizes().sum(), expected)
    assert display.figure_ is display.ax_.figure


def test_each_source_is_drawn_and_the_target_on_top(fitted):
    display = draw(fitted, features=(1, 0))
    assert labels(display) == ["Source 0", "Source 1", "Source 2", "Target"]
    assert axes_names(display) == ("Feature 1", "Feature 0")
    colors = {tuple(x.get_facecolor()[0]) for x in display.ax_.collections}
    assert len(colors) == 4


def test_features_have_their_names_and_are_found_by_them(named):
    assert axes_names(draw(named)) == tuple(NAMES)
    assert axes_names(draw(named, features=("CD19", "CD3"))) == ("CD19", "CD3")
    with pytest.raises(ValueError, match="names 'CD3', 'CD19'"):
        draw(named, features=("CD4", "CD3"))


def test_one_feature_is_drawn_as_histograms(fitted, named):
    display = draw(named, "reweighted", features="CD19")
    assert axes_names(display) == ("CD19", "Mass")
    masses = [patch.get_data().values.sum() for patch in display.ax_.patches]
    assert_allclose(masses, 1)
    X, y, _ = make_unmixing(n_features=1, random_state=0)
    display = draw(WassersteinUnmixer().fit(X, y))
    assert axes_names(display) == ("Feature 0", "Mass")
    assert len(display.ax_.patches) == 4


def test_loss_never_rises(fitted, ax):
    display = draw(fitted, "loss", ax=ax)
    assert display.ax_ is ax
    curve, *_, bound = ax.lines
    assert_allclose(curve.get_ydata(), np.minimum.accumulate(fitted.loss_curve_))
    assert_allclose(bound.get_ydata(), fitted.lower_bound_)
    assert axes_names(display) == ("Step", "Transport cost")


def test_the_loss_is_named(data):
    X, y, _ = data
    display = draw(WassersteinUnmixer(loss="semirelaxed").fit(X, y), "loss")
    assert "Semi-relaxed" in display.ax_.get_ylabel()


def test_weights_with_intervals_and_truth(fitted, data):
    result = fitted.bootstrap(n_resamples=20, random_state=0)
    display = draw(fitted, "weights", intervals=result, truth=data[2])
    heights = [bar.get_height() for bar in display.ax_.patches]
    assert_allclose(heights, fitted.weights_)
    assert labels(display)[0] == "Estimate"
    assert len(labels(display)) == 3
    assert axes_names(display) == ("Source", "Weight")


def test_weights_of_another_target(fitted, data):
    X, y, _ = data
    weights = fitted.unmix(X[y == 1])
    display = draw(fitted, "weights", weights=weights)
    assert_allclose([bar.get_height() for bar in display.ax_.patches], weights)
    with pytest.raises(ValueError, match="weights must have one number for each of"):
        draw(fitted, "weights", weights=weights[:2])


def test_a_pipeline_is_drawn_by_its_last_step(data):
    X, y, _ = data
    frame = pd.DataFrame(X, columns=NAMES)
    pipeline = make_pipeline(StandardScaler(), WassersteinUnmixer()).fit(frame, y)
    display = draw(pipeline)
    assert axes_names(display) == tuple(NAMES)
    assert_allclose(display.source_points, pipeline[-1].source_points_)
    assert axes_names(draw(pipeline.fit(X, y))) == ("Feature 0", "Feature 1")


def test_probabilities_are_named_as_such(data):
    X, y, _ = data
    frame = pd.DataFrame(X, columns=NAMES)
    y = np.array(["T", "B", "NK", "target"])[y]
    unmixer = WassersteinUnmixer(
        classifier=LogisticRegression(), target_label="target"
    ).fit(frame, y)
    assert axes_names(draw(unmixer)) == ("Root of P(B)", "Root of P(NK)")
    unmixer.set_params(loss="semirelaxed").fit(frame, y)
    display = draw(unmixer, features=("CD19", "Root of P(T)"))
    assert axes_names(display) == ("CD19", "Root of P(T)")
    assert_allclose(display.ax_.collections[-1].get_offsets()[:, 1].max(), 1, atol=0.1)


def test_precomputed_costs_have_no_points(fitted):
    y = np.array([0, 0, 1, 1, -1, -1])
    points = np.array([0.0, 1.0, 5.0, 6.0, 0.5, 5.5])
    costs = np.abs(points - points[:, None])
    unmixer = WassersteinUnmixer(metric="precomputed").fit(costs, y)
    for kind in ("sources", "reweighted"):
        with pytest.raises(ValueError, match="there are none where costs are precomp"):
            draw(unmixer, kind)
    assert plt.get_fignums() == []
    draw(unmixer, "weights")
    draw(unmixer, "loss").figure_.canvas.draw()


def test_centres_of_quantised_samples_are_drawn(data):
    X, y, _ = data
    display = draw(WassersteinUnmixer(max_support=5, random_state=0).fit(X, y))
    assert [len(x.get_offsets()) for x in display.ax_.collections] == [5] * 4


def test_styles(fitted, ax):
    display = draw(fitted, scatter_kw={"s": 3, "lw": 2, "alpha": 1}, ax=ax)
    target = display.ax_.collections[-1]
    assert_allclose(target.get_sizes(), 3)
    assert_allclose(target.get_linewidth(), 2)
    display = draw(fitted, "weights", bar_kw={"color": "k"}, ax=plt.figure().gca())
    assert display.ax_.patches[0].get_facecolor() == (0, 0, 0, 1)
    display = draw(fitted, "loss", line_kw={"ls": ":"})
    assert display.ax_.lines[0].get_linestyle() == ":"


def test_a_display_draws_again(fitted):
    display = draw(fitted, "loss")
    first = display.ax_
    assert display.plot(kind="weights") is display
    assert display.ax_ is not first


def test_bad_arguments_draw_nothing(fitted):
    with pytest.raises(ValueError, match="kind must be one of"):
        draw(fitted, "pie")
    with pytest.raises(ValueError, match="truth must have one number"):
        draw(fitted, "weights", truth=[1.0])
    with pytest.raises(TypeError, match="must be a fitted WassersteinUnmixer"):
        draw(LogisticRegression())
    assert plt.get_fignums() == []


def test_the_two_ways_to_draw_take_the_same_arguments():
    plot, shown = (
        list(inspect.signature(method).parameters)
        for method in (UnmixingDisplay.plot, UnmixingDisplay.from_estimator)
    )
    assert plot[1:] == shown[1:]
