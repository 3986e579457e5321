import numpy as np
import pytest
import torch
from hypothesis import given, settings

from skwot._gmm.covariance_types import compact, constrain, drop_zeros, expand_full
from skwot._gmm.floor import make_floor
from skwot._gmm.flow import flow_mixture
from skwot._gmm.mixtures import Mixture, in_unit, prepare_target
from skwot._gmm.mw2 import solve_mw2
from skwot._gmm.pair_costs import pair_costs
from skwot._gmm.settings import Settings
from tests.generators.gaussians import mixture_pairs, random_mixture
from tests.watching import Watching


def stacks(found, kind):
    """Full covariances at each step."""
    shape = found.means.shape[1:]
    return np.stack([expand_full(x, kind, *shape) for x in found.covariances])


def flow(initial, target, max_iter=500, **options):
    return flow_mixture(initial, target, Settings(max_iter=max_iter, **options))


@settings(max_examples=25, deadline=None)
@given(mixture_pairs())
def test_loss_never_rises_and_mixtures_stay_mixtures(pair):
    found = flow(*pair)
    assert found.converged
    assert (np.diff(found.losses) <= 0).all()
    np.testing.assert_allclose(found.weights.sum(1), 1, atol=1e-12)
    assert found.weights.min() >= 0
    assert np.linalg.eigvalsh(found.covariances).min() > 0


@settings(max_examples=25, deadline=None)
@given(mixture_pairs())
def test_free_weights_end_at_or_below_fixed_ones(pair):
    free, fixed = (flow(*pair, fixed_weights=w) for w in (False, True))
    assert free.losses[-1] <= fixed.losses[-1]
    assert (fixed.weights == fixed.weights[0]).all()


def test_a_single_gaussian_reaches_its_target():
    rng = np.random.default_rng(0)
    initial, target = random_mixture(rng, 1, 5), random_mixture(rng, 1, 5)
    found = flow(initial, target)
    assert found.converged
    np.testing.assert_allclose(found.means[-1], target.means, atol=1e-12)
    np.testing.assert_allclose(found.covariances[-1], target.covariances, atol=1e-6)


def test_fixed_weights_rest_at_the_barycentre_of_what_they_serve():
    # One component for two points of masses 1/4 and 3/4, 4 apart.
    target = Mixture(
        np.array([0.25, 0.75]), np.array([[0.0], [4.0]]), np.array([[[1.0]], [[9.0]]])
    )
    initial = Mixture(np.ones(1), np.array([[7.0]]), np.array([[[100.0]]]))
    found = flow(initial, target)
    assert found.means[-1] == pytest.approx(3)
    # Standard deviations average: (1/4) 1 + (3/4) 3.
    assert found.covariances[-1] == pytest.approx(2.5**2)
    assert found.losses[-1] == pytest.approx(3 / 16 * (4**2 + 2**2))


@pytest.mark.parametrize("learning_rate", ["auto", 0.01])
def test_flow_keeps_the_spectrum_above_the_floor(learning_rate):
    target = Mixture(np.full(2, 0.5), np.array([[0.0, 0], [5, 0]]), np.zeros((2, 2, 2)))
    target.covariances[0, 0, 0] = 1.0
    initial = Mixture(
        np.full(2, 0.5), np.array([[1.0, 0], [2, 3]]), np.zeros((2, 2, 2))
    )
    found = flow(
        initial, target, reg_covar=1e-3, learning_rate=learning_rate, max_iter=50
    )
    floor = make_floor(initial, target, 1e-3, "full")
    assert floor.level == 1e-3
    left = found.covariances - (1 - 1e-9) * floor.level * floor.reference
    assert np.linalg.eigvalsh(left).min() > 0
    assert found.losses.min() <= found.losses[0]


def test_no_component_collapses_when_there_are_as_many_as_targets():
    rng = np.random.default_rng(1)
    uniform = np.full(12, 1 / 12)
    initial, target = (random_mixture(rng, 12, 6, uniform) for _ in range(2))
    found = flow(initial, target)
    assert found.losses[-1] <= 1e-10 * found.losses[0]
    np.testing.assert_allclose(found.weights[-1], uniform, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-6, 1e-2, 1e2, 1e4])
