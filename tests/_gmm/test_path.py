import numpy as np
import pytest

from skwot._gmm.covariance_types import expand_full
from skwot._gmm.mixtures import Mixture
from skwot._gmm.path import Flow, Path

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
    for size in (2, 3, 5):
        flow = record(np.arange(size), whole=False)
        np.testing.assert_array_equal(flow.means[:, 0, 0], [0, size - 1])


def test_a_snapshot_does_not_change_with_the_path():
    path = Path("full")
    mixture = np.ones(1), np.zeros((1, 2)), np.eye(2)[None]
    for loss in (3.0, 2.0):
        path.append(*mixture, loss, np.full((1, 1), loss))
    early = path.snapshot()
    mixture[1][:] = 7
    path.append(*mixture, 1.0, np.ones((1, 1)))
    late = path.finish(converged=True)
    assert (early.converged, late.converged) == (False, True)
    assert len(late.means) == 3
    np.testing.assert_array_equal(early.losses, [3, 2])
    np.testing.assert_array_equal(early.means, np.zeros((2, 1, 2)))
    np.testing.assert_array_equal(early.best.means, [[0, 0]])
    np.testing.assert_array_equal(early.plan, [[2]])
    np.testing.assert_array_equal(late.best.means, [[7, 7]])


def test_long_paths_are_kept_whole():
    flow = record(100.0 - np.arange(30))
    np.testing.assert_array_equal(flow.means[:, 0, 0], range(30))
    assert flow.weights.shape == (30, 2)


def made_of(losses, whole=True):
    """A flow whose arrays hold the loss at each step."""
    losses = np.array(losses)
    kept = losses if whole else losses[[0, -1]]
    best = Mixture(*(np.full((1,) * n, losses.min()) for n in (1, 2, 3)))
    arrays = (kept.reshape(-1, *(1,) * n) for n in (1, 2, 3))
    return Flow(*arrays, losses, losses[-1:], best, converged=losses[-1] < 2)


@pytest.mark.parametrize("whole", [True, False])
def test_a_flow_goes_on_with_the_steps_below_its_loss(whole):
    flow = made_of([9.0, 5.0, 4.0], whole)
    found = flow.continued(made_of([8.0, 4.0, 3.0, 1.0], whole), whole)
    np.testing.assert_array_equal(found.losses, [9, 5, 4, 3, 1])
    expected = found.losses if whole else [9, 1]
    for array in found[:3]:
        np.testing.assert_array_equal(array.ravel(), expected)
    assert found.best.means == found.plan == 1
    assert found.converged


def test_a_flow_is_returned_in_the_unit_of_the_data():
    flow = made_of([4.0, 2.0])
    assert flow.in_unit(1.0) is flow
    found = flow.in_unit(8.0)
    for array in ("weights", "plan"):
        np.testing.assert_array_equal(getattr(found, array), getattr(flow, array))
    np.testing.assert_array_equal(found.means, 8 * flow.means)
    np.testing.assert_array_equal(found.covariances, 64 * flow.covariances)
    np.testing.assert_array_equal(found.losses, 64 * flow.losses)
    np.testing.assert_array_equal(found.best.means, 8 * flow.best.means)
    np.testing.assert_array_equal(found.best.covariances, 64 * flow.best.covariances)
