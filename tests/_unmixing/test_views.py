import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from skwot._ot import ground_costs
from skwot._ot.metrics import JointMetric, Part
from skwot._unmixing import views
from skwot._unmixing.views import Densities, View, posterior, scales_within, unit_of
from tests.generators.measures import overlapping_sources

METRIC = JointMetric(
    (Part("cityblock", slice(0, 1)), Part("euclidean", slice(1, None)))
)
VIEWS = [View(0.3, 0.7), View(1.5, 0.4)]
CASE = overlapping_sources(0, n_sources=3)
SOURCES, POINTS = CASE.problem().sources, CASE.problem().target.points


def by_definition(points):
    logs = 0
    for view, columns, metric in zip(
        VIEWS, [slice(0, 1), slice(1, None)], ["cityblock", "euclidean"], strict=True
    ):
        cost = cdist(points[:, columns], SOURCES.points[:, columns], metric)
        kernel = np.exp(-cost / view.temperature)
        logs += view.exponent * np.log(kernel @ SOURCES.masses.toarray())
    return logs


def test_densities_are_products_of_powers():
    found = Densities(SOURCES.points, POINTS, METRIC, VIEWS)
    assert_allclose(found.logarithms(SOURCES.masses), by_definition(POINTS))


def test_some_atoms_and_points():
    rows, columns = np.arange(0, len(SOURCES.points), 2), np.array([0, 3, 4])
    part = Densities(SOURCES.points, POINTS, METRIC, VIEWS).between(rows, columns)
    alone = Densities(SOURCES.points[rows], POINTS[columns], METRIC, VIEWS)
    masses = SOURCES.masses[rows]
    assert_allclose(part.logarithms(masses), alone.logarithms(masses))


@pytest.mark.parametrize("block", [2, 10_000])
def test_shares_are_in_proportion_to_densities(block, monkeypatch):
    monkeypatch.setattr(views, "_POINTS", block)
    log_prior = np.array([-1.0, -np.inf, -0.2])
    found = posterior(POINTS, SOURCES, log_prior, METRIC, VIEWS)
    expected = np.exp(by_definition(POINTS) + log_prior)
    assert_allclose(found, expected / expected.sum(axis=1, keepdims=True))
    assert_array_equal(found[:, 1], 0)


def test_a_single_view_has_the_unit_of_its_cost():
    assert unit_of([View(3.0, 0.5)]) == 6
    assert unit_of(VIEWS) == 1


def test_scales_are_deviations_within_sources():
    rng = np.random.default_rng(0)
    rows = [rng.normal(k, [1.0, 2.0, 0.0, 0.0], size=(50, 4)) for k in range(2)]
    for part in rows:
        part[:, 3] = 5
    means = np.array([part.mean(axis=0) for part in rows])
    covariances = np.array([np.cov(part.T, bias=True) for part in rows])
    scales = scales_within(means, covariances)
    expected = np.sqrt(np.mean([part[:, :2].var(axis=0) for part in rows], axis=0))
    assert_allclose(scales[:2], expected)
    # One feature is constant in each source but not in all, the other throughout.
    assert_allclose(scales[2:], [0.5, 0])


@pytest.mark.parametrize("rows", [1, 5, 10_000])
def test_a_single_view_by_blocks(rows, monkeypatch):
    monkeypatch.setattr(ground_costs, "_KEPT_ENTRIES", 0)
    monkeypatch.setattr(ground_costs, "_BLOCK_ENTRIES", 1)
    monkeypatch.setattr(ground_costs, "_BLOCK_ROWS", rows)
    # At this temperature the kernel underflows without the shift of each point's own.
    view, points = View(1e-2, 0.5), np.vstack([POINTS, POINTS[:3] + 30])
    found = Densities(SOURCES.points, points, "euclidean", [view])
    levels = -cdist(points, SOURCES.points) / view.temperature
    with np.errstate(divide="ignore"):
        masses = np.log(SOURCES.masses.toarray())
    expected = logsumexp(levels[:, :, None] + masses, axis=1)
    least = levels.max(axis=1)[:, None] - 600
    found, expected = found.logarithms(SOURCES.masses), expected / 2
    kept = expected > least / 2
    assert kept.any(axis=1).all()
    assert_allclose(found[kept], expected[kept], rtol=1e-9)


def test_shares_far_from_all_sources_are_finite():
    points = np.vstack([POINTS[:2], POINTS[:2] + 1e5])
    found = posterior(points, SOURCES, np.zeros(3), METRIC, VIEWS)
    assert_allclose(found.sum(axis=1), 1)
    # Each row depends on its own point alone.
    assert_allclose(
        found[:2], posterior(points[:2], SOURCES, np.zeros(3), METRIC, VIEWS)
    )


@pytest.mark.parametrize("offset", [1e-3, 1e3, 1e8])
def test_variation_within_rounding_of_the_mean_is_none(offset):
    means = np.array([[offset, 1.0], [offset, 2.0]])
    noise = 1e-14 * offset
    covariances = np.zeros((2, 2, 2))
    covariances[:, 0, 0], covariances[:, 1, 1] = noise**2, 4.0
    assert_allclose(scales_within(means, covariances), [0, 2])
    covariances[:, 0, 0] = (1e-3 * offset) ** 2
    assert_allclose(scales_within(means, covariances), [1e-3 * offset, 2])


def test_scales_have_the_units_of_their_features():
    rng = np.random.default_rng(7)
    means, roots = rng.normal(size=(4, 3)), rng.normal(size=(4, 3, 3))
    covariances = roots @ roots.swapaxes(1, 2)
    units = np.array([1e-10, 1.0, 1e10])
    expected = units * scales_within(means, covariances)
    found = scales_within(units * means, units[:, None] * covariances * units)
    assert_allclose(found, expected, rtol=1e-12)