def test_flow_does_not_depend_on_the_unit(scale):
    rng = np.random.default_rng(2)
    pair = random_mixture(rng, 6, 3), random_mixture(rng, 5, 3)
    scaled = [Mixture(w, scale * m, scale**2 * c) for w, m, c in pair]
    plain, found = flow(*pair), flow(*scaled)
    assert len(found.losses) == len(plain.losses)
    np.testing.assert_allclose(found.weights, plain.weights, atol=1e-8)
    np.testing.assert_allclose(found.means / scale, plain.means, atol=1e-8)
    np.testing.assert_allclose(
        found.covariances / scale**2, plain.covariances, atol=1e-8
    )
    np.testing.assert_allclose(found.losses / scale**2, plain.losses, atol=1e-8)


@pytest.mark.parametrize("solver", ["pgd", "bures"])
@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
@settings(max_examples=10, deadline=None)
@given(pair=mixture_pairs())
def test_every_type_and_solver_descends_within_the_type(solver, kind, pair):
    found = flow(*pair, covariance_type=kind, solver=solver)
    assert found.converged
    assert (np.diff(found.losses) <= 0).all()
    covariances = stacks(found, kind)
    assert np.linalg.eigvalsh(covariances).min() > 0
    # What is kept in the type's own shape is the mixture whose loss was found.
    costs = pair_costs(prepare_target(pair[1]))
    steps = zip(found.weights, found.means, covariances, strict=True)
    losses = [solve_mw2(*mixture, costs).value for mixture in steps]
    np.testing.assert_allclose(losses, found.losses, atol=1e-12)


@pytest.mark.parametrize("solver", ["pgd", "bures"])
@pytest.mark.parametrize("kind", ["diag", "spherical"])
def test_diagonal_problems_need_no_matrices(solver, kind):
    rng = np.random.default_rng(3)
    pair = [random_mixture(rng, size, 3) for size in (5, 4)]
    full = [m._replace(covariances=constrain(m.covariances, m[0], kind)) for m in pair]
    thin = [m._replace(covariances=compact(m.covariances, "diag")) for m in full]
    expected = flow(*full, solver=solver)
    for problem in (full, thin):
        found = flow(*problem, solver=solver, covariance_type=kind)
        size = min(len(found.losses), len(expected.losses))
        # Rounding is relative to the first loss.
        np.testing.assert_allclose(
            found.losses[:size], expected.losses[:size], atol=1e-15
        )
        np.testing.assert_allclose(found.losses[-1], expected.losses[-1], atol=1e-12)
        np.testing.assert_allclose(found.means[-1], expected.means[-1], atol=1e-9)
    np.testing.assert_allclose(
        compact(expected.covariances[-1], kind), found.covariances[-1], atol=1e-6
    )


def test_tied_covariances_rest_at_the_barycentre():
    # Standard deviations average in one dimension, whatever the plan is.
    target = Mixture(
        np.array([0.25, 0.75]), np.array([[0.0], [4.0]]), np.array([[[1.0]], [[9.0]]])
    )
    rng = np.random.default_rng(4)
    found = flow(random_mixture(rng, 2, 1), target, covariance_type="tied")
    np.testing.assert_allclose(found.covariances[-1], 2.5**2, rtol=1e-6)


@pytest.mark.parametrize("kind", ["full", "diag"])
@pytest.mark.parametrize("options", [{}, {"learning_rate": 0.01, "max_iter": 5}])
def test_tensors_on_a_device_follow_the_same_path(kind, options):
    rng = np.random.default_rng(5)
    pair = [random_mixture(rng, size, 3) for size in (6, 5)]
    if kind == "diag":
        pair = [m._replace(covariances=compact(m.covariances, kind)) for m in pair]
    plain, found = (
        flow(*pair, covariance_type=kind, device=device, **options)
        for device in (None, torch.device("cpu"))
    )
    assert all(isinstance(x, np.ndarray) for x in found[:5])
    np.testing.assert_allclose(found.losses, plain.losses, atol=1e-9)
    np.testing.assert_allclose(found.covariances, plain.covariances, atol=1e-9)


def hostile_mixtures():
    rng = np.random.default_rng(7)
    plain = random_mixture(rng, 4, 3)
    direction = rng.normal(size=(4, 3, 1))
    weights = np.array([0.0, 0.5, 0.5, 0.0])
    twice = [0, 0, 1, 1]
    return {
        "rank 1": plain._replace(covariances=direction @ direction.swapaxes(1, 2)),
        "points": plain._replace(covariances=np.zeros((4, 3, 3))),
        "massless": plain._replace(weights=weights),
        "far apart": plain._replace(means=plain.means + 1e8 * np.eye(4, 3)),
        "repeated": Mixture(np.full(4, 0.25), *(x[twice] for x in plain[1:])),
        "a line": random_mixture(rng, 4, 1),
        "100 features": random_mixture(rng, 3, 100),
    }


