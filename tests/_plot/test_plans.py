import numpy as np
from numpy.testing import assert_allclose

from skwot._plot.plans import draw_plans

PLAN = np.array([[0.5, 0.0], [0.1, 0.2], [0.0, 0.2]])


def texts(labels):
    return [label.get_text() for label in labels]


def test_the_matrix_is_the_plan_with_its_masses(ax):
    draw_plans(ax, [PLAN], None, None)
    assert_allclose(ax.images[0].get_array(), PLAN)
    written = {text.get_position()[::-1]: text.get_text() for text in ax.texts}
    assert written == {(0, 0): "0.5", (1, 0): "0.1", (1, 1): "0.2", (2, 1): "0.2"}
    assert texts(ax.get_yticklabels()) == ["0", "1", "2"]
    assert texts(ax.get_xticklabels()) == ["0", "1"]


def test_rounding_is_no_mass(ax):
    draw_plans(ax, [np.array([[1.0, 3e-17]])], None, None)
    assert texts(ax.texts) == ["1"]


def test_masses_can_be_read_on_their_ground(ax):
    draw_plans(ax, [PLAN], None, None)
    assert ax.texts[0].get_color() == "white"  # on dark blue
    assert ax.texts[1].get_color() == "#000000"


def test_several_plans_stand_side_by_side(ax):
    other = np.full((3, 3), 1 / 9)
    draw_plans(ax, [PLAN, other], None, None)
    assert_allclose(ax.images[0].get_array(), np.hstack([PLAN, other]))
    assert texts(ax.get_xticklabels()) == ["0", "1", "0", "1", "2"]
    (border,) = ax.lines
    assert_allclose(border.get_xdata(), 1.5)
    (above,) = ax.child_axes
    assert texts(above.get_xticklabels()) == ["Target 0", "Target 1"]
    assert_allclose(above.get_xticks(), [0.5, 3.0])


def test_a_large_plan_has_a_bar_of_colours_instead_of_numbers(ax):
    draw_plans(ax, [np.full((12, 40), 1 / 480)], None, None)
    assert not ax.texts
    bar = ax.figure.axes[-1]
    assert bar is not ax
    assert bar.get_ylabel() == "Mass"
    assert len(ax.get_xticks()) < 40


def test_many_targets_leave_room_for_their_ticks(ax):
    draw_plans(ax, [np.full((4, 20), 1 / 80)] * 3, None, None)
    assert len(ax.get_xticks()) <= 25


def test_styles(ax):
    draw_plans(ax, [PLAN], {"cmap": "Greens"}, {"size": 20, "c": "red"})
    assert ax.images[0].get_cmap().name == "Greens"
    assert {text.get_color() for text in ax.texts} == {"red"}
    assert {text.get_fontsize() for text in ax.texts} == {20}
