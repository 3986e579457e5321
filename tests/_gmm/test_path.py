import numpy as np
import pytest

from skwot._gmm.covariance_types import expand_full
from skwot._gmm.path import Path

SHAPES = {"full": (2, 3, 3), "tied": (3, 3), "diag": (2, 3), "spherical": (2,)}


def record(losses, kind="full", whole=True):
    path = Path(kind, whole)
    weights, means = np.full(2, 0.5), np.zeros((2, 3))
    covariances = np.stack([np.eye(3)] * 2)
    for step, loss in enumerate(losses):
        means[:] = step
        path.append(weights, means, covariances, loss, np.full((2, 1), step))
    return path.finish(converged=True)


def test_a_path_holds_copies_and_the_plan_of_its_best_step():
    flow = record([3.0, 1.0, 2.0, 1.0])
    np.testing.assert_array_equal(flow.means[:, 0, 0], range(4))
    np.testing.assert_array_equal(flow.losses, [3, 1, 2, 1])
    np.testing.assert_array_equal(flow.best.means, 1)
    np.testing.assert_array_equal(flow.plan, np.ones((2, 1)))


@pytest.mark.parametrize("kind", SHAPES)
def test_covariances_are_kept_in_the_shape_of_their_type(kind):
    flow = record([1.0, 0.0], kind)
    assert flow.covariances.shape == (2, *SHAPES[kind])
    full = expand_full(flow.covariances[-1], kind, 2, 3)
    np.testing.assert_array_equal(full, [np.eye(3)] * 2)


def test_only_the_ends_of_a_path_may_be_kept():
    flow = record([3.0, 1.0, 2.0, 1.5], whole=False)
    np.testing.assert_array_equal(flow.means[:, 0, 0], [0, 3])
    np.testing.assert_array_equal(flow.losses, [3, 1, 2, 1.5])
    np.testing.assert_array_equal(flow.best.means, 1)
    assert record([3.0], whole=False).means.shape == (1, 2, 3)
