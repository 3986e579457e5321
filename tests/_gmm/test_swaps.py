import numpy as np
import ot
import pytest
import torch

from skwot._gmm import swaps
from skwot._gmm.covariance_types import COVARIANCE_TYPES, expand_full
from skwot._gmm.flow import flow_mixture
from skwot._gmm.mixtures import Mixture, prepare_target
from skwot._gmm.mw2 import solve_mw2
from skwot._gmm.pair_costs import pair_costs
from skwot._gmm.settings import Settings
from tests.generators.gaussians import random_mixture
from tests.watching import Watching

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
    swapped = failed = False
    for seed in range(4):
        # Swaps towards a larger target end with some that do not help.
        pair, watch = (problem(seed, 3, 2)[0], problem(seed, 5, 2)[1]), Watching()
        found = flow_mixture(*pair, SWAPS, watch=watch)
        lowest = [flow.losses.min() for flow in watch.told]
        # What falls by less than the tolerance is not kept.
        assert (np.diff(lowest) <= SWAPS.tol * np.array(lowest[1:])).all()
        # Also of the steps after a swap, before it is known whether it helps.
        assert set(found.losses[-2:]) <= set(lowest)
        swapped |= len(found.losses) > len(flow_mixture(*pair, Settings()).losses)
        failed |= len(set(lowest)) < len(lowest)
        early = flow_mixture(*pair, SWAPS, watch=Watching(len(lowest) - 1))
        assert early.stopped
        assert early.losses.min() == pytest.approx(lowest[-2], rel=SWAPS.tol)
    assert swapped
    assert failed


@pytest.fixture
def starts(monkeypatch):
    """Mixtures that a flow went on from."""
    recorded, descend = [], swaps.descend

    def recording_descend(initial, *arguments):
        recorded.append(initial)
        return descend(initial, *arguments)

    monkeypatch.setattr(swaps, "descend", recording_descend)
    return recorded


@pytest.mark.parametrize("kind", ["full", "diag"])
@pytest.mark.parametrize("device", [None, torch.device("cpu")])
def test_the_best_swap_is_the_first(starts, device, kind):
    # Two components share the first target, and one has to do for two targets.
    covariances = np.array([np.diag([s, 2.0]) for s in (1.0, 3.0, 5.0, 2.0)])
    target = Mixture(
        np.array([0.3, 0.2, 0.3, 0.2]),
        np.array([[0.0, 0], [100, 0], [100, 10], [200, 0]]),
        covariances,
    )
    initial = Mixture(
        np.array([0.15, 0.15, 0.5, 0.2]),
        np.array([[0.0, 0.001], [0, -0.001], [100, 6], [200, 0]]),
        covariances,
    )
    options = SWAPS._replace(covariance_type=kind, device=device)
    plain = flow_mixture(initial, target, options._replace(swaps=False))
    assert plain.losses[-1] > 1
    found = flow_mixture(initial, target, options)
    assert found.losses[-1] < 1e-9
    first, swapped = starts
    np.testing.assert_array_equal(first.means, initial.means)
    # The middle one has moved to means of (100, 6), 4 and 6 away from what it serves.
    moved, left = sorted((0, 1), key=lambda row: -swapped.means[row, 0])
    np.testing.assert_array_equal(swapped.means[moved], target.means[1])
    # It serves two that are .002 apart, in a figure 200 wide, from somewhere between.
    np.testing.assert_allclose(swapped.means[left], target.means[0], atol=2e-3)
    weights = swapped.weights[[left, moved, 2, 3]]
    np.testing.assert_allclose(weights, target.weights, atol=1e-9)
    np.testing.assert_allclose(swapped.means[2], [100, 6], atol=1e-6)
    full = expand_full(found.best.covariances, kind, 4, 2)
    order = np.argsort(found.best.means @ [1.0, 0.01])
    np.testing.assert_allclose(full[order], covariances, atol=1e-6)
    np.testing.assert_allclose(found.best.weights[order], target.weights, atol=1e-9)
    costs = pair_costs(prepare_target(target))
    loss = solve_mw2(found.best.weights, found.best.means, full, costs).value
    assert loss == pytest.approx(found.losses[-1], abs=1e-9)


