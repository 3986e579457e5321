import inspect
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import EllipseCollection
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skwot import UnmixingDisplay
from skwot._flow import GMMFlowFitter
from skwot._plot.flow import GMMFlowDisplay
from skwot.datasets import make_gaussian_mixtures


@pytest.fixture(scope="module")
def flow():
    X, initial, target = make_gaussian_mixtures(
        3, 3, n_target_components=2, random_state=0
    )
    return GMMFlowFitter(3, init=initial, target=target).fit(X)


@pytest.fixture(scope="module")
def line():
    start = [0.5, 0.5], [[0.0], [1.0]], [[[1.0]], [[4.0]]]
    return GMMFlowFitter(2, init=start, target=([1.0], [[3.0]], [[[1.0]]])).fit()


def ellipses(display):
    drawn = display.ax_.collections
    return [x for x in drawn if isinstance(x, EllipseCollection)]


def labels(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def axes_names(display):
    return display.ax_.get_xlabel(), display.ax_.get_ylabel()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("source", ["Source"]),
        ("target", ["Target"]),
        ("last", ["Source", "Last step", "Target"]),
        ("path", ["Source", "Last step", "Target"]),
    ],
)
def test_mixtures_are_drawn_the_target_on_top(flow, kind, expected):
    display = GMMFlowDisplay.from_estimator(flow, kind=kind, features=(0, 2))
    assert labels(display) == expected
    steps = flow.n_iter_ - 1 if kind == "path" else 0
    assert len(ellipses(display)) == len(expected) + steps
    if kind != "source":
        last = ellipses(display)[-1]
        assert_allclose(last.get_offsets(), flow.target_means_[:, [0, 2]])
    assert axes_names(display) == ("Feature 0", "Feature 2")
    display.figure_.canvas.draw()


@pytest.mark.parametrize(
    ("covariance_type", "covariances", "axes"),
    [
        ("tied", [[9.0, 0.0], [0.0, 4.0]], (3, 2)),
        ("diag", [[9.0, 4.0]], (3, 2)),
        ("spherical", [9.0], (3, 3)),
    ],
)
def test_every_covariance_type_is_drawn(covariance_type, covariances, axes):
    mixture = [1.0], [[0.0, 0.0]], covariances
    flow = GMMFlowFitter(init=mixture, target=mixture, covariance_type=covariance_type)
    flow.fit(np.zeros((1, 2)))
    for kind in ("source", "target"):
        (drawn,) = ellipses(GMMFlowDisplay.from_estimator(flow, kind=kind))
        widths = np.sort([drawn.get_widths()[0], drawn.get_heights()[0]])
        np.testing.assert_allclose(widths, np.sort(axes))
    display = GMMFlowDisplay.from_estimator(flow, kind="path")
    assert display.covariances_path.shape == (flow.n_iter_ + 1, 1, 2, 2)


