import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist

from skwot._ot.measures import canonical_measure, stack_measures
from skwot._unmixing.losses import line
from skwot._unmixing.losses.exact import DenseObjective
from skwot._unmixing.losses.line import LineObjective
from skwot._unmixing.solvers.bundle import solve_bundle
from tests.exact import solve_dense_lp

METRICS = ["euclidean", "sqeuclidean"]


def random_line(seed, n_sources=3, size=8):
    """Sources and target on a coarse grid, so that points coincide."""
    rng = np.random.default_rng(seed)
    measures = [
        canonical_measure(
            np.round(rng.normal(k, 2, size=(size, 1)), 1), rng.uniform(0.1, 2, size)
        )
        for k in range(n_sources + 1)
    ]
    return stack_measures(measures[:-1]), measures[-1]


@settings(deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 5),
    st.integers(1, 9),
    st.sampled_from(METRICS),
)
def test_values_and_planes_are_the_dense_ones(seed, n_sources, size, metric):
    sources, target = random_line(seed, n_sources, size)
    dense = DenseObjective(sources, target, metric)
    objective = LineObjective(sources, target, metric)
    assert_allclose(objective.unit, dense.unit, rtol=1e-10, atol=1e-14)
    weights = np.random.default_rng(seed).dirichlet(np.ones(n_sources))
    one, other = objective(weights), dense(weights)
    assert_allclose(one.value, other.value, rtol=1e-9, atol=1e-12)
    plane = one.plane
    assert_allclose(plane.slope @ weights + plane.offset, one.value, atol=1e-11)
    alpha, beta = objective.potentials([plane], np.ones(1))
    assert (alpha[:, None] + beta <= dense.cost + 1e-10).all()
    assert_allclose(objective.initial_weights().sum(), 1)


def test_massless_atoms_have_feasible_potentials():
    sources, target = random_line(0)
    objective = LineObjective(sources, target, "sqeuclidean")
    evaluation = objective(np.array([0.0, 1.0, 0.0]))
    alpha, beta = objective.potentials([evaluation.plane], np.ones(1))
    cost = cdist(sources.points, target.points, "sqeuclidean") / objective.unit
    assert (alpha[:, None] + beta <= cost + 1e-12).all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("seed", range(10))
def test_optimum_is_the_linear_programmes(seed, metric):
    sources, target = random_line(seed, n_sources=1 + seed % 6, size=12)
    objective = LineObjective(sources, target, metric)
    found = solve_bundle(objective, max_iter=500, tol=1e-11)
    cost = cdist(sources.points, target.points, metric)
    loss, _ = solve_dense_lp(cost, sources.masses.toarray(), target.masses)
    assert found.converged
    assert_allclose(found.value * objective.unit, loss, rtol=1e-9)


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_far_from_the_origin(shift):
    sources, target = random_line(3)
    moved = sources._replace(points=sources.points + shift)
    there = target._replace(points=target.points + shift)
    weights = np.array([0.2, 0.5, 0.3])
    for metric in METRICS:
        one = LineObjective(sources, target, metric)
        other = LineObjective(moved, there, metric)
        assert_allclose(
            one.unit * one(weights).value, other.unit * other(weights).value, rtol=1e-7
        )


def test_it_applies_to_convex_costs_of_numbers():
    sources, _ = random_line(0)
    assert line.applies(sources, "cityblock")
    assert not line.applies(sources, "canberra")
    assert not line.applies(sources, lambda u, v: abs(u - v)[0])
    plane = sources._replace(points=np.zeros((3, 2)))
    assert not line.applies(plane, "euclidean")
