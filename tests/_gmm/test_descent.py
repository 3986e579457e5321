import numpy as np
import pytest

from skwot._gmm.flow import flow_mixture
from skwot._gmm.pair_costs import FullCosts
from skwot._gmm.settings import Settings
from tests.generators.gaussians import random_mixture


@pytest.fixture
def count_evaluations(monkeypatch):
    """Number of mixtures that the loss was evaluated at."""
    counted = []
    move = FullCosts.move

    def counting_move(costs, means, covariances):
        counted.append(means)
        move(costs, means, covariances)

    monkeypatch.setattr(FullCosts, "move", counting_move)
    return counted


@pytest.mark.parametrize("solver", ["pgd", "bures"])
def test_no_step_is_searched_for_below_the_rounding_of_the_loss(
    solver, count_evaluations
):
    # The only component rests at the barycentre of the target, at a positive loss.
    rng = np.random.default_rng(0)
    initial, target = random_mixture(rng, 1, 5), random_mixture(rng, 4, 5)
    settings = Settings(solver=solver, tol=0.0, max_iter=200, fixed_weights=True)
    found = flow_mixture(initial, target, settings)
    assert found.converged
    assert found.losses[-1] > 0.1 * found.losses[0]
    assert len(count_evaluations) <= len(found.losses) + 10


@pytest.mark.parametrize("size", [12, 30])
def test_geodesic_steps_are_few(size):
    rng = np.random.default_rng(6)
    uniform = np.full(size, 1 / size)
    pair = [random_mixture(rng, size, 8, uniform) for _ in range(2)]
    settings = Settings(solver="bures", max_iter=500, fixed_weights=True)
    found = flow_mixture(*pair, settings)
    assert found.losses[-1] <= 1e-10 * found.losses[0]
    assert len(found.losses) <= 5


def test_one_full_geodesic_step_carries_a_gaussian_to_another():
    rng = np.random.default_rng(1)
    pair = [random_mixture(rng, 1, 4) for _ in range(2)]
    found = flow_mixture(*pair, Settings(solver="bures"))
    np.testing.assert_allclose(found.means[1], pair[1].means, atol=1e-14)
    np.testing.assert_allclose(found.covariances[1], pair[1].covariances, atol=1e-12)
