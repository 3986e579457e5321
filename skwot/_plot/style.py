"""Colours, markers and axes that all figures share."""

from collections.abc import Mapping
from itertools import cycle, islice
from typing import Any, NamedTuple

import numpy as np

from skwot._compat import check_matplotlib_support
from skwot._typing import Array

# From the palette of Okabe and Ito (2008), which people with any kind of colour vision
# can tell apart.
BLACK = "#000000"
BLUE = "#0072B2"
PURPLE = "#CC79A7"
SKY = "#56B4E9"
VERMILLION = "#D55E00"
GREY = "0.55"

_COLORS = (BLUE, VERMILLION, PURPLE, SKY)
# Not as many as there are colours, so that pairs repeat late.
_MARKERS = ("o", "^", "s", "D", "v", "P", "<", "p", ">")
# The light end of a colour map cannot be seen on white.
_DARKEST_LIGHT = 0.7


class Look(NamedTuple):
    """How one role is drawn.

    Attributes
    ----------
    color : str
    marker : str
    """

    color: Any
    marker: str


TARGET = Look(BLACK, "x")
START = Look(BLUE, "o")
END = Look(VERMILLION, "^")


def looks(n: int) -> list[Look]:
    """As many pairs of a colour and a marker, the first 36 of them all different.

    Parameters
    ----------
    n : int

    Returns
    -------
    list of Look
    """
    pairs = zip(cycle(_COLORS), cycle(_MARKERS), strict=False)
    return [Look(*pair) for pair in islice(pairs, n)]


def check_kind(kind: str, kinds: tuple[str, ...]) -> None:
    """Raise an error if there is no such figure.

    Parameters
    ----------
    kind : str
    kinds : tuple of str

    Raises
    ------
    ValueError
        Which names the figures that there are.
    """
    if kind not in kinds:
        raise ValueError(f"kind must be one of {kinds}; got {kind!r}.")


def make_axes(ax: Any, caller: str) -> Any:
    """Axes to draw on: those given, or else new ones.

    Parameters
    ----------
    ax : matplotlib Axes or None
    caller : str
        Who asks, for the message if matplotlib is missing.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    check_matplotlib_support(caller)
    import matplotlib.pyplot as plt

    return plt.subplots()[1] if ax is None else ax


def merge_style(
    defaults: Mapping[str, Any], given: Mapping[str, Any] | None, artist: Any
) -> dict[str, Any]:
    """Style keywords of matplotlib, in which what the user gave comes first.

    Parameters
    ----------
    defaults : dict
    given : dict or None
        Aliases such as "lw" for "linewidth" are understood.
    artist : type
        Class of matplotlib, whose aliases count.

    Returns
    -------
    dict

    Raises
    ------
    TypeError
        If `given` is no dictionary, or has a keyword and its alias.
    """
    from matplotlib import cbook

    if given is None:
        return dict(defaults)
    if not isinstance(given, Mapping):
        raise TypeError(
            "Style keywords (those that end with '_kw') must be a dictionary or None; "
            f"got {given!r}."
        )
    style = {**defaults, **cbook.normalize_kwargs(dict(given), artist)}
    if "c" in style:  # no alias, but for scatter the same thing
        style.pop("color", None)
    return style


def dark_colors(cmap: Any, n: int) -> Array:
    """Colours along a map, without those too light to be seen on white.

    Parameters
    ----------
    cmap : str or matplotlib Colormap
    n : int

    Returns
    -------
    ndarray of shape (n, 4)
    """
    import matplotlib.pyplot as plt

    grid = plt.get_cmap(cmap)(np.linspace(0, 1, 256))
    luminance = grid[:, :3] @ [0.2126, 0.7152, 0.0722]
    dark = np.flatnonzero(luminance <= _DARKEST_LIGHT * luminance.max())
    if not len(dark):
        dark = np.arange(256)
    return grid[dark[np.linspace(0, len(dark) - 1, n).round().astype(int)]]
