import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.spatial.distance import cdist

from skwot._ot.measures import canonical_measure, stack_measures
from skwot._ot.transport import solve_transport
from skwot._unmixing.bootstrap import RowCounts, resample
from skwot._unmixing.losses import line
from skwot._unmixing.losses.exact import ExactLoss
from skwot._unmixing.losses.line import LineLoss, sorts
from skwot._unmixing.problem import Problem
from skwot._unmixing.solvers.bundle import solve_bundle
from tests._unmixing.checks import check_gradient, check_planes_below
from tests.exact import solve_dense_lp
from tests.generators.measures import gaussians, measure, rule

METRICS = ["euclidean", "sqeuclidean"]


def random_line(seed, n_sources=3, size=8, metric="euclidean"):
    """Sources and target on a coarse grid, so that points coincide."""
    rng = np.random.default_rng(seed)
    measures = [
        canonical_measure(
            np.round(rng.normal(k, 2, size=(size, 1)), 1), rng.uniform(0.1, 2, size)
        )
        for k in range(n_sources + 1)
    ]
    return Problem(stack_measures(measures[:-1]), measures[-1], metric)


@settings(deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 5),
    st.integers(1, 9),
    st.sampled_from(METRICS),
)
def test_values_and_planes_are_the_dense_ones(seed, n_sources, size, metric):
    problem = random_line(seed, n_sources, size, metric)
    dense, objective = ExactLoss(problem), LineLoss(problem)
    cost = cdist(problem.sources.points, problem.target.points, metric)
    assert_allclose(objective.unit, cost.mean() or 1, rtol=1e-10, atol=1e-14)
    weights = np.random.default_rng(seed).dirichlet(np.ones(n_sources))
    one, other = objective(weights), dense(weights)
    expected = other.value * dense.unit / objective.unit
    assert_allclose(one.value, expected, rtol=1e-9, atol=1e-12)
    plane = one.plane
    assert_allclose(plane.slope @ weights + plane.offset, one.value, atol=1e-11)
    alpha, beta = objective.potentials([plane], np.ones(1))
    assert (alpha[:, None] + beta <= cost / objective.unit + 1e-10).all()
    assert_allclose(objective.initial_weights().sum(), 1)


def test_massless_atoms_have_feasible_potentials():
    problem = random_line(0, metric="sqeuclidean")
    objective = LineLoss(problem)
    evaluation = objective(np.array([0.0, 1.0, 0.0]))
    alpha, beta = objective.potentials([evaluation.plane], np.ones(1))
    points = problem.sources.points, problem.target.points
    cost = cdist(*points, "sqeuclidean") / objective.unit
    assert (alpha[:, None] + beta <= cost + 1e-12).all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("seed", range(10))
def test_optimum_is_the_linear_programmes(seed, metric):
    problem = random_line(seed, n_sources=1 + seed % 6, size=12, metric=metric)
    found = solve_bundle(LineLoss(problem), rule(500, 1e-11))
    cost = cdist(problem.sources.points, problem.target.points, metric)
    masses, target, _ = problem.marginals
    loss, _ = solve_dense_lp(cost, masses.toarray(), target)
    assert found.converged
    assert_allclose(found.value, loss, rtol=1e-9)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_far_from_the_origin(shift, metric):
    problem = random_line(3, metric=metric)
    sources, target = (
        measures._replace(points=measures.points + shift)
        for measures in (problem.sources, problem.target)
    )
    weights = np.array([0.2, 0.5, 0.3])
    one, other = LineLoss(problem), LineLoss(Problem(sources, target, metric))
    assert_allclose(
        one.unit * one(weights).value, other.unit * other(weights).value, rtol=1e-7
    )


def test_it_applies_to_convex_costs_of_numbers():
    sources, target = random_line(0).sources, random_line(0).target
    assert sorts(Problem(sources, target, "cityblock"))
    assert not sorts(Problem(sources, target, "cityblock", outlier_cost=1.0))
    assert not sorts(Problem(sources, target, "canberra"))
    assert not sorts(Problem(sources, target, lambda u, v: abs(u - v)[0]))
    plane = sources._replace(points=np.zeros((3, 2)))
    assert not sorts(Problem(plane, target, "euclidean"))


def test_gradient_is_that_of_the_value():
    check_gradient(LineLoss(random_line(5)))


