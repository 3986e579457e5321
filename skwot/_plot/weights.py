"""Figure of the weights of sources."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from skwot._plot.style import BLACK, SKY, VERMILLION, merge_style
from skwot._typing import Array, Index

_MOST_LETTERS = 60  # of horizontal tick labels
_BELOW = 0.03  # of the height, below zero


def draw_weights(
    ax: Any,
    names: list[str],
    weights: Array,
    intervals: tuple[Array, Array] | None,
    truth: Array | None,
    bar_kw: dict[str, Any] | None,
    errorbar_kw: dict[str, Any] | None,
    scatter_kw: dict[str, Any] | None,
) -> None:
    """Draw weights as bars, with intervals and the truth beside these.

    Parameters
    ----------
    ax : matplotlib Axes
    names : list of K str
    weights : ndarray of shape (K,)
    intervals : (ndarray, ndarray) of shape (K,), or None
        Lower and upper ends.
    truth : ndarray of shape (K,) or None
    bar_kw, errorbar_kw, scatter_kw : dict or None
        Of weights, intervals and truth.
    """
    from matplotlib.collections import PathCollection
    from matplotlib.container import BarContainer
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

    positions = np.arange(len(names))
    bars = {"color": SKY, "width": 0.7, "label": "Estimate"}
    ax.bar(positions, weights, **merge_style(bars, bar_kw, Rectangle))
    # The truth stands beside the interval, so that neither hides the other.
    aside = 0.18 if truth is not None and intervals is not None else 0.0
    if intervals is not None:
        low, high = intervals
        lines = {"color": BLACK, "fmt": "none", "capsize": 4, "label": "Interval"}
        style = merge_style(lines, errorbar_kw, Line2D)
        # Around the middle: an interval need not contain the estimate.
        ax.errorbar(positions - aside, (low + high) / 2, (high - low) / 2, **style)
    if truth is not None:
        dots = {"color": VERMILLION, "marker": "D", "s": 30, "label": "Truth"}
        dots |= {"edgecolor": "white", "linewidth": 0.8, "zorder": 3}
        style = merge_style(dots, scatter_kw, PathCollection)
        ax.scatter(positions + aside, truth, **style)
    _label(ax, positions, names)
    handles, labels = ax.get_legend_handles_labels()
    order = sorted(
        range(len(labels)), key=lambda i: not isinstance(handles[i], BarContainer)
    )
    ax.legend([handles[i] for i in order], [labels[i] for i in order])


def _label(ax: Any, positions: Index, names: list[str]) -> None:
    ax.set(xlabel="Source", ylabel="Weight")
    # What is zero is drawn above the edge of the figure, not on it.
    ax.axhline(0, color=BLACK, linewidth=0.8)
    ax.set_ylim(bottom=min(ax.get_ylim()[0], -_BELOW * ax.get_ylim()[1]))
    turned = sum(map(len, names)) > _MOST_LETTERS
    turn = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if turned else {}
    ax.set_xticks(positions, names, **turn)


def read_weights(given: ArrayLike, name: str, n_sources: int) -> Array:
    """Numbers given for the sources, one each.

    Parameters
    ----------
    given : array-like
    name : str
        Of the argument, for the message.
    n_sources : int

    Returns
    -------
    ndarray of shape (n_sources,)

    Raises
    ------
    ValueError
        If the shape is another one.
    """
    numbers = np.asarray(given, dtype=np.float64)
    if numbers.shape != (n_sources,):
        raise ValueError(
            f"{name} must have one number for each of the {n_sources} sources; got "
            f"the shape {numbers.shape}. Of several groups, give the row of one."
        )
    return numbers


def read_intervals(given: Any, n_sources: int) -> tuple[Array, Array]:
    """Lower and upper ends of intervals.

    Parameters
    ----------
    given : BootstrapResult, ConfidenceInterval, or pair of array-like
    n_sources : int

    Returns
    -------
    low, high : ndarray of shape (n_sources,)

    Raises
    ------
    ValueError
        If these are no two ends for each source, or a lower end is above the upper one.
    """
    ends = getattr(given, "confidence_interval", given)
    try:
        low, high = ends
    except (TypeError, ValueError) as error:
        raise ValueError(
            "intervals must be a BootstrapResult, a ConfidenceInterval or a pair of "
            f"lower and upper ends; got {given!r}."
        ) from error
    low = read_weights(low, "The lower ends of intervals", n_sources)
    high = read_weights(high, "The upper ends of intervals", n_sources)
    if np.any(low > high):
        raise ValueError(
            "intervals must be lower ends before upper ends; got the ends "
            f"{low.tolist()} and {high.tolist()}."
        )
    return low, high
