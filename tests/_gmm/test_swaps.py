import numpy as np
import pytest
import torch

from skwot._gmm.covariance_types import COVARIANCE_TYPES, expand_full
from skwot._gmm.flow import flow_mixture
from skwot._gmm.mixtures import Mixture
from skwot._gmm.settings import Settings
from tests._gmm.watching import Watching
from tests.generators.gaussians import random_mixture

SWAPS = Settings(swaps=True)


def problem(seed, size, n_features):
    rng = np.random.default_rng(seed)
    return tuple(random_mixture(rng, size, n_features) for _ in range(2))


@pytest.mark.parametrize("solver", ["pgd", "bures"])
@pytest.mark.parametrize(("size", "n_features"), [(3, 2), (5, 5), (10, 2)])
def test_as_many_components_as_the_target_has_reach_it(size, n_features, solver):
    stuck = 0
    for seed in range(8):
        pair = problem(seed, size, n_features)
        plain = flow_mixture(*pair, Settings(solver=solver))
        swapped = flow_mixture(*pair, SWAPS._replace(solver=solver))
        stuck += plain.losses[-1] > 1e-6 * plain.losses[0]
        assert swapped.losses[-1] <= 1e-6 * swapped.losses[0]
        assert (np.diff(swapped.losses) <= 0).all()
        assert len(swapped.weights) == len(swapped.losses)
    assert stuck > 0


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
@pytest.mark.parametrize("fixed_weights", [False, True])
def test_no_worse_than_without(kind, fixed_weights):
    options = {"covariance_type": kind, "fixed_weights": fixed_weights}
    for seed in range(3):
        initial, target = problem(seed, 4, 3)
        plain = flow_mixture(initial, target, Settings(**options))
        found = flow_mixture(initial, target, SWAPS._replace(**options))
        assert found.losses[-1] <= plain.losses[-1]
        assert (np.diff(found.losses) <= 0).all()
        if fixed_weights:
            np.testing.assert_allclose(found.weights[-1], initial.weights)
        full = expand_full(found.best.covariances, kind, 4, 3)
        assert np.linalg.eigvalsh(full).min() > 0


def test_the_path_of_a_swap_may_be_left_out():
    pair = problem(0, 5, 2)
    whole = flow_mixture(*pair, SWAPS)
    ends = flow_mixture(*pair, SWAPS._replace(record_path=False))
    np.testing.assert_array_equal(ends.means, whole.means[[0, -1]])
    np.testing.assert_array_equal(ends.losses, whole.losses)


def test_tensors_are_swapped_alike():
    pair = problem(1, 5, 2)
    plain = flow_mixture(*pair, SWAPS)
    found = flow_mixture(*pair, SWAPS._replace(device=torch.device("cpu")))
    np.testing.assert_allclose(found.losses[-1], plain.losses[-1], atol=1e-12)


def test_units_do_not_matter():
    initial, target = problem(2, 5, 2)
    one = flow_mixture(initial, target, SWAPS)
    scaled = [
        Mixture(m.weights, 1e4 * m.means, 1e8 * m.covariances)
        for m in (initial, target)
    ]
    other = flow_mixture(*scaled, SWAPS)
    np.testing.assert_allclose(other.losses[:5], 1e8 * one.losses[:5], rtol=1e-9)
    np.testing.assert_allclose(other.best.means, 1e4 * one.best.means, rtol=1e-6)


def test_the_target_itself_stays():
    target = problem(3, 4, 2)[1]
    found = flow_mixture(target, target, SWAPS)
    np.testing.assert_array_equal(found.best.means, target.means)


def test_a_watch_is_told_of_the_best_flow_so_far():
    swapped = False
    for seed in range(4):
        pair, watch = problem(seed, 5, 2), Watching()
        found = flow_mixture(*pair, SWAPS, watch=watch)
        lowest = [flow.losses.min() for flow in watch.told]
        assert (np.diff(lowest) <= 0).all()
        # Also of the steps after a swap, before it is known whether it helps.
        assert set(found.losses[-2:]) <= set(lowest)
        swapped |= len(lowest) > len(found.losses)
        early = flow_mixture(*pair, SWAPS, watch=Watching(len(lowest) - 1))
        assert early.stopped
        assert early.losses.min() == lowest[-2]
    assert swapped
