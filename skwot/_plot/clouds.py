"""Figure of weighted points."""

from typing import Any, NamedTuple

import numpy as np

from skwot._plot.style import TARGET, Look, merge_style
from skwot._typing import Array

_AREA = 30  # in square points, of a point of average mass in the target
_LARGEST_HISTOGRAM = 100  # bins


class Cloud(NamedTuple):
    """Weighted points in one role.

    Attributes
    ----------
    name : str
        In the legend.
    points : ndarray of shape (n_points, n_features)
    masses : ndarray of shape (n_points,)
        They sum to one.
    look : Look
    """

    name: str
    points: Array
    masses: Array
    look: Look


def draw_scatter(
    ax: Any, clouds: list[Cloud], columns: list[int], scatter_kw: dict[str, Any] | None
) -> None:
    """Draw points, each as large as its mass.

    Parameters
    ----------
    ax : matplotlib Axes
    clouds : list of Cloud
        The last one is on top. A point of average mass in it has the area "s".
    columns : list of two int
    scatter_kw : dict or None
    """
    from matplotlib.collections import PathCollection

    given = dict(scatter_kw or {})
    area = given.pop("s", _AREA) * len(clouds[-1].points)
    for name, points, masses, look in clouds:
        defaults = {"color": look.color, "marker": look.marker, "label": name}
        # A cross has no area, and is thin already.
        defaults["linewidth"] = 1.0 if look is TARGET else 0.0
        defaults["alpha"] = 0.8 if look is TARGET else 0.5
        x, y = points[:, columns].T
        ax.scatter(
            x, y, s=area * masses, **merge_style(defaults, given, PathCollection)
        )


def draw_histograms(
    ax: Any, clouds: list[Cloud], column: int, bar_kw: dict[str, Any] | None
) -> None:
    """Draw histograms of one feature, the target's as an outline on top.

    Parameters
    ----------
    ax : matplotlib Axes
    clouds : list of Cloud
    column : int
    bar_kw : dict or None
    """
    from matplotlib.patches import StepPatch

    values = np.concatenate([cloud.points[:, column] for cloud in clouds])
    edges = np.histogram_bin_edges(values, bins="auto")
    if len(edges) > _LARGEST_HISTOGRAM + 1:
        edges = np.histogram_bin_edges(values, bins=_LARGEST_HISTOGRAM)
    for name, points, masses, look in clouds:
        heights, _ = np.histogram(points[:, column], edges, weights=masses)
        is_target = look is TARGET
        defaults = {"color": look.color, "label": name, "fill": not is_target}
        defaults |= {"linewidth": 1.5} if is_target else {"alpha": 0.5}
        ax.stairs(heights, edges, **merge_style(defaults, bar_kw, StepPatch))
