"""Figure of the path of a mixture towards its target."""

from typing import Any

import numpy as np

from skwot._gmm.mixtures import Mixture
from skwot._plot.components import Role, Styles, draw_mixture
from skwot._plot.style import END, START, TARGET, Look, dark_colors

TARGET_ROLE = Role(TARGET, "Target", alpha=0.15, outlined=True)


def draw_path(
    ax: Any,
    kind: str,
    steps: list[Mixture],
    target: Mixture,
    cmap: Any,
    styles: Styles,
) -> None:
    """Draw the first step, the last one and those between, and the target on top.

    Parameters
    ----------
    ax : matplotlib Axes
    kind : {"source", "target", "last", "path"}
        "path" draws all of these, "last" no steps between, and the others one mixture.
    steps : list of Mixture
        Of one or two features.
    target : Mixture
    cmap : str or matplotlib Colormap
        Colours of the steps of "path".
    styles : Styles
    """
    start, end = START, END
    if kind == "path":
        colors = dark_colors(cmap, len(steps))
        start, end = Look(colors[0], START.marker), Look(colors[-1], END.marker)
        # Many steps lie on top of each other, and are made fainter.
        alpha = 0.5 / np.sqrt(len(steps))
        for mixture, color in zip(steps[1:-1], colors[1:-1], strict=True):
            draw_mixture(ax, mixture, Role(Look(color, "o"), alpha=alpha), styles)
    if kind != "target":
        draw_mixture(ax, steps[0], Role(start, "Source"), styles)
    if kind in ("last", "path") and len(steps) > 1:
        draw_mixture(ax, steps[-1], Role(end, "Last step"), styles)
    if kind != "source":
        draw_mixture(ax, target, TARGET_ROLE, styles)
