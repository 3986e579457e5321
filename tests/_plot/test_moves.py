import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.quiver import Quiver
from numpy.testing import assert_allclose

from skwot._plot.moves import draw_map, draw_moves


@pytest.fixture
def samples():
    before = np.random.default_rng(0).normal(size=(200, 2))
    return before, 2 * before + 3


def test_arrows_lead_from_before_to_after(ax, samples):
    before, after = (points[:20] for points in samples)
    draw_moves(ax, before, after, None, None)
    (arrows,) = (x for x in ax.collections if isinstance(x, Quiver))
    assert_allclose(np.column_stack([arrows.X, arrows.Y]), before)
    assert_allclose(np.column_stack([arrows.U, arrows.V]), after - before)
    assert arrows.angles == "xy"
    assert arrows.scale == 1


def test_all_samples_are_drawn_and_some_have_arrows(ax, samples):
    draw_moves(ax, *samples, None, {"alpha": 0.1})
    first, second, arrows = ax.collections
    assert_allclose(first.get_offsets(), samples[0])
    assert_allclose(second.get_offsets(), samples[1])
    assert first.get_paths()[0].vertices.shape != second.get_paths()[0].vertices.shape
    assert 0 < arrows.N < 200
    assert arrows.get_alpha() == 0.1


def test_map_of_one_feature(ax, samples):
    before, after = samples[0][:, 0], samples[1][:, 0]
    draw_map(ax, before, after, "age", {"s": 3})
    (drawn,) = (x for x in ax.collections if isinstance(x, PathCollection))
    assert_allclose(drawn.get_offsets(), np.column_stack([before, after]))
    assert_allclose(drawn.get_sizes(), 3)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("age, before", "age, after")
