"""Figure of Gaussian mixtures, as ellipses or as densities."""

from typing import Any, NamedTuple

import numpy as np

from skwot._gmm.mixtures import Mixture
from skwot._plot.style import Look, merge_style
from skwot._typing import Array

# Width and height of an ellipse, in standard deviations of its component.
_DIAMETER = 1.0
_GRID = 400  # points of a curve
_SPREAD = 4.0  # standard deviations beyond the outermost mean
# The narrowest component that is drawn, as a part of the axis.
_NARROWEST = 2e-3


class Role(NamedTuple):
    """How a mixture is drawn.

    Attributes
    ----------
    look : Look
    label : str or None
        In the legend.
    alpha : float
        Opacity of the component with the largest weight.
    outlined : bool
        Whether ellipses have a dashed edge, by which they are seen on top of others.
    """

    look: Look
    label: str | None = None
    alpha: float = 0.6
    outlined: bool = False


class Styles(NamedTuple):
    """Keywords that the user gave.

    Attributes
    ----------
    ellipse, scatter, line : dict or None
        Of the ellipses, of the means and of the densities.
    """

    ellipse: dict[str, Any] | None = None
    scatter: dict[str, Any] | None = None
    line: dict[str, Any] | None = None


def marginal(mixture: Mixture, columns: list[int]) -> Mixture:
    """Mixture of some of the features.

    Parameters
    ----------
    mixture : Mixture
    columns : list of int

    Returns
    -------
    Mixture
    """
    weights, means, covariances = mixture
    return Mixture(weights, means[:, columns], covariances[:, columns][:, :, columns])


def draw_mixture(ax: Any, mixture: Mixture, role: Role, styles: Styles) -> list[Any]:
    """Draw a mixture of one or two features.

    Parameters
    ----------
    ax : matplotlib Axes
    mixture : Mixture
    role : Role
    styles : Styles

    Returns
    -------
    list of matplotlib Artist
        What was drawn.
    """
    if mixture.means.shape[1] == 1:
        return [_draw_density(ax, mixture, role, styles)]
    return [*_draw_ellipses(ax, mixture, role, styles)]


def _draw_ellipses(
    ax: Any, mixture: Mixture, role: Role, styles: Styles
) -> tuple[Any, Any]:
    from matplotlib.collections import EllipseCollection, PathCollection
    from matplotlib.colors import to_rgba

    weights, means, covariances = mixture
    values, vectors = np.linalg.eigh(covariances)
    diameters = _DIAMETER * np.sqrt(values.clip(0))
    faces = np.tile(to_rgba(role.look.color), (len(weights), 1))
    faces[:, 3] = role.alpha * weights / weights.max()
    defaults: dict[str, Any] = {"facecolor": faces}
    if role.label:  # a component of small weight is hardly more than its edge
        defaults |= {"edgecolor": role.look.color, "linewidth": 0.8}
    if role.outlined:
        defaults |= {"linestyle": "--", "linewidth": 1.5}
    ellipses = EllipseCollection(
        diameters[:, 1],
        diameters[:, 0],
        np.degrees(np.arctan2(vectors[:, 1, 1], vectors[:, 0, 1])),
        units="xy",
        offsets=means,
        offset_transform=ax.transData,
        **merge_style(defaults, styles.ellipse, EllipseCollection),
    )
    ax.add_collection(ellipses)
    defaults = {"color": [role.look.color], "marker": role.look.marker}
    defaults.update(s=30 if role.label else 6, label=role.label)
    dots = ax.scatter(*means.T, **merge_style(defaults, styles.scatter, PathCollection))
    # A collection reports its centres only.
    ax.update_datalim(np.vstack(outermost(mixture)))
    ax.autoscale_view()
    return ellipses, dots


def _draw_density(ax: Any, mixture: Mixture, role: Role, styles: Styles) -> Any:
    from matplotlib.lines import Line2D

    grid, density = density_curve(mixture)
    defaults = {"color": role.look.color, "label": role.label}
    defaults["linestyle"] = "--" if role.outlined else "-"
    defaults["alpha"] = 1.0 if role.label else min(1.0, 2 * role.alpha)
    defaults["linewidth"] = 2.0 if role.label else 1.0
    (line,) = ax.plot(grid, density, **merge_style(defaults, styles.line, Line2D))
    return line


def outermost(mixture: Mixture) -> tuple[Array, Array]:
    """Lowest and highest coordinates of each ellipse.

    Parameters
    ----------
    mixture : Mixture
        Of d features.

    Returns
    -------
    low, high : ndarray of shape (n_components, d)
    """
    variances = np.diagonal(mixture.covariances, axis1=1, axis2=2)
    extents = _DIAMETER / 2 * np.sqrt(variances.clip(0))
    return mixture.means - extents, mixture.means + extents


def density_curve(mixture: Mixture) -> tuple[Array, Array]:
    """Density of a mixture of one feature.

    Parameters
    ----------
    mixture : Mixture

    Returns
    -------
    grid, density : ndarray of shape (n_points,)
        The components' means are among the points.
    """
    means = mixture.means[:, 0]
    deviations = np.sqrt(mixture.covariances[:, 0, 0].clip(0))
    low = (means - _SPREAD * deviations).min()
    high = (means + _SPREAD * deviations).max()
    # A component without spread has no density: it is drawn as a narrow peak.
    narrowest = _NARROWEST * (high - low) if high > low else 1.0
    deviations = deviations.clip(narrowest)
    near = means[:, None] + deviations[:, None] * np.linspace(-3, 3, 13)
    grid = np.unique(np.append(np.linspace(low, high, _GRID), near))
    z = (grid[:, None] - means) / deviations
    peaks = mixture.weights / (np.sqrt(2 * np.pi) * deviations)
    return grid, np.exp(-(z**2) / 2) @ peaks
