import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skwot._unmixing import assignment
from skwot._unmixing.assignment import assign

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
