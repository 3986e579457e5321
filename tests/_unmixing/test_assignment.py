import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skwot._unmixing import assignment
from skwot._unmixing.assignment import assign, assign_entropic
from skwot._unmixing.losses.divergence import DivergenceLoss
from skwot._unmixing.problem import Unmixing
from tests.generators.measures import overlapping_sources

SUPPORT = np.array([[0.0], [2.0], [2.0 + 2]])
MASSES = sparse.csr_array([[0.3, 0.0], [0.1, 0.4], [0.0, 0.2]])


def test_points_go_to_the_cheapest_atom_and_ties_share_by_mass():
    points = np.array([[-1.0], [2.1], [1.0], [9.0]])
    shares = assign(points, SUPPORT, MASSES, np.zeros(3), "euclidean")
    tie = np.array([0.3 + 0.1, 0.4]) / 0.8
    assert_allclose(shares, [[1, 0], [0.2, 0.8], tie, [0, 1]])


def test_potentials_draw_points():
    potentials = np.array([0.0, 0.0, 5.0])
    points = np.array([[0.0], [2.0]])
    shares = assign(points, SUPPORT, MASSES, potentials, "euclidean")
    assert_allclose(shares, [[0, 1], [0, 1]])


def test_atoms_without_mass_get_nothing():
    masses = sparse.csr_array([[0.0, 0.0], [0.0, 0.4], [0.0, 0.6]])
    shares = assign(np.array([[0.0]]), SUPPORT, masses, np.zeros(3), "euclidean")
    assert_allclose(shares, [[0, 1]])


def test_blocks_do_not_show(monkeypatch):
    rng = np.random.default_rng(0)
    points, support = rng.normal(size=(40, 2)), rng.normal(size=(10, 2))
    masses = sparse.csr_array(rng.dirichlet(np.ones(3), size=10))
    arguments = (support, masses, rng.normal(size=10), "euclidean")
    whole = assign(points, *arguments)
    monkeypatch.setattr(assignment, "_BLOCK", 30)
    assert_array_equal(assign(points, *arguments), whole)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_ties_are_within_rounding_of_the_costs(scale):
    masses = sparse.csr_array(np.diag([0.25, 0.75]))
    for off, expected in ((0.0, 0.25), (1e-10, 0.25), (1e-7, 0.0), (-1e-7, 1.0)):
        support = scale * np.array([[0.0], [2.0]])
        point = scale * np.array([[1.0 + off]])
        shares = assign(point, support, masses, np.zeros(2), "euclidean")
        assert_allclose(shares, [[expected, 1 - expected]])


def test_a_point_on_an_atom_goes_there_though_nothing_sets_a_scale():
    masses = sparse.csr_array(np.diag([0.25, 0.75]))
    shares = assign(SUPPORT[:2], SUPPORT[:2], masses, np.zeros(2), "euclidean")
    assert_allclose(shares, np.eye(2))


# The shares of an entropic plan


def entropic_shares(case, weights, points):
    sources, _ = case.measures
    objective = DivergenceLoss(case.problem(), 0.05)
    found = Unmixing(weights, 0.0, 0.0, *np.zeros((3, 1)), converged=True)
    _, _, _, _, _, _, _, potential, eps = objective.complete(found)
    masses = (sources.masses * weights).tocsr()
    return assign_entropic(points, sources.points, masses, potential, "euclidean", eps)


@pytest.mark.parametrize("weights", [[0.3, 0.5, 0.2], [0.6, 0.4, 0.0]])
def test_shares_of_the_target_average_to_the_weights(weights):
    weights = np.array(weights)
    case = overlapping_sources(6, n_sources=3)
    _, target = case.measures
    shares = entropic_shares(case, weights, target.points)
    assert_allclose(shares.sum(axis=1), 1)
    assert_allclose(target.masses @ shares, weights, atol=1e-12)
    assert (shares[:, weights == 0] == 0).all()


def test_shares_of_a_point_depend_on_no_other_point():
    case, weights = overlapping_sources(7, n_sources=3), np.full(3, 1 / 3)
    _, target = case.measures
    together = entropic_shares(case, weights, target.points)
    alone = [entropic_shares(case, weights, x[None])[0] for x in target.points]
    assert_allclose(together, alone, rtol=1e-12)


def test_shares_at_low_temperature_are_the_exact_ones():
    rng = np.random.default_rng(0)
    sources, _ = overlapping_sources(8, n_sources=3).measures
    points = rng.normal(size=(30, sources.points.shape[1]))
    potentials = rng.normal(size=len(sources.points))
    arguments = points, sources.points, sources.masses, potentials, "euclidean"
    assert_allclose(assign_entropic(*arguments, 1e-9), assign(*arguments), atol=1e-9)
