import numpy as np
import pytest
import torch
from hypothesis import given, settings
from numpy.testing import assert_allclose

from skwot._ot import entropic
from skwot._ot.ground_costs import ground_cost
from skwot._ot.measures import (
    Measure,
    SourceMeasures,
    canonical_measure,
    stack_measures,
)
from skwot._unmixing.bootstrap import RowCounts, resample
from skwot._unmixing.losses.divergence import DivergenceLoss
from skwot._unmixing.losses.exact import ExactLoss
from skwot._unmixing.problem import Problem, Unmixing
from skwot._unmixing.solvers.bundle import solve_bundle
from tests._unmixing.checks import (
    check_gradient,
    check_planes_below,
    without_some_atoms,
)
from tests.divergence import sinkhorn_divergence
from tests.generators.measures import (
    UnmixingCase,
    overlapping_sources,
    reweighted_sources,
    rule,
    weighted_sample,
)


def objective_of(case, metric="euclidean", reg=0.05):
    return DivergenceLoss(case.problem(metric), reg)


def divergence_at(case, weights, metric, reg):
    """The divergence of one pair of measures, by the differentiable function."""
    sources, target = case.measures
    a = torch.as_tensor(sources.masses @ weights)
    costs = [
        ground_cost(x, y, metric)
        for x, y in (
            (sources.points, target.points),
            (sources.points, sources.points),
            (target.points, target.points),
        )
    ]
    eps = reg * costs[0].mean()
    return sinkhorn_divergence(
        a / a.sum(),
        torch.from_numpy(target.masses),
        *[torch.from_numpy(cost) for cost in costs],
        eps,
    ).item()


@settings(deadline=None)
@given(reweighted_sources())
def test_mixture_of_the_sources_is_recovered(case):
    objective = objective_of(case)
    found = solve_bundle(objective, rule(500, 1e-4))
    assert found.converged
    assert 0 <= found.value <= 1e-11
    assert_allclose(found.weights, case.weights, atol=1e-6)


@pytest.mark.parametrize("seed", [3, 885, 913, 1444, 1590])
def test_the_last_digits_of_a_mixture(seed):
    # Steps of more than a temperature were not made at the end.
    rng = np.random.default_rng(seed)
    sources = [weighted_sample(rng, 3, 3, 0), weighted_sample(rng, 2, 3, 2)]
    weights = rng.dirichlet(np.ones(2))
    masses = [
        weight * mass / mass.sum()
        for weight, (_, mass) in zip(weights, sources, strict=True)
    ]
    target = np.concatenate([points for points, _ in sources]), np.concatenate(masses)
    found = solve_bundle(
        objective_of(UnmixingCase(sources, target, weights, 0.0)), rule(500, 1e-4)
    )
    assert 0 <= found.value <= 1e-12


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cityblock"])
@pytest.mark.parametrize("reg", [0.005, 0.05, 1.0])
def test_value_is_the_divergence(metric, reg):
    case = overlapping_sources(1, n_sources=4)
    objective = objective_of(case, metric, reg)
    for weights in np.random.default_rng(0).dirichlet(np.ones(4), size=5):
        value = objective.unit * objective(weights).value
        assert_allclose(value, divergence_at(case, weights, metric, reg), rtol=1e-9)


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "chebyshev"])
@pytest.mark.parametrize("reg", [0.005, 0.05, 0.5])
@pytest.mark.parametrize("seed", range(4))
def test_every_plane_is_below_the_objective_and_touches_it(seed, reg, metric):
    objective = objective_of(overlapping_sources(seed, n_sources=4), metric, reg)
    rng = np.random.default_rng(0)
    points = [*rng.dirichlet(np.ones(4), size=12), *np.eye(4)]
    evaluations = [objective(w) for w in points]
    for one in evaluations:
        touching = one.plane.slope @ one.weights + one.plane.offset
        assert_allclose(touching, one.value, atol=1e-12)
        for other in evaluations:
            plane = one.plane.slope @ other.weights + one.plane.offset
            assert plane <= other.value + 1e-12


def test_any_potentials_bound_the_objective():
    objective = objective_of(overlapping_sources(4, n_sources=4))
    rng = np.random.default_rng(0)
    masses, target, _ = objective.marginals
    m, n = len(target), masses.shape[0]
    free = objective.free_planes()[0]
    record = np.concatenate([rng.normal(size=m), rng.random(n + m)])
    alpha, beta = objective.potentials([free._replace(record=record)], np.ones(1))
    slope, offset = masses.T @ alpha, target @ beta
    for weights in rng.dirichlet(np.ones(4), size=10):
        assert slope @ weights + offset <= objective(weights).value


