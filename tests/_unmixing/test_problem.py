import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist

from skwot._ot.measures import canonical_measure, stack_measures
from skwot._ot.transport import c_transform
from skwot._unmixing.losses.exact import DenseObjective
from skwot._unmixing.problem import dual_bound
from skwot._unmixing.solvers.bundle import solve_bundle
from skwot._unmixing.solvers.cutting_planes import CuttingPlanes
from skwot._unmixing.solvers.gradient import solve_gradient
from tests.exact import solve_dense_lp
from tests.generators.measures import overlapping_sources


def objective_of(case, metric="euclidean"):
    return DenseObjective(*case.measures, metric)


def dense_optimum(objective):
    return solve_dense_lp(objective.cost, objective.masses.toarray(), objective.target)


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
@pytest.mark.parametrize("seed", range(20))
def test_optimum_is_the_linear_programmes(seed, metric):
    objective = objective_of(overlapping_sources(seed, repeated=seed % 3 == 0), metric)
    found = solve_bundle(objective, max_iter=500, tol=1e-10)
    expected, _ = dense_optimum(objective)
    assert found.converged
    assert_allclose(found.value, expected, rtol=1e-8)
    assert_allclose(found.weights.sum(), 1)
    assert (found.weights >= 0).all()


@pytest.mark.parametrize("seed", range(10))
def test_surcharges_are_costs_of_the_weights(seed):
    objective = objective_of(overlapping_sources(seed, n_sources=4))
    surcharges = 0.3 * np.random.default_rng(seed).uniform(size=4)
    found = solve_bundle(objective, max_iter=500, tol=1e-10, surcharges=surcharges)
    expected, _ = solve_dense_lp(
        objective.cost, objective.masses.toarray(), objective.target, surcharges
    )
    assert found.converged
    assert_allclose(found.value, expected, rtol=1e-8)
    slope = objective.masses.T @ found.alpha + surcharges
    bound = objective.target @ found.beta + slope.min()
    assert_allclose(bound, found.lower_bound, atol=1e-12)
    descent = solve_gradient(
        objective, learning_rate=0.05, max_iter=50, tol=1.0, surcharges=surcharges
    )
    assert descent.lower_bound <= expected * (1 + 1e-9)
    assert descent.value >= expected * (1 - 1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_certificate_holds_and_can_be_checked(seed):
    objective = objective_of(overlapping_sources(seed, n_sources=4))
    found = solve_bundle(objective, max_iter=4, tol=1e-12)
    assert (found.alpha[:, None] + found.beta <= objective.cost + 1e-14).all()
    slope = objective.masses.T @ found.alpha
    assert_allclose(
        objective.target @ found.beta + slope.min(), found.lower_bound, atol=1e-12
    )
    optimum, _ = dense_optimum(objective)
    assert found.lower_bound <= optimum + 1e-10
    assert found.value >= optimum - 1e-10


def test_every_plane_is_below_the_objective_and_touches_it():
    objective = objective_of(overlapping_sources(3, n_sources=4))
    rng = np.random.default_rng(0)
    points = rng.dirichlet(np.ones(4), size=20)
    evaluations = [objective(w) for w in points]
    for one in evaluations:
        assert_allclose(one.plane.slope @ one.weights + one.plane.offset, one.value)
        for other in evaluations:
            plane = one.plane.slope @ other.weights + one.plane.offset
            assert plane <= other.value + 1e-12


def test_autograd_slope_is_the_finite_difference():
    objective = objective_of(overlapping_sources(5, n_sources=3))
    weights = np.array([0.31, 0.28, 0.41])
    slope = objective(weights).plane.slope
    direction = np.array([1.0, -2.0, 1.0])
    step = 1e-7
    change = (
        objective(weights + step * direction).value
        - objective(weights - step * direction).value
    )
    assert_allclose(slope @ direction, change / (2 * step), rtol=1e-5)


def test_lower_bound_never_falls():
    objective = objective_of(overlapping_sources(7, n_sources=5))
    planes = CuttingPlanes(objective)
    bounds = []
    for w in np.random.default_rng(0).dirichlet(np.ones(5), size=15):
        planes.evaluate(w)
        planes.raise_lower_bound()
        bounds.append(planes.lower_bound)
    assert (np.diff(bounds) >= 0).all()
    assert planes.best.value == min(planes.conclude(0.0).curve)


def test_any_target_potential_certifies():
    objective = objective_of(overlapping_sources(8, n_sources=3))
    optimum, _ = dense_optimum(objective)
    beta = np.random.default_rng(0).normal(size=len(objective.target))
    alpha = c_transform(objective.cost, beta)
    bound = dual_bound(objective.masses, objective.target, alpha, beta)
    assert (alpha[:, None] + beta <= objective.cost + 1e-14).all()
    assert bound <= optimum


def test_fixed_rate_reports_its_best_step():
    objective = objective_of(overlapping_sources(9, n_sources=3))
    found = solve_gradient(objective, learning_rate=1.0, max_iter=15, tol=1e-4)
    assert len(found.curve) == 15
    assert found.value == found.curve.min()


def test_initial_weights_count_the_target():
    sources = stack_measures(
        [
            canonical_measure(np.array([[0.0], [5.0]])),
            canonical_measure(np.array([[5.0]])),
        ]
    )
    target = canonical_measure(np.array([[1.0], [4.0]]))
    objective = DenseObjective(sources, target, "euclidean")
    # Half lies next to the first source alone; half next to an atom of both, of
    # which a third is the first source's.
    assert_allclose(objective.initial_weights(), [0.5 + 0.5 / 3, 0.5 * 2 / 3])


def test_common_support_is_not_repeated():
    bins = np.arange(6.0)[:, None]
    rng = np.random.default_rng(0)
    spectra = [canonical_measure(bins, rng.random(6)) for _ in range(4)]
    objective = DenseObjective(stack_measures(spectra), spectra[2], "euclidean")
    assert objective.cost.shape == (6, 6)
    assert_allclose(objective.cost * objective.unit, cdist(bins, bins))
    assert_allclose(
        solve_bundle(objective, max_iter=50, tol=1e-6).weights, [0, 0, 1, 0], atol=1e-9
    )


def test_leaves_torch_as_it_was():
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    state = torch.random.get_rng_state()
    solve_bundle(objective_of(overlapping_sources(1)), max_iter=50, tol=1e-4)
    assert torch.get_num_threads() == threads
    assert torch.get_default_dtype() == dtype
    assert torch.equal(torch.random.get_rng_state(), state)
