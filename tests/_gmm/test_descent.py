import numpy as np
import pytest

from skwot._gmm.flow import flow_mixture
from skwot._gmm.mixtures import Mixture
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


def on_a_line(means, variances):
    size = len(means)
    return Mixture(
        np.full(size, 1 / size),
        np.array(means)[:, None],
        np.array(variances)[:, None, None],
    )


@pytest.mark.parametrize("kind", ["full", "diag"])
def test_straight_steps_are_halved_twice_at_most(kind):
    # A step from C to D has the strain 1 - sqrt(D / C) = S, and ends at (1 - 2 S) C,
    # with S halved until a tenth of C is left.
    initial = on_a_line([0.0, 100.0, 200.0, 300.0], [1.0, 4.0, 100.0, 100.0])
    target = on_a_line([1.0, 102.0, 203.0, 304.0], [4.0, 1.0, 4.0, 1.0])
    found = flow_mixture(
        initial, target, Settings(covariance_type=kind, fixed_weights=True)
    )
    np.testing.assert_allclose(found.means[1], target.means)
    expected = [3, (1 - 0.5) * 4, (1 - 0.8) * 100, (1 - 0.45) * 100]
    np.testing.assert_allclose(found.covariances[1].ravel(), expected)
    np.testing.assert_allclose(
        found.losses[0] - found.losses[1],
        (1 + 4 + 9 + 16) / 4
        + (
            1
            - (np.sqrt(3) - 2) ** 2
            + 1
            - (np.sqrt(2) - 1) ** 2
            + 64
            - (np.sqrt(20) - 2) ** 2
            + 81
            - (np.sqrt(55) - 1) ** 2
        )
        / 4,
    )


@pytest.mark.parametrize("solver", ["pgd", "bures"])
def test_first_steps_are_those_of_the_gradient(solver):
    # A strain S is symmetric, I - T; full covariances do not commute with it.
    rng = np.random.default_rng(2)
    (_, means, (start,)), target = (random_mixture(rng, 1, 3) for _ in range(2))
    end = start @ start + 0.1 * np.eye(3)
    initial = Mixture(np.ones(1), means, start[None])
    target = target._replace(covariances=end[None])
    values, vectors = np.linalg.eigh(start)
    root = vectors * np.sqrt(values) @ vectors.T
    inverse = np.linalg.inv(root)
    values, vectors = np.linalg.eigh(root @ end @ root)
    strain = np.eye(3) - inverse @ (vectors * np.sqrt(values) @ vectors.T) @ inverse
    found = flow_mixture(initial, target, Settings(solver=solver, fixed_weights=True))
    np.testing.assert_allclose(found.means[1], target.means, atol=1e-14)
    expected = end
    if solver == "pgd":
        for length in (1, 0.5, 0.25):
            step = length * strain @ start
            expected = start - step - step.T
            if np.linalg.eigvalsh(expected - 0.1 * start).min() > 0:
                break
    np.testing.assert_allclose(found.covariances[1], expected[None], atol=1e-12)


@pytest.mark.parametrize("solver", ["pgd", "bures"])
@pytest.mark.parametrize("max_iter", [1, 3])
def test_steps_are_counted(solver, max_iter):
    rng = np.random.default_rng(3)
    pair = random_mixture(rng, 5, 2), random_mixture(rng, 6, 2)
    settings = Settings(solver=solver, max_iter=max_iter, tol=0.0)
    found = flow_mixture(*pair, settings)
    assert len(found.losses) == len(found.means) == max_iter + 1
    assert found.converged is False
    ends = flow_mixture(*pair, settings._replace(record_path=False))
    np.testing.assert_array_equal(ends.means, found.means[[0, -1]])


def test_the_tolerance_decides_when_a_flow_is_at_rest():
    rng = np.random.default_rng(4)
    pair = random_mixture(rng, 3, 4), random_mixture(rng, 8, 4)
    options = Settings(max_iter=500, fixed_weights=True)
    losses = flow_mixture(*pair, options._replace(tol=1e-9)).losses
    changes = (losses[:-1] - losses[1:]) / losses[:-1]
    for tol in (1e-1, 1e-3, 1e-5):
        found = flow_mixture(*pair, options._replace(tol=tol))
        assert found.converged
        assert len(found.losses) == 2 + int((changes <= tol).argmax())


def test_weights_move_once_the_components_are_at_rest():
    # Each component sits on a target, with the weight of the other one.
    target = on_a_line([0.0, 10.0], [1.0, 4.0])._replace(weights=np.array([0.2, 0.8]))
    initial = target._replace(weights=np.array([0.8, 0.2]))
    fixed = flow_mixture(initial, target, Settings(fixed_weights=True))
    np.testing.assert_array_equal(fixed.weights[-1], initial.weights)
    assert fixed.losses[-1] > 1
    free = flow_mixture(initial, target, Settings(max_iter=500))
    assert free.losses[-1] < 1e-3 * fixed.losses[-1]
    np.testing.assert_allclose(free.weights[-1], target.weights, rtol=1e-9)


@pytest.mark.parametrize("solver", ["pgd", "bures"])
def test_components_without_mass_stay(solver):
    rng = np.random.default_rng(5)
    initial, target = random_mixture(rng, 3, 2), random_mixture(rng, 4, 2)
    initial = initial._replace(weights=np.array([0.4, 0.0, 0.6]))
    settings = Settings(solver=solver, fixed_weights=True, max_iter=5, tol=0.0)
    found = flow_mixture(initial, target, settings)
    for step in range(6):
        np.testing.assert_array_equal(found.means[step, 1], initial.means[1])
        np.testing.assert_array_equal(
            found.covariances[step, 1], initial.covariances[1]
        )
    assert abs(found.means[1, 0] - initial.means[0]).max() > 1e-3
