import numpy as np
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


def test_of_components_that_are_equally_near_the_first_takes_what_is_freed():
    target = Mixture(np.full(2, 0.5), np.array([[0.0], [4.0]]), np.ones((2, 1, 1)))
    for offset, expected in ((0.0, [0.25, 0.25, 0.5]), (0.1, [0.0, 0.5, 0.5])):
        costs = pair_costs(prepare_target(target))
        costs.move(np.array([[1.0 + offset], [-1.0], [4.0]]), np.ones((3, 1, 1)))
        plan = np.array([[0.25, 0.25], [0.25, 0.0], [0.0, 0.25]])
        # What is at the far target goes to the component that is on it.
        np.testing.assert_allclose(
            reassign_weights(costs, plan),
            expected if not offset else [0.25, 0.25, 0.5],
        )
    plan = np.array([[0.0, 0.25], [0.25, 0.25], [0.25, 0.0]])
    costs = pair_costs(prepare_target(target))
    costs.move(np.array([[1.0], [-1.0], [4.0]]), np.ones((3, 1, 1)))
    # The third gives up the first target, which goes to the first of two.
    np.testing.assert_allclose(reassign_weights(costs, plan), [0.25, 0.25, 0.5])
