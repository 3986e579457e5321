import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skwot._unmixing.problem import (
    Marginals,
    Objective,
    Touching,
    Unmixing,
    checked_bound,
    is_closed,
    own_mixture,
    snapped,
)
from tests.generators.measures import measure, overlapping_sources


def test_outliers_are_a_last_source_of_one_atom():
    problem = overlapping_sources(0, n_sources=3).problem(outlier_cost=2.0)
    plain = overlapping_sources(0, n_sources=3).problem()
    masses, target, surcharges = problem.marginals
    assert_array_equal(masses.toarray()[:-1, :-1], plain.marginals.masses.toarray())
    assert_array_equal(masses.toarray()[-1], [0, 0, 0, 1])
    assert_array_equal(masses.toarray()[:, -1].nonzero()[0], [masses.shape[0] - 1])
    assert_array_equal(target, plain.marginals.target)
    assert_array_equal(surcharges, np.zeros(4))
    costs = problem.costs()
    assert_allclose(costs.unit * costs.whole()[-1], 2.0)
    # No more than the outlier cost is ever paid.
    assert costs.unit == 2.0
    far = overlapping_sources(0, n_sources=3).problem(outlier_cost=1e9)
    assert far.costs().unit == plain.costs().unit


def test_a_new_target_keeps_everything_else():
    problem = overlapping_sources(1, n_sources=3).problem(
        outlier_cost=2.0, surcharges=np.arange(4.0)
    )
    moved = problem.with_target(measure(np.zeros((1, 3))))
    assert_array_equal(moved.marginals.target, [1.0])
    assert_array_equal(moved.marginals.surcharges, np.arange(4.0))
    assert moved.sources is problem.sources


def test_the_bound_is_the_least_value_of_the_plane():
    rng = np.random.default_rng(2)
    case = overlapping_sources(2, n_sources=4)
    surcharges = rng.random(4)
    marginals = case.problem(surcharges=surcharges).marginals
    alpha = rng.normal(size=marginals.masses.shape[0])
    beta = rng.normal(size=len(marginals.target))
    bound = marginals.bound(alpha, beta)
    slope, offset = marginals.slope(alpha), marginals.target @ beta
    corners = marginals.masses.toarray().T @ alpha + surcharges + offset
    assert_allclose(bound, corners.min())
    for weights in rng.dirichlet(np.ones(4), size=20):
        assert slope @ weights + offset >= bound - 1e-12
    assert_allclose(marginals.in_unit(2.0).surcharges, marginals.surcharges / 2)


@pytest.mark.parametrize("outlier_cost", [None, 3.0])
def test_sources_mixed_with_themselves_cost_nothing(outlier_cost):
    problem = overlapping_sources(3, n_sources=3).problem(outlier_cost=outlier_cost)
    shares = np.array([0.5, 0.5, 0.0])
    target, found = own_mixture(problem, shares)
    assert_allclose(target.masses.sum(), 1)
    assert_array_equal(found.weights[:3], shares)
    assert len(found.weights) == problem.marginals.n_weights
    assert found.value == found.lower_bound == 0
    posed = problem.with_target(target)
    assert found.converged
    assert_array_equal(found.curve, [0.0])
    assert (target.masses > 0).all()
    assert_array_equal(found.weights[3:], np.zeros(len(found.weights) - 3))
    # Atoms of the third source alone are left out, the others keep their masses.
    mixed = problem.sources.masses @ shares
    assert_array_equal(target.points, problem.sources.points[mixed > 0])
    again, _ = own_mixture(problem, 2 * shares)
    assert_allclose(again.masses, target.masses)
    assert_allclose(target.masses, mixed[mixed > 0])
    assert_allclose(posed.marginals.bound(found.alpha, found.beta), 0)


def test_a_gap_is_closed_within_the_tolerance_or_rounding():
    assert is_closed(0.09, 1.0, 0.1, 0.0)
    assert not is_closed(0.11, 1.0, 0.1, 0.0)
    assert is_closed(1e-13, 0.0, 0.1, 1e-12)
    # Nothing is closed where the value and rounding are zero but by a gap of zero.
    assert is_closed(0.0, 0.0, 0.1, 0.0)
    assert not is_closed(1e-300, 0.0, 0.1, 0.0)


