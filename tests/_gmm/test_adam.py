import numpy as np
import pytest

from skwot._gmm.adam import descend_adam
from skwot._gmm.floor import Floor
from skwot._gmm.mixtures import prepare_target
from skwot._gmm.mw2 import differentiate_mw2, solve_mw2
from skwot._gmm.pair_costs import pair_costs
from skwot._gmm.settings import Settings
from tests.generators.gaussians import random_mixture

RATE = 0.01


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    return random_mixture(rng, 5, 3), random_mixture(rng, 4, 3)


def descend(pair, least=1e-6, **options):
    costs = pair_costs(prepare_target(pair[1]))
    floor = Floor(*(np.eye(3) for _ in range(3)), least)
    options = {"max_iter": 10} | options
    return descend_adam(pair[0], costs, floor, Settings(learning_rate=RATE, **options))


def test_the_first_step_has_the_length_of_the_rate(pair):
    costs = pair_costs(prepare_target(pair[1]))
    solved = solve_mw2(*pair[0], costs)
    gradient = differentiate_mw2(solved, pair[0].means, costs)
    found = descend(pair, max_iter=1)
    # Adam divides its first gradient by the absolute value.
    np.testing.assert_allclose(
        found.means[1] - found.means[0], -2 * RATE * np.sign(gradient.means), atol=1e-6
    )
    np.testing.assert_allclose(
        found.covariances[1] - found.covariances[0],
        -RATE * np.sign(gradient.covariances),
        atol=1e-6,
    )
    ratios = found.weights[1] / found.weights[0]
    ratios /= ratios[0]
    steps = -RATE * np.sign(gradient.weights - gradient.weights @ found.weights[0])
    np.testing.assert_allclose(np.log(ratios), steps - steps[0], atol=1e-6)


def test_all_steps_are_taken_above_the_floor(pair):
    found = descend(pair, least=0.2)
    assert len(found.losses) == 11
    assert np.linalg.eigvalsh(found.covariances[1:]).min() >= 0.2 * (1 - 1e-12)
    np.testing.assert_allclose(found.weights.sum(axis=1), 1)


def test_only_the_ends_may_be_recorded(pair):
    whole, ends = (descend(pair, record_path=x) for x in (True, False))
    np.testing.assert_array_equal(ends.means, whole.means[[0, -1]])
    np.testing.assert_array_equal(ends.losses, whole.losses)


def test_fixed_weights_and_weights_of_zero_stay(pair):
    fixed = descend(pair, fixed_weights=True)
    np.testing.assert_allclose(fixed.weights, [pair[0].weights] * 11)
    massless = pair[0]._replace(weights=np.array([0.0, 0.25, 0.25, 0.25, 0.25]))
    found = descend((massless, pair[1]))
    np.testing.assert_array_equal(found.weights[:, 0], 0)


def test_the_tolerance_decides_whether_it_converged(pair):
    far = pair[0], pair[1]._replace(means=pair[1].means + 10)
    losses = descend(far).losses
    change = (losses[-2] - losses[-1]) / losses[-1]
    assert not descend(far, tol=0.99 * change).converged
    assert descend(far, tol=1.01 * change).converged
