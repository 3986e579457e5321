import itertools
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from skwot._plot import style


def luminance(colors):
    return np.array(colors)[:, :3] @ [0.2126, 0.7152, 0.0722]


def test_roles_differ_in_colour_and_in_marker():
    roles = [style.TARGET, style.START, style.END]
    assert len({role.color for role in roles}) == 3
    assert len({role.marker for role in roles}) == 3


def test_sources_look_different_from_each_other_and_from_the_target():
    sources = style.looks(36)
    assert len(set(sources)) == 36
    neighbours = itertools.pairwise(sources)
    assert all(a.color != b.color and a.marker != b.marker for a, b in neighbours)
    assert style.TARGET.marker not in {look.marker for look in sources}
    assert style.TARGET.color not in {look.color for look in sources}


def test_colours_of_sources_are_seen_on_white():
    assert (luminance([to_rgb(look.color) for look in style.looks(4)]) < 0.7).all()


@pytest.mark.parametrize("cmap", ["plasma", "viridis", "magma", "coolwarm", "Greys"])
def test_light_colours_of_a_map_are_left_out(cmap):
    whole = plt.get_cmap(cmap)(np.linspace(0, 1, 50))
    colors = style.dark_colors(cmap, 50)
    assert colors.shape == (50, 4)
    assert luminance(whole).max() > luminance(colors).max()
    np.testing.assert_allclose(
        luminance(colors).min(), luminance(whole).min(), atol=0.01
    )


def test_a_single_colour():
    assert style.dark_colors("plasma", 1).shape == (1, 4)


def test_what_the_user_gave_comes_first_and_nothing_is_changed():
    defaults, given = {"color": "k", "linewidth": 1}, {"lw": 3}
    merged = style.merge_style(defaults, given, Line2D)
    assert merged == {"color": "k", "linewidth": 3}
    assert defaults == {"color": "k", "linewidth": 1}
    assert given == {"lw": 3}
    assert style.merge_style(defaults, None, Line2D) == defaults


def test_both_names_of_a_keyword_are_refused():
    with pytest.raises(TypeError, match="lw"):
        style.merge_style({}, {"lw": 1, "linewidth": 2}, Line2D)


def test_style_that_is_no_dictionary_is_refused():
    with pytest.raises(TypeError, match="must be a dictionary or None; got 'red'"):
        style.merge_style({}, "red", Line2D)


def test_axes_given_are_used(ax):
    assert style.make_axes(ax, "Display.plot") is ax
    assert style.make_axes(None, "Display.plot") is not ax


def test_message_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"Display\.plot requires matplotlib"):
        style.make_axes(None, "Display.plot")


def test_unknown_kind_names_the_others():
    with pytest.raises(ValueError, match=r"one of \('a', 'b'\); got 'c'"):
        style.check_kind("c", ("a", "b"))
