import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skwot._plot.losses import draw_losses


def draw(ax, losses, **style):
    losses = np.array(losses, dtype=float)
    bound = style.pop("lower_bound", None)
    draw_losses(ax, np.arange(len(losses)), losses, style or None, bound)
    ax.figure.canvas.draw()
    return losses


def labels(ax):
    return ax.get_legend_handles_labels()[1]


def test_a_loss_that_falls_is_one_line(ax):
    losses = draw(ax, [3.0, 2.0, 1.0])
    (line,) = ax.lines
    assert_array_equal(line.get_ydata(), losses)
    assert labels(ax) == ["Loss"]


def test_the_line_never_rises(ax):
    losses = draw(ax, [3.0, 5.0, 2.0, 2.5])
    lowest, each = ax.lines
    assert_array_equal(lowest.get_ydata(), [3.0, 3.0, 2.0, 2.0])
    assert_array_equal(each.get_ydata(), losses)
    assert each.get_alpha() < 1
    assert labels(ax) == ["Lowest loss so far", "Loss at each step"]


def test_a_rise_by_rounding_is_none(ax):
    draw(ax, [3.0, 1.0, 1.0 + 1e-12])
    assert labels(ax) == ["Loss"]
    assert np.all(np.diff(ax.lines[0].get_ydata()) <= 0)


def test_losses_of_one_magnitude_start_at_zero(ax):
    draw(ax, [0.5, 0.4, 0.4 + 1e-14], lower_bound=0.4)
    assert ax.get_yscale() == "linear"
    bottom, top = ax.get_ylim()
    assert bottom == 0
    assert top > 0.5
    assert labels(ax)[-1] == "Lower bound"


def test_two_decades_are_logarithmic_with_labelled_ticks(ax):
    draw(ax, [10.0, 1.0, 0.09])
    assert ax.get_yscale() == "log"
    bottom, top = ax.get_ylim()
    ticks = [y for y in ax.get_yticks() if bottom <= y <= top]
    assert len(ticks) >= 2


@pytest.mark.parametrize("last", [0.0, 1e-31])
def test_rounding_does_not_fill_the_axis(ax, last):
    draw(ax, [5.0, 0.1, 1e-3, last])
    assert ax.get_yscale() == "log"
    assert 1e-13 < ax.get_ylim()[0] <= 1e-3


def test_negative_losses_are_drawn(ax):
    draw(ax, [1.0, -0.5], lower_bound=-1.0)
    assert ax.get_yscale() == "linear"
    assert ax.get_ylim()[0] < -1


def test_a_loss_of_zero_and_a_single_loss(ax):
    draw(ax, [0.0])
    draw(ax, [2.0])
    bottom, top = ax.get_ylim()
    assert bottom == 0
    assert top > 2


def test_a_second_curve_stays_within_the_axis(ax):
    draw(ax, [9.0, 1.0])
    draw(ax, [2.0, 1.0])
    assert ax.get_ylim()[1] > 9


def test_a_longer_fall_makes_the_axis_logarithmic(ax):
    draw(ax, [9.0, 1.0])
    draw(ax, [9.0, 1e-4])
    assert ax.get_yscale() == "log"
    bottom, top = ax.get_ylim()
    assert 0 < bottom < 1e-4
    assert top > 9


def test_ticks_that_were_chosen_stay(ax):
    ax.set_xticks([0, 1], ["start", "end"])
    ax.set_yticks([0, 2], ["none", "two"])
    draw(ax, [2.0, 1.0])
    assert [text.get_text() for text in ax.get_xticklabels()] == ["start", "end"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["none", "two"]


def test_style_of_the_line(ax):
    draw(ax, [3.0, 5.0], lw=4, color="C3", label="Mine")
    assert ax.lines[0].get_linewidth() == 4
    assert ax.lines[1].get_color() == "C3"
    assert labels(ax) == ["Mine"]
