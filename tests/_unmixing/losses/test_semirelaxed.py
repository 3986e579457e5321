import numpy as np
import ot
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial.distance import cdist

from skwot._ot import ground_costs
from skwot._ot.measures import stack_measures
from skwot._unmixing.bootstrap import RowCounts, resample
from skwot._unmixing.losses.semirelaxed import SemirelaxedLoss
from skwot._unmixing.problem import Marginals, Problem, Unmixing
from skwot._unmixing.views import View
from tests._unmixing.checks import check_gradient, check_planes_below
from tests.generators.measures import measure, overlapping_sources

SURCHARGES = np.array([0.3, 0.0, 0.1])
EPS = 0.2


def objective_of(seed, surcharges=SURCHARGES, eps=EPS, **parameters):
    case = overlapping_sources(seed, n_sources=3)
    problem = case.problem(surcharges=surcharges, **parameters)
    return SemirelaxedLoss(problem, [View(eps, 1.0)]), problem


def by_definition(problem, weights, eps=EPS):
    """The loss in the units of the cost, from a dense matrix."""
    cost = cdist(problem.sources.points, problem.target.points)
    masses, target, surcharges = problem.marginals
    if problem.outlier_cost is not None:
        cost = np.vstack([cost, np.full(cost.shape[1], problem.outlier_cost)])
    densities = np.exp(-cost / eps).T @ (masses * np.exp(-surcharges / eps))
    return -eps * target @ np.log(densities @ weights)


@pytest.mark.parametrize("outlier_cost", [None, 1.5])
@pytest.mark.parametrize("eps", [0.02, 0.2, 5.0])
def test_value_is_that_of_the_definition(eps, outlier_cost):
    surcharges = SURCHARGES if outlier_cost is None else np.append(SURCHARGES, 0.2)
    objective, problem = objective_of(1, surcharges, eps, outlier_cost=outlier_cost)
    n_weights = len(surcharges)
    for weights in np.random.default_rng(0).dirichlet(np.ones(n_weights), size=5):
        expected = by_definition(problem, weights, eps)
        assert_allclose(objective.unit * objective(weights).value, expected)
        assert_allclose(objective.unit * objective.value(weights), expected)


def test_it_is_entropic_transport_without_the_source_marginal():
    objective, problem = objective_of(2, surcharges=0.0)
    weights = np.array([0.5, 0.2, 0.3])
    masses, target, _ = problem.marginals
    a = masses @ weights
    cost = cdist(problem.sources.points, problem.target.points)
    # An unbalanced problem with no price on the first marginal and a high one on the
    # second, by POT's majorisation.
    kernel = a[:, None] * np.exp(-cost / EPS)
    plan = kernel / kernel.sum(axis=0) * target
    entropy = np.sum(plan * np.log(plan / np.outer(a, target)))
    value = np.sum(plan * cost) + EPS * entropy
    assert_allclose(objective.unit * objective(weights).value, value)
    balanced = ot.sinkhorn2(a, target, cost, EPS, numItermax=10_000) + EPS * (
        np.sum(ot.sinkhorn(a, target, cost, EPS, numItermax=10_000) * 0)
    )
    assert value <= balanced + EPS * 10  # a constraint less


def test_gradient_is_that_of_the_value():
    check_gradient(objective_of(5)[0])


def test_gradient_is_minus_the_gradient_function():
    objective, _ = objective_of(5)
    weights = np.array([0.2, 0.5, 0.3])
    slope = objective(weights).plane.slope
    assert_allclose(slope, -objective.gradient_function(weights))
    assert_allclose(slope @ weights, -1)


def test_planes_are_below_and_touch():
    objective, _ = objective_of(3)
    points = np.random.default_rng(0).dirichlet(np.ones(3), size=6)
    evaluations = [objective(weights) for weights in points]
    for one in evaluations:
        assert_allclose(one.plane.slope @ one.weights + one.plane.offset, one.value)
    planes = [one.plane for one in evaluations]
    check_planes_below([*planes, *objective.free_planes()], objective)


def test_blocks_do_not_matter(monkeypatch):
    whole, problem = objective_of(4)
    monkeypatch.setattr(ground_costs, "_KEPT_ENTRIES", 0)
    monkeypatch.setattr(ground_costs, "_BLOCK_ENTRIES", 30)
    monkeypatch.setattr(ground_costs, "_BLOCK_ROWS", 2)
    again = SemirelaxedLoss(problem, [View(EPS, 1.0)])
    assert_allclose(again.densities, whole.densities)


def test_far_targets_do_not_underflow():
    sources = stack_measures([measure([0.0]), measure([1.0])])
    problem = Problem(sources, measure([1e6]), "euclidean")
    objective = SemirelaxedLoss(problem, [View(1e-3, 1.0)])
    near = objective(np.array([0.0, 1.0])).value
    assert_allclose(objective.unit * near, 1e6 - 1)
    # The difference of a thousand temperatures is cut off at 690.
    assert near + 600 < objective.value(np.array([1.0, 0.0])) <= near + 1000


