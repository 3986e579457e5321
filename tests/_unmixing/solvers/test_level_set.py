import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize

from skwot._unmixing.solvers.level_set import project_level_set


def random_planes(seed, n_sources, n_planes):
    rng = np.random.default_rng(seed)
    inside, point = rng.dirichlet(np.ones(n_sources), size=2)
    slopes = rng.normal(size=(n_planes, n_sources))
    offsets = -slopes @ inside - 0.01 * rng.random(n_planes)
    return point, slopes, offsets, inside


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 8), st.integers(1, 12))
def test_projection_is_feasible_and_nearest(seed, n_sources, n_planes):
    point, slopes, offsets, inside = random_planes(seed, n_sources, n_planes)
    found = project_level_set(point, slopes, offsets)
    assert (found >= 0).all()
    assert_allclose(found.sum(), 1)
    assert (slopes @ found + offsets <= 1e-10).all()
    # The projection onto a convex set is characterised by obtuse angles.
    assert (point - found) @ (inside - found) <= 1e-10


def test_agrees_with_a_general_solver():
    point, slopes, offsets, inside = random_planes(1, 5, 6)
    constraints = [
        {"type": "ineq", "fun": lambda w: -(slopes @ w + offsets)},
        {"type": "eq", "fun": lambda w: w.sum() - 1},
    ]
    expected = minimize(
        lambda w: ((w - point) ** 2).sum(),
        inside,
        bounds=[(0, None)] * 5,
        constraints=constraints,
        options={"ftol": 1e-15},
    )
    assert_allclose(project_level_set(point, slopes, offsets), expected.x, atol=1e-6)


def test_a_point_inside_stays():
    _, slopes, offsets, inside = random_planes(2, 4, 3)
    assert_allclose(project_level_set(inside, slopes, offsets), inside)


def test_a_point_on_the_boundary_stays():
    point = np.array([0.5, 0.5])
    found = project_level_set(point, np.array([[1.0, -1.0]]), np.zeros(1))
    assert_array_equal(found, point)


def test_a_plane_that_is_flat_along_a_coordinate_is_met():
    # The step has no component along the second axis of the hyperplane.
    point = np.array([0.4, 0.4, 0.2])
    found = project_level_set(point, np.array([[1.0, -1.0, 0.0]]), np.array([0.2]))
    assert_allclose(found, [0.3, 0.5, 0.2])


def test_an_empty_set_is_reported():
    assert project_level_set(np.array([0.5, 0.5]), np.ones((1, 2)), np.ones(1)) is None


def test_one_plane_gives_the_polyak_step():
    point, slope = np.full(3, 1 / 3), np.array([1.0, 0.0, -1.0])
    found = project_level_set(point, slope[None], np.array([0.1]))
    assert_allclose(found, point - 0.1 * slope / (slope @ slope))
