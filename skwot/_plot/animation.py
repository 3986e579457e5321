"""Animation of the path of a Gaussian mixture.

matplotlib is imported with this module, which is why nothing but a method imports it.
"""

import base64
import html
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.animation import FuncAnimation

from skwot._gmm.mixtures import Mixture
from skwot._plot.components import Role, Styles, density_curve, draw_mixture, outermost
from skwot._plot.style import END, START, TARGET
from skwot._typing import Array

_MARGIN = 0.08  # of the extent, around the figure
_PAUSE = 1.5  # seconds that the last frame stays


class Film(NamedTuple):
    """What is shown.

    Attributes
    ----------
    steps : list of int
        Number of each frame's step.
    frames : list of Mixture
        Mixture of each frame, of one or two features.
    target : Mixture
    interval : int
        Time between frames, in milliseconds.
    """

    steps: list[int]
    frames: list[Mixture]
    target: Mixture
    interval: int


class FlowAnimation(FuncAnimation):
    """Animation that a notebook shows as a GIF.

    Unlike the player of matplotlib it needs neither a program beside Python nor
    anything from the network.

    Parameters
    ----------
    ax : matplotlib Axes
    film : Film
    styles : Styles
    """

    def __init__(self, ax: Any, film: Film, styles: Styles) -> None:
        self._ax, self._film, self._styles = ax, film, styles
        self._drawn: list[Any] = []
        draw_mixture(ax, film.frames[0], Role(START, "Source", alpha=0.25), styles)
        role = Role(TARGET, "Target", alpha=0.1, outlined=True)
        for artist in draw_mixture(ax, film.target, role, styles):
            artist.set_zorder(3)  # above the flow, which is drawn later
        self._step = ax.text(0.03, 0.03, "", transform=ax.transAxes)
        _fix_limits(ax, [*film.frames, film.target])
        pause = round(1000 * _PAUSE / film.interval)
        frames = [*range(len(film.frames)), *[len(film.frames) - 1] * pause]
        super().__init__(
            ax.figure, self._show, frames=frames, interval=film.interval, blit=False
        )

    def _show(self, index: int) -> list[Any]:
        for artist in self._drawn:
            artist.remove()
        role = Role(END, "Flow", alpha=0.7)
        limits = self._ax.axis()
        mixture = self._film.frames[index]
        self._drawn = draw_mixture(self._ax, mixture, role, self._styles)
        self._ax.axis(limits)
        self._step.set_text(f"Step {self._film.steps[index]}")
        self._ax.legend(loc="upper right")
        return self._drawn

    def _repr_html_(self) -> str:
        """Show a GIF, with the title of the axes as its description."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "flow.gif"
            self.save(path, writer="pillow")
            data = base64.b64encode(path.read_bytes()).decode("ascii")
        text = html.escape(self._ax.get_title() or "A mixture flows to its target")
        return (
            f'<img src="data:image/gif;base64,{data}" alt="Animation: {text}" '
            'style="max-width: 100%">'
        )


def _fix_limits(ax: Any, mixtures: list[Mixture]) -> None:
    """Make room for all frames."""
    if mixtures[0].means.shape[1] == 1:
        curves = [density_curve(mixture) for mixture in mixtures]
        grid: Array = np.concatenate([curve[0] for curve in curves])
        _set_limits(ax.set_xlim, grid.min(), grid.max())
        # A peak of a moment may be far above all others.
        heights = [curve[1].max() for curve in curves]
        ax.set_ylim(0, 1.1 * max(heights[0], heights[-1], np.median(heights)))
        return
    corners = np.vstack([np.vstack(outermost(mixture)) for mixture in mixtures])
    lows, highs = corners.min(axis=0), corners.max(axis=0)
    for setter, low, high in zip((ax.set_xlim, ax.set_ylim), lows, highs, strict=True):
        _set_limits(setter, low, high)


def _set_limits(setter: Any, low: float, high: float) -> None:
    margin = _MARGIN * (high - low)
    setter(low - margin, high + margin)
