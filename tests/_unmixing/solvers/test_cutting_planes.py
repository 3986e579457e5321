import numpy as np
from numpy.testing import assert_allclose

from skwot._unmixing.losses.exact import ExactLoss
from skwot._unmixing.solvers.cutting_planes import CuttingPlanes
from tests.exact import solve_dense_lp
from tests.generators.measures import overlapping_sources


def planes_at(points, seed=7):
    objective = ExactLoss(overlapping_sources(seed, n_sources=5).problem())
    planes = CuttingPlanes(objective)
    for weights in points:
        planes.evaluate(weights)
    return objective, planes


def test_lower_bound_never_falls():
    objective, planes = planes_at([])
    bounds = []
    for weights in np.random.default_rng(0).dirichlet(np.ones(5), size=15):
        planes.evaluate(weights)
        planes.raise_lower_bound()
        bounds.append(planes.lower_bound)
    assert (np.diff(bounds) >= 0).all()
    assert_allclose(
        planes.conclude(0.0).value, objective.unit * planes.best.value, rtol=1e-14
    )


def test_the_minimiser_of_the_planes_is_where_they_are_least():
    points = np.random.default_rng(1).dirichlet(np.ones(5), size=8)
    _, planes = planes_at(points)
    minimiser = planes.raise_lower_bound()
    assert_allclose(minimiser.sum(), 1)
    height = (planes.slopes @ minimiser + planes.offsets).max()
    assert_allclose(height, planes.lower_bound, atol=1e-9)
    for weights in np.random.default_rng(2).dirichlet(np.ones(5), size=50):
        assert (planes.slopes @ weights + planes.offsets).max() >= height - 1e-9


def test_the_bound_is_below_the_optimum_and_certified_by_its_potentials():
    points = np.random.default_rng(3).dirichlet(np.ones(5), size=6)
    objective, planes = planes_at(points)
    planes.raise_lower_bound()
    found = planes.conclude(1e-4)
    masses, target, _ = objective.marginals
    cost = objective.unit * objective.cost
    optimum, _ = solve_dense_lp(cost, masses.toarray(), target)
    assert found.lower_bound <= optimum * (1 + 1e-9) <= found.value * (1 + 2e-9)
    assert (found.alpha[:, None] + found.beta <= cost * (1 + 1e-12) + 1e-12).all()
    assert len(found.curve) == len(points) == planes.n_evaluations


def test_active_points_include_the_best():
    points = np.random.default_rng(4).dirichlet(np.ones(5), size=6)
    _, planes = planes_at(points)
    planes.raise_lower_bound()
    active = planes.active_weights
    assert any((weights == planes.best.weights).all() for weights in active)
    assert all(any((weights == point).all() for point in points) for weights in active)
