import numpy as np
import pytest
from matplotlib.collections import EllipseCollection
from numpy.testing import assert_allclose

from skwot._gmm.mixtures import Mixture
from skwot._plot.components import Styles
from skwot._plot.paths import draw_path


@pytest.fixture(scope="module")
def steps():
    rng = np.random.default_rng(0)
    covariances = np.tile(np.eye(2), (3, 1, 1))
    return [
        Mixture(rng.dirichlet(np.ones(3)), rng.normal(size=(3, 2)), covariances)
        for _ in range(5)
    ]


def draw(ax, kind, steps):
    draw_path(ax, kind, steps, steps[2], "plasma", Styles())
    ax.figure.canvas.draw()
    return [x for x in ax.collections if isinstance(x, EllipseCollection)]


def labels(ax):
    return ax.get_legend_handles_labels()[1]


@pytest.mark.parametrize(
    ("kind", "order", "expected"),
    [
        ("source", [0], ["Source"]),
        ("target", [2], ["Target"]),
        ("last", [0, 4, 2], ["Source", "Last step", "Target"]),
        ("path", [1, 2, 3, 0, 4, 2], ["Source", "Last step", "Target"]),
    ],
)
def test_each_kind_draws_its_mixtures_the_target_on_top(
    ax, steps, kind, order, expected
):
    drawn = draw(ax, kind, steps)
    assert labels(ax) == expected
    for ellipses, index in zip(drawn, order, strict=True):
        assert_allclose(ellipses.get_offsets(), steps[index].means)


def test_opacity_is_in_proportion_to_the_weights_of_the_step(ax, steps):
    drawn = draw(ax, "path", steps)
    for ellipses, index in zip(drawn, [1, 2, 3, 0, 4, 2], strict=True):
        opacity = ellipses.get_facecolor()[:, 3]
        assert_allclose(opacity / opacity.sum(), steps[index].weights)


def test_roles_differ_in_colour_and_in_marker(ax, steps):
    draw(ax, "last", steps)
    dots = [x for x in ax.collections if not isinstance(x, EllipseCollection)]
    assert len({tuple(x.get_facecolor()[0]) for x in dots}) == 3
    assert len({x.get_paths()[0].vertices.tobytes() for x in dots}) == 3


def test_a_path_of_one_step_is_its_source(ax, steps):
    draw_path(ax, "path", steps[:1], steps[2], "plasma", Styles())
    assert labels(ax) == ["Source", "Target"]


def test_one_feature_is_drawn_as_densities(ax):
    one = Mixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 1)))
    target = one._replace(means=one.means + 3)
    draw_path(ax, "path", [one, one, target], target, "plasma", Styles())
    assert len(ax.lines) == 4
    assert labels(ax) == ["Source", "Last step", "Target"]
    assert len({line.get_linestyle() for line in ax.lines[-2:]}) == 2
