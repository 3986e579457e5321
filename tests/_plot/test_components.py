import numpy as np
import pytest
from matplotlib.collections import EllipseCollection
from numpy.testing import assert_allclose

from skwot._gmm.mixtures import Mixture
from skwot._plot.components import (
    Role,
    Styles,
    density_curve,
    draw_mixture,
    marginal,
    outermost,
)
from skwot._plot.style import END, TARGET

TURN = np.array([[0.6, -0.8], [0.8, 0.6]])
TILTED = Mixture(
    np.ones(1), np.array([[1.0, 2.0]]), (TURN @ np.diag([4.0, 1.0]) @ TURN.T)[None]
)


def test_ellipse_has_the_components_axes_and_is_within_the_limits(ax):
    ellipses, dots = draw_mixture(ax, TILTED, Role(END, "A"), Styles())
    assert_allclose(ellipses.get_widths(), 2)
    assert_allclose(ellipses.get_heights(), 1)
    assert_allclose(ellipses.get_angles() % 180, np.degrees(np.arctan2(0.8, 0.6)))
    assert_allclose(dots.get_offsets(), TILTED.means)
    left, right = ax.get_xlim()
    assert left <= 1 - np.hypot(0.6, 0.4)
    assert right >= 1 + np.hypot(0.6, 0.4)


def test_outermost_points_of_a_tilted_ellipse():
    low, high = outermost(TILTED)
    angles = np.linspace(0, 2 * np.pi, 10_000)
    circle = np.array([np.cos(angles), np.sin(angles)])
    ellipse = np.array([[1.0], [2.0]]) + TURN @ (np.diag([1.0, 0.5]) @ circle)
    assert_allclose(low[0], ellipse.min(axis=1), atol=1e-6)
    assert_allclose(high[0], ellipse.max(axis=1), atol=1e-6)


def test_opacity_is_weight_and_small_components_keep_an_edge(ax):
    mixture = Mixture(
        np.array([0.99, 0.01]), np.zeros((2, 2)), np.tile(np.eye(2), (2, 1, 1))
    )
    ellipses, _ = draw_mixture(ax, mixture, Role(END, "A", alpha=0.5), Styles())
    assert_allclose(ellipses.get_facecolor()[:, 3], [0.5, 0.5 / 99])
    assert_allclose(ellipses.get_edgecolor()[:, 3], 1)


def test_an_outlined_role_is_dashed(ax):
    ellipses, _ = draw_mixture(ax, TILTED, Role(TARGET, "T", outlined=True), Styles())
    ((_, dashes),) = ellipses.get_linestyle()
    assert dashes is not None


def test_styles_of_ellipses_and_dots(ax):
    styles = Styles({"lw": 4}, {"marker": "s", "s": 99})
    ellipses, dots = draw_mixture(ax, TILTED, Role(END, "A"), styles)
    assert_allclose(ellipses.get_linewidth(), 4)
    assert_allclose(dots.get_sizes(), 99)
    assert isinstance(ellipses, EllipseCollection)


def test_one_feature_is_the_curve_of_its_density(ax):
    one = marginal(TILTED, [0])
    (line,) = draw_mixture(ax, one, Role(END, "A"), Styles(line={"lw": 5}))
    x, y = line.get_data()
    variance = one.covariances.item()
    normal = np.exp(-((x - 1) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    assert_allclose(y, normal)
    assert line.get_linewidth() == 5
    assert not ax.collections


@pytest.mark.parametrize("spread", [1e-6, 1.0, 1e6])
def test_a_density_has_mass_one_in_every_unit(spread):
    mixture = Mixture(
        np.array([0.3, 0.7]),
        spread * np.array([[0.0], [5.0]]),
        spread**2 * np.array([[[1.0]], [[0.04]]]),
    )
    x, y = density_curve(mixture)
    # Beyond the ends, four standard deviations away, there is 6e-5 of a component.
    assert_allclose(np.trapezoid(y, x), 1, atol=6e-5)


def test_a_component_without_spread_is_a_narrow_peak():
    weights, means = np.array([0.5, 0.5]), np.array([[0.0], [1.0]])
    mixture = Mixture(weights, means, np.array([[[0.01]], [[0.0]]]))
    x, y = density_curve(mixture)
    assert np.isfinite(y).all()
    assert x[y.argmax()] == 1.0
    point = Mixture(np.ones(1), np.zeros((1, 1)), np.zeros((1, 1, 1)))
    assert np.isfinite(density_curve(point)[1]).all()


def test_marginal_keeps_the_order_of_columns():
    swapped = marginal(TILTED, [1, 0])
    assert_allclose(swapped.means, TILTED.means[:, ::-1])
    assert_allclose(swapped.covariances[0], TILTED.covariances[0][::-1, ::-1])