def test_nothing_is_swapped_by_a_mixture_that_has_arrived(starts):
    target = problem(4, 3, 2)[1]
    near = target._replace(means=target.means + 1e-3)
    found = flow_mixture(near, target, SWAPS)
    assert len(starts) == 1
    assert found.losses[-1] <= 1e-9 * found.losses[0]


def test_a_swap_counts_by_where_its_flow_ends(monkeypatch):
    # Of a flow from a swap, the first losses may be above what there was.
    pair, descend, n_flows = problem(2, 5, 2), swaps.descend, []

    def descend_from_above(*arguments):
        flow = descend(*arguments)
        n_flows.append(1)
        if len(n_flows) > 1 and len(flow.losses) > 3:
            flow.losses[:-1] += 1e3
        return flow

    expected = flow_mixture(*pair, SWAPS)
    assert expected.losses[-1] < 1e-6 * expected.losses[0]
    monkeypatch.setattr(swaps, "descend", descend_from_above)
    found = flow_mixture(*pair, SWAPS)
    assert found.losses[-1] == pytest.approx(expected.losses[-1], rel=1e-6, abs=1e-12)


def test_components_are_tied_again_after_a_swap(starts):
    initial, target = problem(2, 5, 2)
    options = Settings(covariance_type="tied")
    plain = flow_mixture(initial, target, options)
    flow_mixture(initial, target, options._replace(swaps=True))
    _, first, *_ = starts
    (row,) = np.flatnonzero((first.means != plain.best.means).any(axis=1))
    (column,) = np.flatnonzero((first.means[row] == target.means).all(axis=1))
    share = first.weights[row]
    mean = (1 - share) * plain.best.covariances + share * target.covariances[column]
    np.testing.assert_allclose(first.covariances, np.tile(mean, (5, 1, 1)), rtol=1e-9)


def test_swaps_compare_distances_and_not_their_bounds():
    rng = np.random.default_rng(6)
    mixture, target = (random_mixture(rng, 12, 3) for _ in range(2))
    costs = pair_costs(prepare_target(target))
    solve_mw2(*mixture, costs)
    distances = swaps._all_distances(mixture, costs)
    expected = ot.gmm.dist_bures_squared(
        mixture.means, target.means, mixture.covariances, target.covariances
    )
    np.testing.assert_allclose(distances, expected, rtol=1e-9)


@pytest.mark.parametrize(("distance", "swapped"), [(1e4, True), (1e6, False)])
def test_a_loss_that_has_all_but_vanished_is_not_swapped(starts, distance, swapped):
    # At rest, one component serves two targets that are 10 apart, of mass 1/2.
    covariances = np.tile(np.eye(2), (3, 1, 1))
    target = Mixture(
        np.array([0.5, 0.25, 0.25]),
        np.array([[0.0, 0], [100, 0], [100, 10]]),
        covariances,
    )
    means = np.array([[0.0, 0.001], [0, -0.001], [100, 5]]) + np.array([0, distance])
    initial = Mixture(np.array([0.25, 0.25, 0.5]), means, covariances)
    found = flow_mixture(initial, target, SWAPS)
    assert found.losses[0] == pytest.approx(distance**2, rel=1e-2)
    assert (len(starts) > 1) == swapped
    if swapped:
        assert found.losses[-1] < 1e-6
    else:
        assert found.losses[-1] == pytest.approx(0.5 * 25, rel=1e-3)


def test_a_flow_that_was_ended_is_not_swapped(starts):
    for end in (1, None):
        watch = Watching(end)
        options = SWAPS if end else SWAPS._replace(max_iter=1, tol=0.0)
        found = flow_mixture(*problem(2, 5, 2), options, watch=watch)
        assert len(found.losses) == 2
        assert found.stopped == (end == 1)
    assert len(starts) == 2
    # Also if that was at the step that came to rest.
    plain = flow_mixture(*problem(2, 5, 2), Settings())
    watch = Watching(len(plain.losses) - 1)
    found = flow_mixture(*problem(2, 5, 2), SWAPS, watch=watch)
    assert found.stopped
    np.testing.assert_array_equal(found.losses, plain.losses)
    assert len(starts) == 3


def test_one_component_has_nowhere_to_go():
    initial, target = problem(5, 1, 2)[0], problem(5, 3, 2)[1]
    plain = flow_mixture(initial, target, Settings())
    found = flow_mixture(initial, target, SWAPS)
    np.testing.assert_allclose(found.losses[-1], plain.losses[-1], rtol=1e-6)
