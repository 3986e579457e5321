import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.collections import EllipseCollection

from skwot._flow import GMMFlowFitter
from skwot._plot.flow import GMMFlowDisplay
from skwot.datasets import make_gaussian_mixtures

mpl.use("Agg")
import matplotlib.pyplot as plt


@pytest.fixture(scope="module")
def flow():
    X, initial, target = make_gaussian_mixtures(
        3, 3, n_target_components=2, random_state=0
    )
    return GMMFlowFitter(3, init=initial, target=target).fit(X)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def ellipses(display):
    drawn = display.ax_.collections
    return [x for x in drawn if isinstance(x, EllipseCollection)]


@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        ("source", ["Source"]),
        ("target", ["Target"]),
        ("last", ["Source", "Target", "Last step"]),
        ("path", ["Source", "Target"]),
    ],
)
def test_mixtures_are_drawn(flow, kind, labels):
    display = GMMFlowDisplay.from_estimator(flow, kind=kind, features=(0, 2))
    legend = display.ax_.get_legend().get_texts()
    assert [text.get_text() for text in legend] == labels
    steps = flow.n_iter_ if kind == "path" else 0
    assert len(ellipses(display)) == len(labels) + steps
    assert display.ax_.get_ylabel() == "Feature 2"
    display.figure_.canvas.draw()


def test_opacity_is_in_proportion_to_the_weights_of_the_step(flow):
    display = GMMFlowDisplay.from_estimator(flow, kind="path")
    for drawn, weights in zip(ellipses(display), flow.weights_path_[1:], strict=False):
        opacity = drawn.get_facecolor()[:, 3]
        np.testing.assert_allclose(opacity / opacity.sum(), weights, atol=1e-12)


def test_ellipses_have_the_components_axes_and_are_within_the_limits():
    covariance = np.diag([4.0, 1.0])
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    mixture = np.ones(1), np.array([[1.0, 2.0]]), (turn @ covariance @ turn.T)[None]
    flow = GMMFlowFitter(init=mixture, target=mixture).fit(np.zeros((1, 2)))
    display = GMMFlowDisplay.from_estimator(flow, kind="source")
    (drawn,) = ellipses(display)
    assert drawn.get_widths() == pytest.approx(2.0)
    assert drawn.get_heights() == pytest.approx(1.0)
    angle = np.degrees(np.arctan2(0.8, 0.6))
    assert drawn.get_angles() % 180 == pytest.approx(angle)
    left, right = display.ax_.get_xlim()
    assert left <= 1 - np.hypot(0.6, 0.4)
    assert right >= 1 + np.hypot(0.6, 0.4)


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


def test_loss_is_drawn_on_given_axes(flow):
    figure, ax = plt.subplots()
    display = GMMFlowDisplay.from_estimator(flow, kind="loss", ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    (line,) = ax.get_lines()
    np.testing.assert_array_equal(line.get_ydata(), flow.loss_curve_)


def test_bad_arguments(flow):
    with pytest.raises(ValueError, match="kind must be one of"):
        GMMFlowDisplay.from_estimator(flow, kind="all")
    one = [1.0], [[0.0]], [[[1.0]]]
    line = GMMFlowFitter(init=one, target=one).fit(np.zeros((1, 1)))
    with pytest.raises(ValueError, match="draws two features, got mixtures of 1"):
        GMMFlowDisplay.from_estimator(line)
