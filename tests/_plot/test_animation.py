import base64
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.animation import FuncAnimation
from matplotlib.collections import EllipseCollection
from numpy.testing import assert_allclose
from PIL import Image

from skwot import GMMFlowDisplay, GMMFlowFitter
from skwot.datasets import make_gaussian_mixtures
from skwot.mixtures import Mixture


@pytest.fixture(scope="module")
def flow():
    _, initial, target = make_gaussian_mixtures(
        3, 2, n_target_components=2, random_state=0
    )
    return GMMFlowFitter(3, init=initial, target=target).fit()


@pytest.fixture
def display(flow):
    return GMMFlowDisplay.from_estimator(flow)


def read_gif(html):
    data = html.split("base64,")[1].split('"')[0]
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_frames_are_steps_from_the_first_to_the_last(flow, display):
    animation = display.animate(n_frames=4)
    assert isinstance(animation, FuncAnimation)
    for index, step in ((0, 0), (3, flow.n_iter_)):
        animation._func(index)
        (ellipses, _) = animation._drawn
        assert_allclose(ellipses.get_offsets(), flow.means_path_[step])
        assert display.ax_.texts[0].get_text() == f"Step {step}"
    animation._draw_was_started = True


def test_a_frame_replaces_the_one_before(display, ax):
    animation = display.animate(ax=ax)
    counts = set()
    for index in range(3):
        animation._func(index)
        counts.add(len(ax.collections))
    assert len(counts) == 1
    assert display.ax_ is ax
    animation._draw_was_started = True


def test_nothing_leaves_the_axes_and_these_stay(flow, display, ax):
    animation = display.animate(ax=ax)
    limits = ax.axis()
    for index in range(flow.n_iter_ + 1):
        animation._func(index)
        assert ax.axis() == limits
    low, high = np.array(limits).reshape(2, 2).T
    assert (flow.means_path_ > low).all()
    assert (flow.means_path_ < high).all()
    animation._draw_was_started = True


def test_the_target_is_above_the_flow(display, ax):
    animation = display.animate(ax=ax)
    animation._func(0)
    _, target, drawn = (x for x in ax.collections if isinstance(x, EllipseCollection))
    assert target.get_zorder() > drawn.get_zorder()
    animation._draw_was_started = True


def test_a_notebook_shows_a_gif_and_loads_nothing(display):
    figure, ax = plt.subplots(figsize=(3, 3))
    ax.set_title('From "a" & on')
    html = display.animate(n_frames=3, ax=ax)._repr_html_()
    assert html.startswith('<img src="data:image/gif;base64,')
    assert "http" not in html
    assert 'alt="Animation: From &quot;a&quot; &amp; on"' in html
    assert read_gif(html).n_frames >= 3
    assert ax.figure is figure


def test_one_feature_is_animated_as_a_density(ax):
    one = Mixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 1)))
    flow = GMMFlowFitter(init=one, target=one._replace(means=one.means + 5)).fit()
    animation = GMMFlowDisplay.from_estimator(flow).animate(ax=ax)
    animation._func(0)
    (line,) = animation._drawn
    assert_allclose(line.get_ydata().max(), 1 / np.sqrt(2 * np.pi))
    assert ax.get_ylabel() == "Density"
    assert ax.get_xlim()[1] > 5
    animation._draw_was_started = True


@pytest.mark.parametrize("wrong", [{"n_frames": 0}, {"interval": 0}])
def test_bad_arguments(display, wrong):
    with pytest.raises(ValueError, match="must be at least 1; got 0"):
        display.animate(**wrong)
    with pytest.raises(ValueError, match="features must be among"):
        display.animate(features="age")