def test_units_multiply_all_that_is_a_cost():
    found = Unmixing(
        np.array([0.4, 0.6]),
        3.0,
        2.0,
        np.ones(3),
        np.ones(2),
        np.array([4.0, 3.0]),
        True,
        np.full(3, 5.0),
        0.5,
    )
    scaled = found.in_units(10.0)
    assert_array_equal(scaled.weights, found.weights)
    assert scaled.converged
    assert scaled.relative_gap == found.relative_gap == 1 / 3
    assert scaled.value == 30
    assert scaled.lower_bound == 20
    assert scaled.temperature == 5
    for name in ("alpha", "beta", "curve", "plan_alpha"):
        assert_allclose(getattr(scaled, name), 10 * getattr(found, name))


def test_marginals_know_the_number_of_weights():
    marginals = overlapping_sources(5, n_sources=6).problem().marginals
    assert isinstance(marginals, Marginals)
    assert marginals.n_weights == 6


@pytest.mark.parametrize(
    ("value", "potentials", "rounding", "allowed"),
    [
        (2.0, np.ones(2), 1e-12, 2e-9),
        (1e-6, np.ones(2), 1e-12, 1e-11),
        (1e-6, np.array([0.0, -1e5]), 1e-12, 1e-8),
        (1e-6, np.zeros(0), 1e-12, 1e-11),
        (0.0, np.array([3.0]), 0.0, 3e-13),
    ],
)
def test_a_bound_above_the_value_is_rounding_or_an_error(
    value, potentials, rounding, allowed
):
    assert checked_bound(value - 0.5, value, potentials, rounding) == value - 0.5
    above = value + 0.99 * allowed
    assert checked_bound(above, value, potentials, rounding) == value
    with pytest.raises(RuntimeError, match="contradicts a value"):
        checked_bound(value + 1.02 * allowed, value, potentials, rounding)


def test_weights_that_are_rounding_are_zero():
    found = snapped(np.array([3.0, 1e-13, -1e-17, 1.0]))
    assert_array_equal(found, [0.75, 0, 0, 0.25])
    assert snapped(np.array([1.0, 1e-11]))[1] > 0


class Line(Objective):
    """The loss ``|w_0 - 1/4|``, on two weights."""

    def _set_masses(self):
        self.prepared = self.marginals

    def differentiable(self, w):
        value = abs(w[0] - 0.25)
        return value, Touching(-0.25, np.array([7.0]))

    def _known_planes(self):
        return ["known"]

    def initial_weights(self):
        return np.full(2, 0.5)

    # Abstract, and not used by the tests here.
    def potentials(self, planes, multipliers):
        raise NotImplementedError

    def reweighted(self, marginals, around, start):
        raise NotImplementedError


def test_an_objective_has_a_unit_and_values_with_planes():
    case = overlapping_sources(2, n_sources=2)
    marginals = case.problem(surcharges=np.array([3.0, 5.0])).marginals
    objective = Line(marginals, 2.0, 1e-7)
    assert objective.unit == 2
    assert objective.rounding == 1e-7
    assert_array_equal(objective.marginals.surcharges, [1.5, 2.5])
    assert objective.prepared is objective.marginals
    assert objective._start is None
    weights = np.array([0.75, 0.25])
    found = objective(weights)
    assert found.weights is weights
    assert found.value == 0.5
    assert_array_equal(found.plane.slope, [1, 0])
    assert found.plane.offset == -0.25
    assert_array_equal(found.plane.record, [7])
    assert objective.free_planes() == ["known"]
    objective._free = []
    assert objective.free_planes() == []
    alpha = np.arange(float(marginals.masses.shape[0]))
    beta = np.linspace(0, 1, len(marginals.target))
    bound = objective.marginals.bound(alpha, beta)
    assert objective.bound(alpha, beta) == bound
    assert objective.coarsened() is None
    assert objective.complete("found") == "found"
