import numpy as np
import pytest
from matplotlib.patches import StepPatch
from numpy.testing import assert_allclose

from skwot._plot.clouds import Cloud, draw_histograms, draw_scatter
from skwot._plot.style import START, TARGET


@pytest.fixture
def clouds():
    rng = np.random.default_rng(0)
    return [
        Cloud("A", rng.normal(size=(30, 3)), rng.dirichlet(np.ones(30)), START),
        Cloud("Target", rng.normal(size=(50, 3)), np.full(50, 0.02), TARGET),
    ]


def test_areas_are_masses_and_places_are_points(ax, clouds):
    draw_scatter(ax, clouds, [2, 0], None)
    for drawn, cloud in zip(ax.collections, clouds, strict=True):
        assert_allclose(drawn.get_offsets(), cloud.points[:, [2, 0]])
        assert_allclose(drawn.get_sizes() / drawn.get_sizes().sum(), cloud.masses)
        assert drawn.get_label() == cloud.name
    markers = {tuple(x.get_paths()[0].vertices.ravel()) for x in ax.collections}
    assert len(markers) == 2


def test_area_of_an_average_point(ax, clouds):
    draw_scatter(ax, clouds, [0, 1], {"s": 7, "alpha": 0.25})
    _, target = ax.collections
    assert_allclose(target.get_sizes(), 7)
    assert target.get_alpha() == 0.25


def test_histograms_hold_all_mass(ax, clouds):
    draw_histograms(ax, clouds, 1, None)
    for drawn, cloud in zip(ax.patches, clouds, strict=True):
        assert isinstance(drawn, StepPatch)
        assert_allclose(drawn.get_data().values.sum(), 1)
        assert drawn.get_label() == cloud.name
    source, target = ax.patches
    assert source.get_fill()
    assert not target.get_fill()  # nothing hides behind it


def test_an_outlier_does_not_ask_for_many_bins(ax):
    points = np.append(np.linspace(0, 1, 500), 1e6)[:, None]
    draw_histograms(ax, [Cloud("A", points, np.full(501, 1 / 501), TARGET)], 0, None)
    assert len(ax.patches[0].get_data().values) <= 100
