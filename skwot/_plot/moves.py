"""Figure of samples before and after transport."""

from typing import Any

import numpy as np

from skwot._plot.style import END, GREY, START, merge_style
from skwot._typing import Array

_MOST_ARROWS = 60


def draw_moves(
    ax: Any,
    before: Array,
    after: Array,
    scatter_kw: dict[str, Any] | None,
    arrow_kw: dict[str, Any] | None,
) -> None:
    """Draw samples of two features where they were and where they are moved to.

    Arrows lead from one to the other, if there are more than 60 samples only for some.

    Parameters
    ----------
    ax : matplotlib Axes
    before, after : ndarray of shape (n_samples, 2)
    scatter_kw, arrow_kw : dict or None
        Of the samples and of the arrows.
    """
    from matplotlib.collections import PathCollection
    from matplotlib.quiver import Quiver

    for points, look, label in ((before, START, "Before"), (after, END, "After")):
        defaults = {"color": look.color, "marker": look.marker, "label": label}
        defaults |= {"s": 14, "alpha": 0.6, "linewidth": 0}
        ax.scatter(*points.T, **merge_style(defaults, scatter_kw, PathCollection))
    shown = np.linspace(0, len(before) - 1, min(len(before), _MOST_ARROWS)).astype(int)
    scale = {"angles": "xy", "scale_units": "xy", "scale": 1}
    defaults = {**scale, "color": GREY, "width": 0.002, "alpha": 0.6, "zorder": 0.9}
    style = merge_style(defaults, arrow_kw, Quiver)
    ax.quiver(*before[shown].T, *(after - before)[shown].T, **style)


def draw_map(
    ax: Any,
    before: Array,
    after: Array,
    name: str,
    scatter_kw: dict[str, Any] | None,
) -> None:
    """Draw one feature after transport over the same before.

    Parameters
    ----------
    ax : matplotlib Axes
    before, after : ndarray of shape (n_samples,)
    name : str
        Of the feature.
    scatter_kw : dict or None
    """
    from matplotlib.collections import PathCollection

    defaults = {"color": END.color, "marker": END.marker, "label": "Samples"}
    defaults |= {"s": 14, "alpha": 0.6, "linewidth": 0}
    ax.scatter(before, after, **merge_style(defaults, scatter_kw, PathCollection))
    ax.axline((before[0], before[0]), slope=1, color=GREY, label="Not moved")
    ax.set(xlabel=f"{name}, before", ylabel=f"{name}, after")
