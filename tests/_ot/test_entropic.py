import numpy as np
import ot
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist
from sklearn.datasets import load_breast_cancer

from skwot._ot import entropic
from skwot._ot.entropic import (
    _careful_step,
    _newton_step,
    _semi_dual,
    entropic_transport,
    self_transport,
    softmin,
    symmetric_scaling,
)
from tests.divergence import sinkhorn_divergence


def cloud(seed, n, m, metric="euclidean", n_features=2):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, n_features)), 0.5 + rng.normal(size=(m, n_features))
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    costs = cdist(x, y, metric), cdist(x, x, metric), cdist(y, y, metric)
    return [torch.from_numpy(array) for array in (a, b, *costs)]


def plan_of(a, b, cost, eps, found):
    return a[:, None] * b * torch.exp((found.f[:, None] + found.g - cost) / eps)


@pytest.mark.parametrize("eps", [10.0, 1.0, 0.1, 0.01, 0.002])
@pytest.mark.parametrize(("n", "m"), [(12, 30), (30, 12), (1, 5), (5, 1)])
def test_plan_has_the_marginals(n, m, eps):
    a, b, cost, _, _ = cloud(0, n, m)
    found = entropic_transport(a, b, cost, eps)
    plan = plan_of(a, b, cost, eps, found)
    assert_allclose(plan.sum(dim=1), a, rtol=1e-12)
    assert abs(plan.sum(dim=0) - b).sum() <= 1e-12
    assert found.error <= 1e-12


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_potentials_are_in_the_units_of_the_cost(scale):
    a, b, cost, cost_aa, cost_bb = cloud(1, 15, 20)
    one = sinkhorn_divergence(a, b, cost, cost_aa, cost_bb, 0.1)
    other = sinkhorn_divergence(
        a, b, scale * cost, scale * cost_aa, scale * cost_bb, 0.1 * scale
    )
    assert_allclose(other, scale * one, rtol=1e-9)


@pytest.mark.parametrize(("n", "m"), [(20, 15), (15, 20)])
@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_start_does_not_matter(n, m, scale):
    a, b, cost, _, _ = cloud(2, n, m)
    cold = entropic_transport(a, b, cost, 0.05)
    start = torch.from_numpy(scale * np.random.default_rng(0).normal(size=m))
    warm = entropic_transport(a, b, cost, 0.05, start)
    assert warm.error <= 1e-12
    assert_allclose(warm.f + warm.g[0], cold.f + cold.g[0], atol=1e-11)


@pytest.mark.parametrize(("n", "m"), [(20, 15), (15, 20)])
def test_a_solved_start_needs_few_steps(monkeypatch, n, m):
    a, b, cost, _, _ = cloud(2, n, m)
    cold = entropic_transport(a, b, cost, 0.05)
    steps = []

    def counted(*arguments):
        steps.append(arguments)
        return _newton_step(*arguments)

    monkeypatch.setattr(entropic, "_newton_step", counted)
    warm = entropic_transport(a, b, cost, 0.05, cold.g + 1e-4 * torch.arange(m))
    assert warm.error <= 1e-12
    assert len(steps) <= 4


@pytest.mark.parametrize(("n", "m", "eps"), [(50, 60, 1e-4), (60, 50, 1e-4)])
def test_rounding_ends_the_iteration_at_low_temperature(monkeypatch, n, m, eps):
    monkeypatch.setattr(entropic, "_MAX_ITER", 80)
    a, b, cost, _, _ = cloud(0, n, m)
    for start in (None, entropic_transport(a, b, cost, eps).g):
        found = entropic_transport(a, b, cost, eps, start)
        # Potentials over the temperature are up to 1e5, known to 1e-16 of that.
        assert found.error <= 1e-11