def test_loss_is_drawn_on_given_axes(flow, ax):
    display = GMMFlowDisplay.from_estimator(flow, kind="loss", ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    (drawn,) = ax.get_lines()
    np.testing.assert_array_equal(drawn.get_ydata(), flow.loss_curve_)
    assert "MW_2" in ax.get_ylabel()


def test_one_feature_is_drawn_as_densities(line, flow):
    display = GMMFlowDisplay.from_estimator(line)
    assert labels(display) == ["Source", "Last step", "Target"]
    assert axes_names(display) == ("Feature 0", "Density")
    *_, last, target = display.ax_.lines
    peak = 1 / np.sqrt(2 * np.pi)
    assert_allclose(target.get_ydata().max(), peak)
    # The flow stops near the target, by its tolerance.
    assert_allclose(last.get_ydata().max(), peak, rtol=1e-5)
    display = GMMFlowDisplay.from_estimator(flow, features=2, kind="source")
    assert axes_names(display) == ("Feature 2", "Density")


def test_a_path_of_two_steps_and_a_display_of_one(flow):
    short = GMMFlowFitter(3, init=flow.init, target=flow.target, record_path=False)
    assert len(ellipses(GMMFlowDisplay.from_estimator(short.fit()))) == 3
    display = GMMFlowDisplay(
        weights_path=flow.weights_path_[:1],
        means_path=flow.means_path_[:1],
        covariances_path=flow.covariances_path_[:1],
        loss_curve=np.zeros(1),
        target_weights=flow.target_weights_,
        target_means=flow.target_means_,
        target_covariances=flow.target_covariances_,
    ).plot()
    assert labels(display) == ["Source", "Target"]
    with pytest.raises(ValueError, match="the display has plans=None"):
        display.plot(kind="plan")


def test_plan(flow):
    display = GMMFlowDisplay.from_estimator(flow, kind="plan")
    assert_allclose(display.ax_.images[0].get_array(), flow.plan_)


def test_plans_of_several_targets(flow):
    targets = [flow.target, flow.init]
    several = GMMFlowFitter(3, init=flow.init, target=targets).fit()
    display = GMMFlowDisplay.from_estimator(several, kind="plan")
    drawn = display.ax_.images[0].get_array()
    assert_allclose(drawn, np.hstack(several.plans_))


def test_transport_draws_samples_before_and_after(flow):
    X = flow.means_path_[0]
    display = GMMFlowDisplay.from_estimator(flow, X, kind="transport")
    before, after, *_ = display.ax_.collections
    assert_allclose(before.get_offsets(), X[:, :2])
    assert_allclose(after.get_offsets(), flow.transport(X)[:, :2])
    assert labels(display) == ["Before", "After", "Target"]


def test_transport_of_one_feature_is_a_map(line):
    X = np.linspace(0, 1, 5)[:, None]
    display = GMMFlowDisplay.from_estimator(line, X, kind="transport")
    drawn = display.ax_.collections[0].get_offsets()
    assert_allclose(drawn, np.hstack([X, line.transport(X)]))
    assert axes_names(display) == ("Feature 0, before", "Feature 0, after")


def test_transport_can_be_random(flow):
    X = np.repeat(flow.means_path_[0], 50, axis=0)
    flow = GMMFlowFitter(3, init=flow.init, target=flow.target, random_state=0).fit()
    display = GMMFlowDisplay.from_estimator(flow, X, kind="transport", method="random")
    assert_allclose(display.moved_samples, flow.transport(X, method="random"))


def test_transport_needs_samples(flow):
    with pytest.raises(ValueError, match="give them as X to from_estimator"):
        GMMFlowDisplay.from_estimator(flow, kind="transport")
    assert plt.get_fignums() == []


def test_features_have_their_names_and_pipelines_their_steps():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 3)), columns=["age", "height", "weight"])
    pipeline = make_pipeline(
        StandardScaler(), GMMFlowFitter(2, n_target_components=4, random_state=0)
    ).set_output(transform="pandas")
    pipeline.fit(frame)
    display = GMMFlowDisplay.from_estimator(pipeline, features=("weight", "age"))
    assert axes_names(display) == ("weight", "age")
    display = GMMFlowDisplay.from_estimator(pipeline, frame, kind="transport")
    assert axes_names(display) == ("age", "height")
    assert_allclose(display.samples, pipeline[:-1].transform(frame))
    with pytest.raises(ValueError, match="names 'age', 'height', 'weight'"):
        display.plot(features=("age", "size"))


def test_wrong_estimators_are_refused():
    with pytest.raises(TypeError, match="must be a fitted GMMFlowFitter"):
        GMMFlowDisplay.from_estimator(PCA())


def test_styles(flow):
    display = GMMFlowDisplay.from_estimator(
        flow, kind="last", ellipse_kw={"lw": 3}, scatter_kw={"s": 50}
    )
    assert {x.get_linewidth()[0] for x in ellipses(display)} == {3}
    display.plot(kind="loss", line_kw={"lw": 3})
    assert display.ax_.lines[0].get_linewidth() == 3
    display.plot(kind="plan", im_kw={"cmap": "Greys"}, text_kw={"color": "red"})
    assert display.ax_.images[0].get_cmap().name == "Greys"


def test_bad_kind(flow):
    with pytest.raises(ValueError, match="kind must be one of"):
        GMMFlowDisplay.from_estimator(flow, kind="all")


def test_the_two_ways_to_draw_take_the_same_arguments():
    plot, shown = (
        list(inspect.signature(method).parameters)
        for method in (GMMFlowDisplay.plot, GMMFlowDisplay.from_estimator)
    )
    assert [name for name in shown if name not in ("X", "method")][1:] == plot[1:]


def test_without_matplotlib_the_message_says_what_to_do(flow, monkeypatch):
    display = GMMFlowDisplay.from_estimator(flow)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for draw in (display.plot, display.animate):
        with pytest.raises(ImportError, match=r"GMMFlowDisplay\.\w+ requires matplot"):
            draw()


def test_matplotlib_is_imported_only_to_draw():
    code = "import skwot, sys; print('matplotlib' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False"
    assert UnmixingDisplay.__module__.startswith("skwot")
