import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist

from skwot._ot.measures import stack_measures
from skwot._ot.transport import c_transform, solve_transport
from skwot._unmixing.bootstrap import RowCounts, resample
from skwot._unmixing.losses.exact import ExactLoss
from skwot._unmixing.problem import Problem
from skwot._unmixing.solvers.bundle import solve_bundle
from tests._unmixing.checks import (
    check_gradient,
    check_planes_below,
    without_some_atoms,
)
from tests.exact import solve_dense_lp
from tests.generators.measures import measure, overlapping_sources, rule


def objective_of(case, metric="euclidean"):
    return ExactLoss(case.problem(metric))


def test_every_plane_is_below_the_objective_and_touches_it():
    objective = objective_of(overlapping_sources(3, n_sources=4))
    points = np.random.default_rng(0).dirichlet(np.ones(4), size=20)
    evaluations = [objective(w) for w in points]
    for one in evaluations:
        assert_allclose(one.plane.slope @ one.weights + one.plane.offset, one.value)
        for other in evaluations:
            plane = one.plane.slope @ other.weights + one.plane.offset
            assert plane <= other.value + 1e-12


def test_free_planes_are_below_the_objective():
    objective = objective_of(overlapping_sources(4, n_sources=3))
    check_planes_below(objective.free_planes(), objective)


def test_gradient_is_that_of_the_value():
    check_gradient(objective_of(overlapping_sources(5, n_sources=3)))


def test_any_target_potential_certifies():
    objective = objective_of(overlapping_sources(8, n_sources=3))
    masses, target, _ = objective.marginals
    optimum, _ = solve_dense_lp(objective.cost, masses.toarray(), target)
    beta = np.random.default_rng(0).normal(size=len(target))
    alpha = c_transform(objective.cost, beta)
    assert (alpha[:, None] + beta <= objective.cost + 1e-14).all()
    assert objective.marginals.bound(alpha, beta) <= optimum


def test_initial_weights_count_the_target():
    sources = stack_measures([measure([0.0, 5.0]), measure([5.0])])
    objective = ExactLoss(Problem(sources, measure([1.0, 4.0]), "euclidean"))
    # Half lies next to the first source alone; half next to an atom of both, of
    # which a third is the first source's.
    assert_allclose(objective.initial_weights(), [0.5 + 0.5 / 3, 0.5 * 2 / 3])


def test_common_support_is_not_repeated():
    bins = np.arange(6.0)[:, None]
    rng = np.random.default_rng(0)
    spectra = [measure(bins, rng.random(6)) for _ in range(4)]
    objective = ExactLoss(Problem(stack_measures(spectra), spectra[2], "euclidean"))
    assert objective.cost.shape == (6, 6)
    assert_allclose(objective.cost * objective.unit, cdist(bins, bins))
    found = solve_bundle(objective, rule(50, 1e-6))
    assert_allclose(found.weights, [0, 0, 1, 0], atol=1e-9)


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
def test_planes_of_a_sample_are_planes_of_a_replicate(metric):
    objective = objective_of(overlapping_sources(1, n_sources=3), metric)
    points = np.random.default_rng(1).dirichlet(np.ones(3), size=5)
    planes = [objective(weights).plane for weights in points]
    rows = RowCounts(np.array([30, 40, 50]), 60)
    drawn = resample(objective.marginals, rows, np.random.default_rng(0))
    replicate = objective.reweighted(drawn.marginals, planes, points[0])
    assert_allclose(replicate.initial_weights(), points[0])
    # Atoms that were not drawn are left out, and the costs of the others stay.
    kept = drawn.marginals.masses.sum(axis=1) > 0, drawn.marginals.target > 0
    assert_allclose(replicate.cost, objective.cost[np.ix_(*kept)])
    free = replicate.free_planes()
    assert len(free) == 5
    # What they record are potentials of the replicate.
    for plane in free:
        alpha, beta = replicate.potentials([plane], np.ones(1))
        bound = replicate.marginals.bound(alpha, beta)
        assert bound >= plane.offset + plane.slope.min() - 1e-12
    # Masses that were not drawn are left out of the marginals, too.
    assert replicate.marginals.masses.shape[0] == kept[0].sum()
    assert_allclose(
        replicate.marginals.masses.toarray(), drawn.marginals.masses.toarray()[kept[0]]
    )
    weights = np.array([0.2, 0.5, 0.3])
    expected = solve_transport(
        replicate.marginals.masses @ weights, replicate.marginals.target, replicate.cost
    )
    assert_allclose(replicate(weights).value, expected.value, rtol=1e-9)
    check_planes_below(free, replicate)


def test_free_planes_record_their_potentials():
    objective = objective_of(overlapping_sources(9, n_sources=3))
    for plane in objective.free_planes():
        alpha, beta = objective.potentials([plane], np.ones(1))
        assert (alpha[:, None] + beta <= objective.cost + 1e-14).all()
        bound = objective.marginals.bound(alpha, beta)
        assert bound >= plane.offset + plane.slope.min() - 1e-12


def test_what_is_rounding_has_the_size_of_the_costs():
    case = overlapping_sources(0, n_sources=3)
    # Beside costs of almost nothing, few that are large make the mean.
    objective = ExactLoss(case.problem(outlier_cost=1e-3))
    assert_allclose(objective.rounding, 1e-12 * objective.cost.mean())
    assert objective.potentials(objective.free_planes(), np.array([0.5, 0.5]))


def test_descent_starts_at_the_nearest_atoms_of_any_number():
    rng = np.random.default_rng(3)
    sources = stack_measures([measure(rng.normal(k, 1, (4, 2))) for k in range(2)])
    target = measure(rng.normal(0.5, 1, (30, 2)))
    nearest = cdist(target.points, sources.points).argmin(axis=1)
    objective = ExactLoss(Problem(sources, target, "euclidean"))
    chosen = sources.masses.toarray()[nearest] > 0
    assert_allclose(objective.initial_weights(), chosen.mean(axis=0))


def test_atoms_that_were_not_drawn_are_left_out():
    objective = objective_of(overlapping_sources(2, n_sources=3))
    drawn = without_some_atoms(objective.marginals)
    weights = np.array([0.2, 0.5, 0.3])
    planes = [objective(weights).plane]
    replicate = objective.reweighted(drawn, planes, weights)
    kept = drawn.masses.sum(axis=1) > 0, drawn.target > 0
    assert replicate.cost.shape == (kept[0].sum(), kept[1].sum())
    assert_allclose(replicate.cost, objective.cost[np.ix_(*kept)])
    a, b = (drawn.masses @ weights)[kept[0]], drawn.target[kept[1]]
    expected = solve_transport(a, b, replicate.cost).value
    assert_allclose(replicate(weights).value, expected, rtol=1e-9)
    check_planes_below(replicate.free_planes(), replicate)
