from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skwot._unmixing.losses.exact import ExactLoss
from skwot._unmixing.problem import Evaluation
from skwot._unmixing.solvers import cutting_planes
from skwot._unmixing.solvers.cutting_planes import CuttingPlanes, _minimise_maximum
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


def test_the_first_bound_is_that_of_the_best_free_plane():
    objective, planes = planes_at([])
    bounds = [plane.offset + plane.slope.min() for plane in objective.free_planes()]
    assert_allclose(planes.lower_bound, max(bounds), rtol=1e-14)
    planes.evaluate(np.full(5, 0.2))
    # Its potentials attain it, in the units of the cost.
    found = planes.conclude(1e-4)
    attained = objective.unit * objective.bound(
        found.alpha / objective.unit, found.beta / objective.unit
    )
    assert_allclose(found.lower_bound, attained, rtol=1e-12)
    assert attained >= objective.unit * planes.lower_bound * (1 - 1e-12)


def test_a_failed_programme_leaves_the_bound(monkeypatch):
    _, planes = planes_at([np.full(5, 0.2)])
    before = planes.lower_bound
    monkeypatch.setattr(
        cutting_planes, "linprog", lambda *_, **__: SimpleNamespace(status=4)
    )
    assert planes.raise_lower_bound() is None
    assert planes.lower_bound == before


def test_weights_that_are_rounding_are_zero_where_the_loss_is_evaluated():
    _, planes = planes_at([])
    found = planes.evaluate(np.array([0.5, 0.5, 1e-13, 0.0, 0.0]))
    assert_array_equal(found.weights, [0.5, 0.5, 0, 0, 0])


def test_a_tolerance_decides_what_has_converged():
    points = np.random.default_rng(5).dirichlet(np.ones(5), size=6)
    _, planes = planes_at(points)
    planes.raise_lower_bound()
    relative = planes.gap / planes.best.value
    assert relative > 1e-6
    assert planes.certified(1.01 * relative)
    assert not planes.certified(0.9 * relative)
    found = planes.conclude(1.0)
    assert found.converged
    gap = found.relative_gap
    assert planes.conclude(1.01 * gap).converged
    assert not planes.conclude(0.99 * gap).converged
    assert_allclose(
        found.curve / found.value,
        [one.value / planes.best.value for one in planes._evaluations],
    )


def test_the_worse_of_two_bounds_is_not_kept(monkeypatch):
    points = np.random.default_rng(6).dirichlet(np.ones(5), size=8)
    objective, planes = planes_at(points)
    planes.raise_lower_bound()
    best, found = planes.lower_bound, planes.conclude(0.0)
    # Multipliers of a free plane alone belong to a lower bound.
    multipliers = np.eye(len(planes.offsets))[0]
    monkeypatch.setattr(
        cutting_planes, "_minimise_maximum", lambda *_: (points[0], multipliers)
    )
    planes.raise_lower_bound()
    assert planes.lower_bound == best
    assert_array_equal(planes.conclude(0.0).beta, found.beta)
    # Combined potentials bound no worse than the combination of the planes.
    assert found.lower_bound >= objective.unit * best * (1 - 1e-14)


@pytest.mark.parametrize("gap", [1e-9, 1e-6, 1e-3, 1.0, 1e3])
def test_the_minimum_of_planes_known_in_closed_form(gap):
    # Two planes cross at weights of a third and two thirds, at the height one.
    slopes = gap * (1e3 + np.array([[2.0, -1.0], [-4.0, 2.0]]))
    offsets = np.full(2, 1 - 1e3 * gap)
    best = Evaluation(np.array([0.4, 0.6]), 1.0 + 0.2 * gap, None)
    minimiser, multipliers = _minimise_maximum(slopes, offsets, best, 0.2 * gap)
    assert_allclose(minimiser.sum(), 1, rtol=1e-14)
    assert_allclose(multipliers.sum(), 1, rtol=1e-14)
    assert (multipliers >= 0).all()
    assert_allclose(minimiser, [1 / 3, 2 / 3], rtol=1e-6)
    assert_allclose(multipliers, [2 / 3, 1 / 3], rtol=1e-6)


def test_a_minimum_in_a_corner():
    slopes, offsets = np.array([[1.0, 2.0, 3.0], [0.0, 5.0, 5.0]]), np.zeros(2)
    best = Evaluation(np.full(3, 1 / 3), 10 / 3, None)
    minimiser, multipliers = _minimise_maximum(slopes, offsets, best, 3.0)
    assert_allclose(minimiser, [1, 0, 0], atol=1e-12)
    assert_allclose(multipliers, [1, 0], atol=1e-12)
    # Planes without a slope have any point for a minimiser, and the highest counts.
    flat = np.zeros((2, 3)), np.array([1.0, 2.0])
    minimiser, multipliers = _minimise_maximum(*flat, best, 0.5)
    assert_allclose(minimiser.sum(), 1)
    assert_allclose(multipliers, [0, 1])


def test_combined_potentials_raise_the_bound():
    raised = []
    for seed in range(6):
        points = np.random.default_rng(seed).dirichlet(np.ones(5), size=6)
        objective, planes = planes_at(points, seed)
        planes.raise_lower_bound()
        found = planes.conclude(1e-4)
        unit = objective.unit
        attained = unit * objective.bound(found.alpha / unit, found.beta / unit)
        assert_allclose(found.lower_bound, attained, rtol=1e-12)
        raised.append(attained > unit * planes.lower_bound * (1 + 1e-6))
    # The c-transform of a mean of potentials is more than the mean of c-transforms.
    assert any(raised)