def test_free_plane_is_zero():
    objective = objective_of(overlapping_sources(5, n_sources=4))
    for plane in objective.free_planes():
        assert_allclose(plane.slope, 0, atol=1e-12)
        assert_allclose(plane.offset, 0, atol=1e-12)


@pytest.mark.parametrize("reg", [0.01, 0.05, 0.5])
@pytest.mark.parametrize("seed", range(6))
def test_combined_potentials_certify(seed, reg):
    objective = objective_of(overlapping_sources(seed), reg=reg)
    found = solve_bundle(objective, rule(500, 1e-6))
    assert found.converged
    assert found.relative_gap <= 1e-6
    marginals = objective.marginals
    bound = marginals.bound(found.alpha, found.beta)
    assert_allclose(bound, found.lower_bound, rtol=1e-9)
    rng = np.random.default_rng(seed)
    for weights in rng.dirichlet(np.ones(marginals.n_weights), size=10):
        assert objective.unit * objective(weights).value >= found.lower_bound


def test_slope_is_the_finite_difference():
    objective = objective_of(overlapping_sources(5, n_sources=3))
    weights = np.array([0.31, 0.28, 0.41])
    slope = objective(weights).plane.slope
    direction = np.array([1.0, -2.0, 1.0])
    step = 1e-5
    change = (
        objective(weights + step * direction).value
        - objective(weights - step * direction).value
    )
    assert_allclose(slope @ direction, change / (2 * step), rtol=1e-6)


def test_low_temperature_is_the_exact_objective():
    case = overlapping_sources(2, n_sources=3)
    exact = ExactLoss(case.problem())
    weights = np.array([0.2, 0.5, 0.3])
    smooth = [objective_of(case, reg=reg) for reg in (0.1, 0.01, 0.001)]
    expected = exact.unit * exact(weights).value / smooth[0].unit
    errors = [abs(objective(weights).value - expected) for objective in smooth]
    assert (np.diff(errors) < 0).all()
    assert errors[-1] < 1e-3


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_units_do_not_matter(scale):
    case = overlapping_sources(3, n_sources=4)
    scaled = case._replace(
        sources=[(scale * points, masses) for points, masses in case.sources],
        target=(scale * case.target[0], case.target[1]),
    )
    one, other = objective_of(case), objective_of(scaled)
    assert_allclose(other.unit, scale * one.unit)
    assert other.eps == one.eps
    first, second = (solve_bundle(o, rule(200, 1e-10)) for o in (one, other))
    assert_allclose(second.value, scale * first.value, rtol=1e-10)
    # The divergence is flat at its minimum: weights are known to the gap's root.
    assert_allclose(second.weights, first.weights, atol=1e-5)


def test_far_source_without_weight_keeps_a_finite_slope():
    points = np.array([[0.0], [1.0]])
    near, far = canonical_measure(points), canonical_measure(points + 1e5)
    target = canonical_measure(points + 0.5)
    problem = Problem(stack_measures([near, far]), target, "euclidean")
    objective = DivergenceLoss(problem, 1e-4)
    plane = objective(np.array([1.0, 0.0])).plane
    assert np.isfinite(plane.slope).all()
    found = solve_bundle(objective, rule(50, 1e-4))
    assert_allclose(found.weights, [1, 0], atol=1e-6)


def test_one_point():
    point = canonical_measure(np.zeros((3, 2)))
    objective = DivergenceLoss(
        Problem(stack_measures([point]), point, "euclidean"), 0.05
    )
    assert_allclose(objective(np.ones(1)).value, 0, atol=1e-14)


def test_metric_without_a_positive_definite_kernel_is_refused():
    points = np.random.default_rng(0).random((500, 5))
    half = canonical_measure(points[:250]), canonical_measure(points[250:])
    with pytest.raises(ValueError, match="positive semidefinite"):
        DivergenceLoss(Problem(stack_measures(half[:1]), half[1], "chebyshev"), 1.0)


def test_asymmetric_metric_is_refused():
    def uphill(x, y):
        return max(0.0, y[0] - x[0])

    measure = canonical_measure(np.arange(4.0)[:, None])
    with pytest.raises(ValueError, match="symmetric"):
        DivergenceLoss(Problem(stack_measures([measure]), measure, uphill), 0.05)


