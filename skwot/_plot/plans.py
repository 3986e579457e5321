"""Figure of transport plans between components."""

from typing import Any

import numpy as np

from skwot._plot.style import BLACK, merge_style
from skwot._typing import Array

# With more cells, a bar of colours says what the colours mean instead of numbers.
_MOST_NUMBERS = 120
_MOST_TICKS = 25
_ROUNDING = 1e-12  # a mass that is nothing; a plan holds one unit


def draw_plans(
    ax: Any,
    plans: list[Array],
    im_kw: dict[str, Any] | None,
    text_kw: dict[str, Any] | None,
) -> None:
    """Draw plans as a matrix, one beside the other.

    Parameters
    ----------
    ax : matplotlib Axes
    plans : list of ndarray of shape (n_components, n_target_components)
    im_kw, text_kw : dict or None
        Of the matrix and of the numbers.
    """
    from matplotlib.image import AxesImage

    joined = np.concatenate(plans, axis=1)
    defaults = {"cmap": "Blues", "vmin": 0.0, "aspect": "auto"}
    image = ax.imshow(joined, **merge_style(defaults, im_kw, AxesImage))
    if joined.size <= _MOST_NUMBERS:
        _write_numbers(ax, joined, image, text_kw)
    else:
        ax.figure.colorbar(image, ax=ax, label="Mass")
    ax.set(xlabel="Component of the target", ylabel="Component of the mixture")
    _label(ax, plans)


def _write_numbers(
    ax: Any, joined: Array, image: Any, text_kw: dict[str, Any] | None
) -> None:
    """Write the masses that are more than rounding, in black or white."""
    from matplotlib.text import Text

    for (row, column), mass in np.ndenumerate(joined):
        if mass > _ROUNDING:
            *rgb, _ = image.cmap(image.norm(mass))
            light = np.dot(rgb, [0.2126, 0.7152, 0.0722]) > 0.5
            defaults = {"color": BLACK if light else "white"}
            defaults |= {"horizontalalignment": "center", "verticalalignment": "center"}
            style = merge_style(defaults, text_kw, Text)
            ax.text(column, row, f"{mass:.2g}", **style)


def _label(ax: Any, plans: list[Array]) -> None:
    """Put a number to each component, those of each target from zero."""
    sizes = [plan.shape[1] for plan in plans]
    ends = np.cumsum(sizes)
    if len(plans[0]) <= _MOST_TICKS:
        ax.set_yticks(np.arange(len(plans[0])))
    if len(plans) == 1 and ends[-1] > _MOST_TICKS:
        return
    numbers = np.concatenate([np.arange(size) for size in sizes])
    step = int(np.ceil(ends[-1] / _MOST_TICKS))
    ax.set_xticks(np.arange(ends[-1])[::step], numbers[::step])
    if len(plans) == 1:
        return
    for end in ends[:-1]:
        ax.axvline(end - 0.5, color=BLACK, linewidth=1.5)
    names = [f"Target {index}" for index in range(len(plans))]
    above = ax.secondary_xaxis("top")
    above.set_xticks(ends - np.array(sizes) / 2 - 0.5, names)
    above.tick_params(length=0)