def test_a_replicate_is_the_problem_of_its_masses():
    objective, problem = objective_of(6)
    rows = RowCounts(np.array([30, 40, 50]), 60)
    drawn = resample(objective.marginals, rows, np.random.default_rng(0)).marginals
    replicate = objective.reweighted(drawn, [], np.array([0.0, 0.4, 0.6]))
    assert (replicate.initial_weights() > 0).all()
    kept, held = drawn.masses.sum(axis=1) > 0, drawn.target > 0
    alone = Problem(
        problem.sources._replace(
            points=problem.sources.points[kept], masses=drawn.masses[kept]
        ),
        problem.target._replace(
            points=problem.target.points[held], masses=drawn.target[held]
        ),
        "euclidean",
        surcharges=SURCHARGES,
    )
    for weights in np.random.default_rng(1).dirichlet(np.ones(3), size=5):
        expected = by_definition(alone, weights)
        assert_allclose(replicate.unit * replicate(weights).value, expected)


def test_units_of_the_cost_and_of_the_temperature_cancel():
    one, problem = objective_of(7)
    scaled = Problem(
        problem.sources._replace(points=1e3 * problem.sources.points),
        problem.target._replace(points=1e3 * problem.target.points),
        "euclidean",
        surcharges=1e3 * SURCHARGES,
    )
    other = SemirelaxedLoss(scaled, [View(1e3 * EPS, 1.0)])
    assert_allclose(other.densities, one.densities, rtol=1e-9)
    assert_allclose(other.unit, 1e3 * one.unit)


def test_equal_sources_have_equal_densities():
    points = np.random.default_rng(0).normal(size=(9, 2))
    sources = stack_measures([measure(points), measure(points)])
    problem = Problem(sources, measure(points), "euclidean")
    objective = SemirelaxedLoss(problem, [View(EPS, 1.0)])
    assert_array_equal(objective.densities[:, 0], objective.densities[:, 1])


@pytest.mark.parametrize("outlier_cost", [None, 1.5])
def test_potentials_are_soft_costs(outlier_cost):
    surcharges = SURCHARGES if outlier_cost is None else np.append(SURCHARGES, 0.2)
    objective, problem = objective_of(8, surcharges, outlier_cost=outlier_cost)
    n_atoms, target = problem.marginals.masses.shape[0], problem.marginals.target
    points = np.random.default_rng(0).dirichlet(np.ones(len(surcharges)), size=2)
    planes = [objective(weights).plane for weights in points]
    # The loss is their mean over the target, here at the mean of two points.
    alpha, beta = objective.potentials(planes, np.array([0.25, 0.75]))
    weights = 0.25 * points[0] + 0.75 * points[1]
    assert_array_equal(alpha, np.zeros(n_atoms))
    assert_allclose(objective.unit * target @ beta, by_definition(problem, weights))
    # They bound nothing by themselves.
    assert objective.bound(alpha, beta) == -np.inf
    nothing = np.zeros(0)
    found = Unmixing(weights, 0.0, 0.0, nothing, nothing, nothing, True)
    completed = objective.complete(found)
    assert_array_equal(completed.alpha, np.zeros(n_atoms))
    assert_allclose(completed.beta, objective.unit * beta)
    assert completed.weights is weights


def test_a_target_atom_without_density_costs_infinitely_much():
    sources = stack_measures([measure([0.0]), measure([1e6])])
    problem = Problem(sources, measure([0.0, 1e6]), "euclidean")
    objective = SemirelaxedLoss(problem, [View(1.0, 1.0)])
    objective.densities = np.eye(2)
    assert objective.value(np.array([1.0, 0.0])) == np.inf
    found = Unmixing(np.array([1.0, 0.0]), 0.0, 0.0, *np.zeros((3, 1)), False)
    assert np.isinf(objective.complete(found).beta).tolist() == [False, True]


def test_search_begins_at_equal_weights_or_inside_near_those_given():
    objective, _ = objective_of(9)
    assert_allclose(objective.initial_weights(), np.full(3, 1 / 3))
    assert objective.rounding == 1e-12
    start = np.array([0.0, 0.4, 0.6])
    replicate = objective.reweighted(objective.marginals, [], start)
    assert_allclose(replicate.initial_weights(), np.array([0.001, 0.4, 0.6]) / 1.001)


def test_atoms_without_mass_are_left_out_but_the_outliers_stay():
    objective, problem = objective_of(1, np.zeros(4), outlier_cost=1.5)
    masses, target, surcharges = problem.marginals
    dense = masses.toarray()
    dense[0] = 0.0
    target = target * (np.arange(len(target)) != 2)
    marginals = Marginals(
        sparse.csr_array(dense / dense.sum(axis=0)), target / target.sum(), surcharges
    )
    replicate = objective.reweighted(marginals, [], np.full(4, 0.25))
    weights = np.array([0.4, 0.1, 0.2, 0.3])
    cost = cdist(problem.sources.points, problem.target.points)
    cost = np.vstack([cost, np.full(cost.shape[1], 1.5)])
    densities = np.exp(-cost / EPS).T @ marginals.masses
    expected = -EPS * marginals.target @ np.log(densities @ weights)
    assert_allclose(replicate.unit * replicate(weights).value, expected)
    assert replicate.densities.shape == (len(target) - 1, 4)