def test_gradient_is_that_of_the_value():
    check_gradient(objective_of(overlapping_sources(5, n_sources=3)))


def test_a_temperature_takes_the_place_of_the_fraction():
    problem = overlapping_sources(6).problem()
    one = DivergenceLoss(problem, 0.05)
    other = DivergenceLoss(problem, 1.0, temperature=0.05 * one.unit)
    assert_allclose(other.eps, one.eps)


def test_surcharges_are_in_the_value_and_in_the_planes():
    case, surcharges = overlapping_sources(7, n_sources=3), np.array([0.5, 0.0, 0.2])
    plain = DivergenceLoss(case.problem(), 0.05)
    charged = DivergenceLoss(case.problem(surcharges=surcharges), 0.05)
    weights = np.array([0.2, 0.5, 0.3])
    one, other = plain(weights), charged(weights)
    added = surcharges / plain.unit
    assert_allclose(other.value, one.value + added @ weights)
    assert_allclose(other.plane.slope, one.plane.slope + added)
    assert_allclose(charged.free_planes()[0].slope, added, atol=1e-12)


def test_planes_of_a_sample_are_planes_of_a_replicate():
    objective = objective_of(overlapping_sources(1, n_sources=3))
    points = np.random.default_rng(1).dirichlet(np.ones(3), size=4)
    planes = [objective(weights).plane for weights in points]
    rows = RowCounts(np.array([30, 40, 50]), 60)
    drawn = resample(objective.marginals, rows, np.random.default_rng(0)).marginals
    replicate = objective.reweighted(drawn, planes, points[0])
    check_planes_below(replicate.free_planes(), replicate)


def check_alone(objective, replicate, case, drawn, weights):
    """Check that a replicate is the problem of its masses, at the same temperature."""
    sources, target = case.measures
    kept, held = drawn.masses.sum(axis=1) > 0, drawn.target > 0
    alone = Problem(
        SourceMeasures(sources.points[kept], drawn.masses[kept]),
        Measure(target.points[held], drawn.target[held]),
        "euclidean",
    )
    eps = objective.unit * objective.eps
    expected = DivergenceLoss(alone, 0.05, temperature=eps)
    assert_allclose(
        objective.unit * replicate(weights).value,
        expected.unit * expected(weights).value,
        rtol=1e-9,
    )


def test_a_replicate_is_the_problem_of_its_masses():
    case = overlapping_sources(2, n_sources=3)
    objective = objective_of(case)
    rows = RowCounts(np.array([30, 40, 50]), 60)
    drawn = resample(objective.marginals, rows, np.random.default_rng(0)).marginals
    replicate = objective.reweighted(drawn, [], np.full(3, 1 / 3))
    check_alone(objective, replicate, case, drawn, np.array([0.2, 0.5, 0.3]))


@pytest.mark.parametrize("weights", [[0.2, 0.5, 0.3], [0.7, 0.3, 0.0]])
def test_the_completed_potential_is_that_of_the_entropic_plan(weights):
    case, weights = overlapping_sources(8, n_sources=3), np.array(weights)
    objective = objective_of(case)
    found = Unmixing(weights, 0.0, 0.0, *np.zeros((3, 1)), converged=True)
    completed = objective.complete(found)
    sources, target = case.measures
    cost = ground_cost(sources.points, target.points, "euclidean")
    eps = completed.temperature
    assert_allclose(eps, 0.05 * cost.mean())
    a = sources.masses @ weights
    plan = a[:, None] * np.exp((completed.plan_alpha[:, None] - cost) / eps)
    plan *= target.masses / plan.sum(axis=0)
    assert_allclose(plan.sum(axis=1), a, atol=1e-9)
    assert completed.weights is weights


def test_atoms_that_were_not_drawn_are_left_out():
    case = overlapping_sources(9, n_sources=3)
    objective = objective_of(case)
    drawn = without_some_atoms(objective.marginals)
    start = np.array([0.2, 0.5, 0.3])
    planes = [
        objective(weights).plane for weights in (start, np.array([0.6, 0.1, 0.3]))
    ]
    replicate = objective.reweighted(drawn, planes, start)
    assert_allclose(replicate.initial_weights(), start)
    free = replicate.free_planes()
    assert len(free) == 2
    check_planes_below(free, replicate)
    # Their records have the atoms' order: they give the potentials of the planes back.
    for plane in free:
        alpha, beta = replicate.potentials([plane], np.ones(1))
        assert_allclose(replicate.marginals.slope(alpha), plane.slope, atol=1e-12)
        assert_allclose(replicate.marginals.target @ beta, plane.offset, atol=1e-12)
    check_alone(objective, replicate, case, drawn, start)


