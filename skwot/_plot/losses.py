"""Figure of a loss at each step."""

from typing import Any

import numpy as np

from skwot._plot.style import BLACK, BLUE, merge_style
from skwot._typing import Array

# On a logarithmic axis of fewer decades, hardly a tick would have a label.
_DECADES = 2
# A loss this far below the first one is rounding.
_ROUNDING = 1e-12
_MOST_MARKERS = 50
_HEADROOM = 1.1
_INVISIBLE = 1e-3  # a relative rise that no figure shows


def draw_losses(
    ax: Any,
    steps: Array,
    losses: Array,
    line_kw: dict[str, Any] | None,
    lower_bound: float | None = None,
) -> None:
    """Draw the lowest loss so far, and faintly that of each step where it is higher.

    The axis is logarithmic if the losses span two decades, and otherwise starts at
    zero, so that rounding does not fill the figure.

    Parameters
    ----------
    ax : matplotlib Axes
    steps, losses : ndarray of shape (n_steps,)
    line_kw : dict or None
        Keywords of the line.
    lower_bound : float or None
        Drawn as a dotted line.
    """
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    lowest = np.minimum.accumulate(losses)
    falls = bool(np.all(losses - lowest <= _INVISIBLE * np.abs(lowest)))
    defaults = {
        "color": BLUE,
        "label": "Loss" if falls else "Lowest loss so far",
        "marker": "o" if len(losses) < _MOST_MARKERS else "",
        "markersize": 4,
    }
    style = merge_style(defaults, line_kw, Line2D)
    ax.plot(steps, lowest, **style)
    if not falls:
        label = "_" if line_kw and "label" in line_kw else "Loss at each step"
        faint = {"alpha": 0.4, "linewidth": 0.8, "label": label, "linestyle": "-"}
        ax.plot(steps, losses, **{**style, "marker": "", **faint})
    if lower_bound is not None:
        ax.axhline(lower_bound, color=BLACK, linestyle=":", label="Lower bound")
    _scale(ax, losses)
    locator = ax.xaxis.get_major_locator()
    if isinstance(locator, MaxNLocator):  # not if ticks have been chosen
        locator.set_params(integer=True)


def _scale(ax: Any, losses: Array) -> None:
    """Choose the scale of an axis, on which there may be other losses already."""
    floor = _ROUNDING * losses[0]
    shown = losses[losses > floor]
    logarithmic = losses.min() >= 0 and len(shown) > 0
    # A fall to zero spans all decades.
    lowest = shown.min() if len(shown) == len(losses) else floor
    if logarithmic and shown.max() >= 10**_DECADES * lowest:
        ax.autoscale(axis="y")  # a loss before may have fixed the limits at zero
        ax.set_yscale("log")
        if len(shown) < len(losses):
            bottom = min(shown.min() / 10, ax.get_ylim()[0])
            ax.set_ylim(bottom=max(bottom, floor))
    elif ax.get_yscale() == "linear":
        formatter = ax.yaxis.get_major_formatter()
        if hasattr(formatter, "set_useOffset"):
            formatter.set_useOffset(False)
        highest = max(line.get_ydata(orig=False)[0] for line in ax.get_lines())
        highest = max(highest, losses.max())
        if losses.min() >= 0 and highest > 0:
            ax.set_ylim(0, _HEADROOM * highest)