def light_atoms(seed):
    """Clusters with nearly massless atoms, between which a plan falls into blocks."""
    rng = np.random.default_rng(seed)
    n, m = 15, 29
    x, y = rng.normal(size=(n, 2)), rng.normal(size=(m, 2))
    x[: n // 2] += 10
    y[: m // 3] += 10
    a, b = rng.dirichlet(np.full(n, 0.2)), rng.dirichlet(np.full(m, 0.2))
    a, b = (masses + 1e-12 for masses in (a, b))
    start = 1e3 * rng.normal(size=m)
    arrays = a / a.sum(), b / b.sum(), cdist(x, y), start
    return [torch.from_numpy(array) for array in arrays]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("eps", [1.0, 0.03])
def test_light_atoms_and_a_far_start(seed, eps):
    a, b, cost, start = light_atoms(seed)
    for one in (None, start):
        assert entropic_transport(a, b, cost, eps, one).error <= 1e-11


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("excess", [1e-2, 1e-5, 1e-8, 1e-11])
def test_mass_moves_between_far_clusters(monkeypatch, seed, excess):
    # Newton's step towards the little mass that has to move is far too long, and
    # Sinkhorn's iteration would take 1e9 steps.
    monkeypatch.setattr(entropic, "_MAX_ITER", 100)
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(18, 2)) + np.repeat([[0, 0], [1e3, 0], [2e3, 0]], 6, 0)
    a = rng.uniform(0.5, 1.5, 18)
    moved = np.repeat(1 + excess * rng.normal(size=3), 6)
    a, b = (torch.from_numpy(m / m.sum()) for m in (a, a * moved))
    cost = torch.from_numpy(cdist(points, points))
    found = entropic_transport(a, b, cost, 46.0)
    assert found.error <= 1e-11
    assert_allclose(plan_of(a, b, cost, 46.0, found).sum(dim=0), b, rtol=1e-9)


def dual_at(seed, distance):
    a, b, cost, _, _ = cloud(seed, 12, 9)
    g = entropic_transport(a, b, cost, 0.1).g
    off = torch.from_numpy(np.random.default_rng(seed).normal(size=9))
    return a, b, cost, 0.1, _semi_dual(a, b, cost, 0.1, g + distance * off)


def span(step):
    return float(step.max() - step.min())


@pytest.mark.parametrize("seed", range(3))
def test_a_newton_step_that_holds_is_taken_whole(seed):
    *problem, eps, now = dual_at(seed, 1e-3)
    step = _newton_step(*problem[:2], now, eps)
    trial = _careful_step(*problem, eps, now, step, span(step) / eps)
    assert_allclose(trial.g, now.g + step, rtol=1e-14)
    # Newton's method squares the error.
    assert trial.error <= now.error / 20


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("factor", [3.0, 30.0, 300.0])
def test_a_step_that_is_too_long_is_cut_to_where_it_rises(seed, factor):
    *problem, eps, now = dual_at(seed, 0.1)
    step = factor * _newton_step(*problem[:2], now, eps)
    trial = _careful_step(*problem, eps, now, step, span(step) / eps)
    moved, gradient = trial.g - now.g, problem[1] - now.marginal
    # Armijo's condition, with any of the constants that are in use.
    assert trial.value >= now.value + 0.1 * float(gradient @ moved)
    assert span(moved) <= 4.5 * eps or span(moved) <= span(step) / 2 * (1 + 1e-9)


@pytest.mark.parametrize("bad", ["not a number", "downhill"])
@pytest.mark.parametrize("seed", range(3))
def test_without_a_newton_step_there_is_sinkhorns(seed, bad):
    a, b, cost, eps, now = dual_at(seed, 0.1)
    step = torch.full_like(b, torch.nan) if bad != "downhill" else now.marginal - b
    trial = _careful_step(a, b, cost, eps, now, step, span(step) / eps)
    # Sinkhorn's update of g is the softmin of the f that belongs to the old one.
    f = softmin(cost, b.log() + now.g / eps, eps)
    assert_allclose(trial.g, softmin(cost.T, a.log() + f / eps, eps), rtol=1e-10)
    assert trial.value > now.value


def test_a_system_that_is_not_definite_gives_no_step():
    a, b, _, eps, now = dual_at(0, 0.1)
    # No plan of these marginals has rows that sum to three.
    step = _newton_step(a, b, now._replace(plan=3 * now.plan), eps)
    assert step.shape == b.shape
    assert step.isnan().all()


@pytest.mark.parametrize("diagonal", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("eps", [1.0, 0.01])
def test_scaling_has_the_marginals(monkeypatch, eps, diagonal):
    a, _, _, cost, _ = cloud(12, 20, 5)
    kernel = diagonal * torch.exp(-cost / eps)
    found = symmetric_scaling(a, kernel)
    assert_allclose(found.mu * (kernel @ found.mu), a, atol=1e-13)
    assert_allclose(found.k_mu, kernel @ found.mu, rtol=1e-12)
    assert found.error <= 1e-13
    # A start that is the solution needs no step.
    monkeypatch.setattr(entropic, "_MAX_ITER", 1)
    again = symmetric_scaling(a, kernel, found.k_mu)
    assert again.error <= 1.1e-13
    assert_allclose(again.mu, found.mu, rtol=1e-10)


def test_a_start_of_the_scaling_does_not_matter():
    a, _, _, cost, _ = cloud(13, 20, 5)
    a = torch.where(torch.arange(20) % 4 == 0, 0.0, a)
    a = a / a.sum()
    kernel = torch.exp(-cost / 0.1)
    cold = symmetric_scaling(a, kernel)
    for start in (torch.zeros(20), torch.ones(20), torch.full((20,), 1e-8)):
        warm = symmetric_scaling(a, kernel, start.double())
        assert_allclose(warm.mu, cold.mu, atol=1e-12)
    value = self_transport(a, cold, 0.1)
    kept = a > 0
    part = symmetric_scaling(a[kept], kernel[kept][:, kept])
    assert_allclose(value, self_transport(a[kept], part, 0.1), rtol=1e-12)


@pytest.mark.parametrize("eps", [1.0, 0.1, 0.01])
def test_steps_of_two_thirds_leave_a_third_of_the_error(monkeypatch, eps):
    a, _, _, cost, _ = cloud(14, 30, 5)
    # Of errors below two, 1e-13 is left after log(2e13) / log(3) = 28 steps, while
    # half steps would leave half of each and need 44.
    monkeypatch.setattr(entropic, "_MAX_ITER", 34)
    assert symmetric_scaling(a, torch.exp(-cost / eps)).error <= 1e-13


@pytest.mark.parametrize(("n", "m"), [(25, 10), (10, 25)])
def test_potential_goes_on_where_there_is_no_mass(n, m):
    a, b, cost, cost_aa, _ = cloud(3, n, m)
    empty = torch.arange(n) % 3 == 0
    a = torch.where(empty, 0.0, a)
    a = a / a.sum()
    found = entropic_transport(a, b, cost, 0.05)
    reduced = entropic_transport(a[~empty], b, cost[~empty], 0.05)
    assert_allclose(a @ found.f + b @ found.g, a[~empty] @ reduced.f + b @ reduced.g)
    assert_allclose(found.f, softmin(cost, b.log() + found.g / 0.05, 0.05), rtol=1e-12)
    scaling = symmetric_scaling(a, torch.exp(-cost_aa / 0.05))
    assert (scaling.mu[empty] == 0).all()
    assert_allclose(
        -0.05 * scaling.k_mu.log(), softmin(cost_aa, scaling.mu.log(), 0.05), rtol=1e-9
    )


@pytest.mark.parametrize("eps", [5.0, 0.5, 0.2])
def test_value_is_pots(eps):
    # POT's sinkhorn2 gives <c, P>; with KL(P | a b^T) it is the dual's value.
    a, b, cost, cost_aa, _ = cloud(4, 12, 15)
    for first, second, matrix in ((a, b, cost), (a, a, cost_aa)):
        plan = ot.sinkhorn(
            first.numpy(),
            second.numpy(),
            matrix.numpy(),
            eps,
            method="sinkhorn_log",
            numItermax=20_000,
            stopThr=1e-12,
        )
        relative = plan / np.outer(first, second)
        value = (plan * matrix.numpy()).sum() + eps * (plan * np.log(relative)).sum()
        found = entropic_transport(first, second, matrix, eps)
        assert_allclose(first @ found.f + second @ found.g, value, rtol=1e-9)
        assert_allclose(plan_of(first, second, matrix, eps, found), plan, atol=1e-11)
    scaling = symmetric_scaling(a, torch.exp(-cost_aa / eps))
    assert_allclose(self_transport(a, scaling, eps), value, rtol=1e-9)


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cityblock"])
def test_divergence_of_a_measure_from_itself_is_zero(metric):
    a, _, _, cost, _ = cloud(5, 20, 5, metric)
    assert_allclose(sinkhorn_divergence(a, a, cost, cost, cost, 0.1), 0, atol=1e-13)


@pytest.mark.parametrize("eps", [3.0, 0.3, 0.03])
def test_divergence_is_positive_and_symmetric(eps):
    a, b, cost, cost_aa, cost_bb = cloud(6, 20, 12)
    value = sinkhorn_divergence(a, b, cost, cost_aa, cost_bb, eps)
    back = sinkhorn_divergence(b, a, cost.T.contiguous(), cost_bb, cost_aa, eps)
    assert value > 0
    assert_allclose(value, back, rtol=1e-11)


def test_low_temperature_is_exact_transport():
    a, b, cost, cost_aa, cost_bb = cloud(7, 12, 12)
    exact = ot.emd2(a.numpy(), b.numpy(), cost.numpy())
    values = [
        sinkhorn_divergence(a, b, cost, cost_aa, cost_bb, eps).item()
        for eps in (1e-1, 1e-2, 1e-3)
    ]
    errors = abs(np.array(values) - exact)
    assert (np.diff(errors) < 0).all()
    # The entropy of a plan is at most that of its marginals.
    assert errors[-1] <= 1e-3 * np.log(12)


def test_high_temperature_is_half_the_energy_distance():
    a, b, cost, cost_aa, cost_bb = cloud(8, 12, 15)
    half_energy = a @ cost @ b - a @ cost_aa @ a / 2 - b @ cost_bb @ b / 2
    value = sinkhorn_divergence(a, b, cost, cost_aa, cost_bb, 1e5)
    # The rest falls as one over the temperature.
    assert_allclose(value, half_energy, rtol=2e-5)


def test_shifted_measure_under_the_squared_distance():
    # Both plans cost the same but for the shift: the debiased form is exact.
    rng = np.random.default_rng(9)
    points, a = rng.normal(size=(15, 2)), torch.from_numpy(rng.dirichlet(np.ones(15)))
    shift = np.array([0.3, -1.1])
    moved = torch.from_numpy(cdist(points, points + shift, "sqeuclidean"))
    own = torch.from_numpy(cdist(points, points, "sqeuclidean"))
    value = sinkhorn_divergence(a, a, moved, own, own, 0.2)
    assert_allclose(value, shift @ shift, rtol=1e-10)


def test_gradient_of_masses():
    _, _, cost, cost_aa, cost_bb = cloud(10, 6, 5)
    rng = np.random.default_rng(10)
    logits = [torch.from_numpy(rng.normal(size=n)).requires_grad_() for n in cost.shape]

    def divergence(x, y):
        a, b = torch.softmax(x, 0), torch.softmax(y, 0)
        return sinkhorn_divergence(a, b, cost, cost_aa, cost_bb, 0.3)

    assert torch.autograd.gradcheck(divergence, logits)


def test_gradient_of_points():
    a, b, _, _, _ = cloud(11, 6, 5)
    rng = np.random.default_rng(11)
    clouds = [
        torch.from_numpy(rng.normal(size=(len(masses), 2))).requires_grad_()
        for masses in (a, b)
    ]

    def squared(x, y):
        return ((x[:, None] - y) ** 2).sum(dim=2)

    def divergence(x, y):
        return sinkhorn_divergence(
            a, b, squared(x, y), squared(x, x), squared(y, y), 0.3
        )

    assert torch.autograd.gradcheck(divergence, clouds)


@pytest.mark.parametrize("seed", [5, 7, 11])
def test_far_atoms_are_not_given_up(seed):
    # Here a whole Newton step drives the marginal of an outlier to zero, which lowers
    # the error of all others together, and no later step brings it back.
    points, labels = load_breast_cancer(return_X_y=True)
    points = (points - points.mean(axis=0)) / points.std(axis=0)
    order = np.random.default_rng(seed).permutation(len(points))
    source, rest = order[:284], order[284:]
    target = np.append(rest[labels[rest] == 0][:100], rest[labels[rest] == 1][:20])
    shares = np.array([0.95, 0.05]) / np.bincount(labels[source])
    a = torch.from_numpy(shares[labels[source]])
    b = torch.full((len(target),), 1 / len(target), dtype=torch.float64)
    cost = torch.from_numpy(cdist(points[source], points[target]))
    assert entropic_transport(a, b, cost, 0.05 * float(cost.mean())).error <= 1e-12