def test_descent_starts_at_the_nearest_atoms():
    case = overlapping_sources(3, n_sources=4)
    start = objective_of(case).initial_weights()
    assert_allclose(start, ExactLoss(case.problem()).initial_weights())


def test_no_evaluation_depends_on_those_before():
    case = overlapping_sources(4, n_sources=4)
    used, weights = objective_of(case), np.array([0.1, 0.2, 0.3, 0.4])
    for corner in np.eye(4):
        used(corner)
    one, other = used(weights), objective_of(case)(weights)
    assert_allclose(one.value, other.value, rtol=1e-9)
    # Potentials are determined up to a constant.
    corners = one.plane.slope + one.plane.offset
    assert_allclose(corners, other.plane.slope + other.plane.offset, atol=1e-9)


def test_records_give_the_planes_back():
    objective = objective_of(overlapping_sources(5, n_sources=3), reg=0.2)
    for weights in np.eye(3):
        plane = objective(weights).plane
        alpha, beta = objective.potentials([plane], np.ones(1))
        # Completing the potential can only raise the plane where it is low.
        slope = objective.marginals.slope(alpha)
        offset = objective.marginals.target @ beta
        assert_allclose(slope @ weights + offset, plane.slope @ weights + plane.offset)


def test_the_largest_asymmetry_that_is_rounding():
    points = np.arange(4.0)[:, None]

    def uneven(size):
        return lambda x, y: abs(x[0] - y[0]) * (1 + size * (y[0] > x[0]))

    one = canonical_measure(points)
    DivergenceLoss(Problem(stack_measures([one]), one, uneven(1e-12)), 0.05)
    with pytest.raises(ValueError, match="symmetric"):
        DivergenceLoss(Problem(stack_measures([one]), one, uneven(1e-8)), 0.05)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_what_a_scaling_of_mu_costs_a_plane(factor):
    objective = objective_of(overlapping_sources(6, n_sources=3))
    weights, m = np.array([0.2, 0.5, 0.3]), len(objective.marginals.target)
    plane = objective(weights).plane
    record = plane.record.copy()
    record[m:] *= factor
    alpha, beta = objective.potentials([plane._replace(record=record)], np.ones(1))
    value = objective.marginals.slope(alpha) @ weights
    value += objective.marginals.target @ beta
    # eps log K mu and eps (1 - mu K mu) / 2, where mu K mu is one for the solved mu.
    lost = objective.eps * (np.log(factor) + (1 - factor**2) / 2)
    touching = plane.slope @ weights + plane.offset
    assert_allclose(value - touching, lost, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_planes_of_the_same_masses_still_touch_the_loss(seed):
    objective = objective_of(overlapping_sources(seed, n_sources=3))
    points = np.random.default_rng(0).dirichlet(np.ones(3), size=4)
    found = [objective(weights) for weights in points]
    planes = [one.plane for one in found]
    replicate = objective.reweighted(objective.marginals, planes, points[0])
    for one, plane in zip(found, replicate.free_planes(), strict=True):
        assert_allclose(
            plane.slope @ one.weights + plane.offset, one.value, rtol=1e-9, atol=1e-12
        )


@pytest.mark.parametrize("n_steps", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_what_ends_early_is_valued_from_above(monkeypatch, seed, n_steps):
    objective = objective_of(overlapping_sources(seed, n_sources=3))
    weights = np.random.default_rng(seed).dirichlet(np.ones(3))
    masses = objective._tensor(objective.marginals.masses @ weights)
    solved = objective._solve_transport(masses)
    exact = objective._transport_above(masses, solved)
    monkeypatch.setattr(entropic, "_MAX_ITER", n_steps)
    early = objective._solve_transport(masses)
    above = objective._transport_above(masses, early)
    dual = float(masses @ early.f + objective._b @ early.g)
    assert dual <= exact + 1e-12
    assert above >= exact - 1e-12
    # The way to the solution is no longer than what is assumed of it.
    way = early.g - solved.g
    assert early.error * float(way.max() - way.min()) / 2 <= above - dual + 1e-12
    # Half the error is what has to move, and it moves no further than this.
    reach = float(early.g.max() - early.g.min() + objective._cost.max())
    assert_allclose(above - dual, early.error * reach / 2, atol=1e-12)
