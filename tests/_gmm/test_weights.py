import numpy as np
import pytest
from hypothesis import given, settings

from skwot._gmm.mixtures import Mixture, prepare_target
from skwot._gmm.mw2 import solve_mw2
from skwot._gmm.pair_costs import pair_costs
from skwot._gmm.weights import reassign_weights
from tests.generators.gaussians import mixture_pairs, random_mixture


def test_reassigned_weights_keep_every_component_alive():
    # Two components sit on the targets; the third serves half of each.
    target = Mixture(np.full(2, 0.5), np.array([[0.0], [1]]), np.ones((2, 1, 1)))
    means = np.array([[0.0], [1.0], [0.4]])
    covariances = np.ones((3, 1, 1))
    plan = np.array([[0.25, 0.0], [0.0, 0.25], [0.25, 0.25]])
    costs = pair_costs(prepare_target(target))
    costs.move(means, covariances)
    # It keeps the first target, which is nearer to it, and gives up the second.
    np.testing.assert_allclose(reassign_weights(costs, plan), [0.25, 0.5, 0.25])


@settings(max_examples=40, deadline=None)
@given(mixture_pairs())
def test_reassigned_weights_lower_the_loss_and_empty_no_idle_component(pair):
    mixture, target = pair
    costs = pair_costs(prepare_target(target))
    solved = solve_mw2(*mixture, costs)
    weights = reassign_weights(costs, solved.plan)
    assert weights.min() >= 0
    assert abs(weights.sum() - 1) <= 1e-14
    # Those that are nearest to no component of the target.
    idle = ~costs.find_nearest(0.0, 0.0).any(axis=1)
    assert (weights[idle] > 0).all()
    moved = solve_mw2(weights, *mixture[1:], costs)
    assert moved.value <= solved.value * (1 + 1e-12)


def test_components_on_their_targets_take_the_weights_of_the_targets():
    rng = np.random.default_rng(0)
    target = random_mixture(rng, 6, 3)
    costs = pair_costs(prepare_target(target))
    solved = solve_mw2(np.full(6, 1 / 6), *target[1:], costs)
    np.testing.assert_allclose(reassign_weights(costs, solved.plan), target.weights)


@pytest.mark.parametrize(
    ("nearer", "expected"),
    # Of two that are equally near, the first takes what is freed, and the other one,
    # which serves the far target alone, gives that up. Else the nearer one takes it,
    # and the other one keeps what it has.
    [(0.0, [0.5, 0, 0.5]), (1e-10, [0.5, 0, 0.5]), (1e-8, [0.25, 0.25, 0.5])],
)
def test_components_are_equally_near_but_for_rounding(nearer, expected):
    target = Mixture(np.full(2, 0.5), np.array([[0.0], [4.0]]), np.ones((2, 1, 1)))
    costs = pair_costs(prepare_target(target))
    costs.move(np.array([[1.0], [nearer - 1], [4.0]]), np.ones((3, 1, 1)))
    plan = np.array([[0.25, 0.0], [0.0, 0.25], [0.25, 0.25]])
    np.testing.assert_allclose(reassign_weights(costs, plan), expected)


def test_an_idle_component_keeps_what_takes_the_smallest_detour():
    # The last one is 10 away from the first target, which another one has at 9, and 6
    # away from the second one, which another one is on: 100 - 81 < 36 - 0.
    target = Mixture(np.full(2, 0.5), np.array([[0.0], [16.0]]), np.ones((2, 1, 1)))
    costs = pair_costs(prepare_target(target))
    costs.move(np.array([[-9.0], [16.0], [10.0]]), np.ones((3, 1, 1)))
    plan = np.array([[0.25, 0.0], [0.0, 0.25], [0.25, 0.25]])
    np.testing.assert_allclose(reassign_weights(costs, plan), [0.25, 0.5, 0.25])