@pytest.mark.parametrize("solver", ["pgd", "bures"])
@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("name", hostile_mixtures())
def test_hostile_mixtures(name, kind, solver):
    hostile = hostile_mixtures()[name]
    other = random_mixture(np.random.default_rng(8), 5, hostile.means.shape[1])
    for initial, target in ((hostile, other), (other, hostile), (hostile, hostile)):
        found = flow(initial, target, covariance_type=kind, solver=solver, max_iter=30)
        assert all(np.isfinite(x).all() for x in found[:5])
        assert found.losses[-1] <= found.losses[0]
        floor = make_floor(*drop_zeros(initial, target, kind), 1e-6, kind)
        lowest = floor.level * floor.reference
        lowest = np.diag(lowest) if lowest.ndim == 1 else lowest
        last = stacks(found, kind)[-1]
        rounding = 1e-14 * abs(last).max()
        assert np.linalg.eigvalsh(last - lowest).min() >= -rounding


@pytest.mark.parametrize(
    ("unit", "learning_rate"),
    [(2.0**-340, "auto"), (1.0, "auto"), (2.0**340, "auto"), (1.0, 0.01)],
)
def test_a_watch_is_told_of_every_step_in_the_unit_of_the_data(unit, learning_rate):
    rng = np.random.default_rng(9)
    pair = [in_unit(random_mixture(rng, size, 2), 1 / unit) for size in (4, 3)]
    options = Settings(learning_rate=learning_rate, max_iter=6)
    watch = Watching()
    found = flow_mixture(*pair, options, watch=watch)
    assert not found.stopped
    assert len(watch.told) == len(found.losses) - 1
    for step, flow in enumerate(watch.told, 1):
        np.testing.assert_array_equal(flow.losses, found.losses[: step + 1])
        np.testing.assert_array_equal(flow.means, found.means[: step + 1])
    plain = flow_mixture(*(in_unit(m, unit) for m in pair), options)
    np.testing.assert_allclose(found.losses / unit**2, plain.losses, rtol=1e-9)
    np.testing.assert_allclose(found.best.means / unit, plain.best.means, atol=1e-9)
    stopped = flow_mixture(*pair, options, watch=Watching(2))
    assert stopped.stopped
    np.testing.assert_array_equal(stopped.losses, found.losses[:3])


def test_each_target_of_several_is_carried_to():
    # The mean squared distance to single Gaussians, in one dimension.
    initial = Mixture(np.ones(1), np.array([[2.0]]), np.array([[[4.0]]]))
    target = Mixture(
        np.array([0.25, 0.75]), np.array([[0.0], [4.0]]), np.array([[[1.0]], [[9.0]]])
    )
    found = flow_mixture(initial, target, Settings(max_iter=50), sizes=[1, 1])
    assert found.losses[0] == pytest.approx(0.25 * (4 + 1) + 0.75 * (4 + 1))
    assert found.means[-1] == pytest.approx(3)
    assert found.losses[-1] == pytest.approx(3 / 16 * (4**2 + 2**2))


def test_a_rate_that_is_given_has_the_unit_of_the_data():
    rng = np.random.default_rng(10)
    pair = random_mixture(rng, 4, 2), random_mixture(rng, 3, 2)
    found = flow(*pair, learning_rate=0.01, max_iter=1)
    # Adam's first step has the length of the rate, which is twice that for means.
    np.testing.assert_allclose(abs(np.diff(found.means, axis=0)), 0.02, rtol=1e-5)


@pytest.mark.parametrize("which", [0, 1])
def test_one_mixture_may_be_in_an_extreme_unit(which):
    rng = np.random.default_rng(11)
    pair = [random_mixture(rng, 2, 2), random_mixture(rng, 3, 2)]
    pair[which] = in_unit(pair[which], 2.0**-340)
    found = flow(*pair, max_iter=100)
    assert np.isfinite(found.losses).all()
    # Seen from there, the other mixture is a point, but for the floor.
    weights, means, covariances = in_unit(pair[which], 2.0**340)
    moment = np.square(means).sum(axis=1) + np.einsum("nkk->n", covariances)
    assert found.losses[0] == pytest.approx(4.0**340 * (weights @ moment), rel=1e-2)