@pytest.mark.parametrize("metric", METRICS)
def test_a_replicate_is_the_problem_of_its_masses(metric):
    problem = random_line(6, metric=metric)
    objective = LineLoss(problem)
    points = np.random.default_rng(1).dirichlet(np.ones(3), size=5)
    planes = [objective(weights).plane for weights in points]
    rows = RowCounts(np.array([3, 4, 5]), 6)
    drawn = resample(objective.marginals, rows, np.random.default_rng(0)).marginals
    replicate = objective.reweighted(drawn, planes, points[0])
    cost = cdist(problem.sources.points, problem.target.points, metric)
    for weights in np.random.default_rng(2).dirichlet(np.ones(3), size=10):
        value = replicate(weights).value
        masses = drawn.masses @ weights
        expected = solve_transport(masses, drawn.target, cost / objective.unit).value
        assert_allclose(value, expected, rtol=1e-9)
    check_planes_below(replicate.free_planes(), replicate)


@pytest.mark.parametrize("metric", METRICS)
def test_large_samples_are_coarsened_to_something_near(metric, monkeypatch):
    monkeypatch.setattr(line, "_COARSE_ATOMS", 60)
    objective = LineLoss(Problem(*gaussians(600, n_features=1), metric))
    coarse = objective.coarsened()
    assert coarse.unit == objective.unit
    assert coarse.marginals.masses.shape[0] <= 60
    assert len(coarse.marginals.target) <= 60
    assert_allclose(coarse.marginals.masses.sum(axis=0), 1)
    weights = np.full(5, 0.2)
    assert_allclose(coarse(weights).value, objective(weights).value, rtol=0.05)
    assert coarse.coarsened() is None
    # Two thirds of the atoms are no large sample.
    monkeypatch.setattr(line, "_COARSE_ATOMS", 590)
    assert objective.coarsened() is not None
    monkeypatch.setattr(line, "_COARSE_ATOMS", 610)
    assert objective.coarsened() is None


def test_merged_groups_have_about_equal_mass(monkeypatch):
    monkeypatch.setattr(line, "_COARSE_ATOMS", 4)
    points, total = np.arange(8.0), np.array([1.0, 1, 1, 1, 2, 2, 1, 3])
    masses = sparse.csr_array(total[:, None])
    merged, means = line._merge(points, masses, total)
    assert_allclose(merged.toarray()[:, 0], [3, 3, 3, 3])
    assert_allclose(means, [1, 11 / 3, 16 / 3, 7])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("size", [1, 2, 3, 40])
def test_descent_starts_at_the_nearest_atoms(size, metric):
    rng = np.random.default_rng(size)
    problem = Problem(
        stack_measures([measure(rng.normal(k, 1, size)) for k in range(2)]),
        measure(np.append(rng.normal(0.5, 3, 30), [-9.0, 9.0])),
        metric,
    )
    dense, objective = ExactLoss(problem), LineLoss(problem)
    assert_allclose(objective.initial_weights(), dense.initial_weights(), rtol=1e-12)


def test_one_atom_is_nearest_to_all():
    problem = Problem(
        stack_measures([measure([2.0])]), measure([1.0, 4.0]), "euclidean"
    )
    objective = LineLoss(problem)
    assert_allclose(objective.initial_weights(), [1])
    assert_allclose(objective.unit * objective(np.ones(1)).value, 1.5)


def test_combined_planes_have_combined_potentials():
    objective = LineLoss(random_line(8))
    points = np.random.default_rng(0).dirichlet(np.ones(3), size=3)
    planes = [objective(weights).plane for weights in points]
    multipliers = np.array([0.5, 0.3, 0.2])
    marginals = objective.marginals
    alpha, beta = objective.potentials(planes, multipliers)
    slopes = np.array([plane.slope for plane in planes])
    offsets = np.array([plane.offset for plane in planes])
    assert_allclose(marginals.slope(alpha), multipliers @ slopes, atol=1e-12)
    assert_allclose(marginals.target @ beta, multipliers @ offsets, atol=1e-12)


def test_planes_of_a_replicate_have_potentials():
    objective = LineLoss(random_line(9))
    plane = objective(np.array([0.2, 0.5, 0.3])).plane
    start = np.array([0.1, 0.2, 0.7])
    replicate = objective.reweighted(objective.marginals, [plane], start)
    again = replicate.potentials(replicate.free_planes(), np.ones(1))
    for one, other in zip(
        again, objective.potentials([plane], np.ones(1)), strict=True
    ):
        assert_allclose(one, other)
    assert_allclose(replicate.initial_weights(), start)


def test_weights_need_not_sum_to_one():
    problem = random_line(10)
    objective = LineLoss(problem)
    masses = problem.marginals.masses @ np.array([0.2, 0.5, 0.3])
    one, other = objective._solve(masses), objective._solve(3 * masses)
    assert_allclose(other.value, one.value, rtol=1e-12)
