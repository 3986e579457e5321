import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.container import BarContainer
from numpy.testing import assert_allclose, assert_array_equal

from skwot._plot.weights import draw_weights, read_intervals, read_weights
from skwot._unmixing.results import BootstrapResult, ConfidenceInterval

NAMES = ["a", "b", "c"]
WEIGHTS = np.array([0.5, 0.5, 0.0])
LOW, HIGH = np.array([0.4, 0.5, 0.0]), np.array([0.6, 0.7, 0.0])
TRUTH = np.array([0.6, 0.3, 0.1])


def draw(ax, intervals=(LOW, HIGH), truth=TRUTH, names=NAMES, styles=(None,) * 3):
    draw_weights(ax, names, WEIGHTS, intervals, truth, *styles)
    ax.figure.canvas.draw()


def one(ax, kind):
    (found,) = (x for x in ax.collections if isinstance(x, kind))
    return found


def test_bars_are_weights_above_the_names(ax):
    draw(ax)
    assert_allclose([bar.get_height() for bar in ax.patches], WEIGHTS)
    assert [text.get_text() for text in ax.get_xticklabels()] == NAMES
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend[0] == "Estimate"
    assert sorted(legend) == ["Estimate", "Interval", "Truth"]


def test_intervals_have_their_ends(ax):
    draw(ax)
    ends = np.array(one(ax, LineCollection).get_segments())[:, :, 1]
    assert_allclose(ends, np.column_stack([LOW, HIGH]))


def test_an_interval_without_length_is_seen_by_its_caps(ax):
    draw(ax, intervals=(TRUTH, TRUTH), truth=None)
    caps = [line for line in ax.lines if line.get_marker() == "_"]
    assert len(caps) == 2
    assert all(cap.get_markersize() >= 6 for cap in caps)


def test_the_truth_does_not_cover_the_interval(ax):
    draw(ax)
    places = one(ax, PathCollection).get_offsets()
    assert_allclose(places[:, 1], TRUTH)
    lines = np.array(one(ax, LineCollection).get_segments())[:, 0, 0]
    pixels = ax.transData.transform(np.column_stack([places[:, 0] - lines, TRUTH]))
    origin = ax.transData.transform([0, 0])[0]
    width = np.sqrt(30) * ax.figure.dpi / 72
    assert (pixels[:, 0] - origin > width).all()


def test_what_is_zero_is_above_the_edge(ax):
    draw(ax)
    assert ax.get_ylim()[0] < 0


def test_the_truth_alone_stands_in_the_middle(ax):
    draw(ax, intervals=None)
    assert_allclose(one(ax, PathCollection).get_offsets()[:, 0], [0, 1, 2])


def test_weights_alone(ax):
    draw(ax, intervals=None, truth=None)
    assert len(ax.collections) == 0
    assert isinstance(ax.containers[0], BarContainer)


def test_styles(ax):
    draw(ax, styles=({"fc": "k"}, {"label": "95 %", "capsize": 9}, {"marker": "*"}))
    assert ax.patches[0].get_facecolor() == (0, 0, 0, 1)
    assert "95 %" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_long_names_are_turned(ax):
    draw(ax, names=["a" * 30, "b" * 30, "c" * 30])
    assert {text.get_rotation() for text in ax.get_xticklabels()} == {45}


@pytest.mark.parametrize(
    "given",
    [
        (LOW, HIGH),
        ConfidenceInterval(LOW, HIGH),
        BootstrapResult(ConfidenceInterval(LOW, HIGH), np.zeros((3, 2)), LOW),
        [LOW.tolist(), HIGH.tolist()],
    ],
)
def test_all_kinds_of_intervals_are_read(given):
    assert_array_equal(read_intervals(given, 3), [LOW, HIGH])


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        (0.95, "must be a BootstrapResult"),
        ((LOW, HIGH, LOW), "must be a BootstrapResult"),
        ((LOW[:2], HIGH[:2]), r"each of the 3 sources; got the shape \(2,\)"),
        ((HIGH, LOW), "lower ends before upper ends"),
        ((np.tile(LOW, (4, 1)), np.tile(HIGH, (4, 1))), "give the row of one"),
    ],
)
def test_wrong_intervals_are_refused(wrong, match):
    with pytest.raises(ValueError, match=match):
        read_intervals(wrong, 3)


def test_missing_intervals_are_left_out(ax):
    low = np.array([0.1, np.nan, 0.2])
    draw(ax, intervals=read_intervals((low, low + 0.1), 3))


def test_weights_that_are_missing_leave_a_gap(ax):
    draw_weights(ax, NAMES, np.full(3, np.nan), None, TRUTH, None, None, None)
    ax.figure.canvas.draw()
    assert np.isfinite(ax.get_ylim()).all()


def test_wrong_weights_are_refused():
    with pytest.raises(ValueError, match=r"truth must have one number for each of the"):
        read_weights([[0.5, 0.5]], "truth", 2)
