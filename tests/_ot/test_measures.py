import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from skwot._ot.measures import (
    canonical_measure,
    disjoint_samples,
    moments,
    quantile_atoms,
    row_counts,
    stack_measures,
    without_overflow,
)
from tests.generators.measures import measure

coordinates = st.integers(-3, 3).map(float)
clouds = st.integers(1, 3).flatmap(
    lambda d: st.integers(1, 12).flatmap(
        lambda n: st.tuples(
            arrays(float, (n, d), elements=coordinates),
            arrays(float, n, elements=st.integers(1, 5).map(float)),
        )
    )
)


@settings(deadline=None)
@given(clouds, st.randoms(use_true_random=False))
def test_row_order_does_not_matter(cloud, random):
    points, masses = cloud
    order = list(range(len(points)))
    random.shuffle(order)
    shuffled = canonical_measure(points[order], masses[order])
    for one, other in zip(canonical_measure(points, masses), shuffled, strict=True):
        assert_array_equal(one, other)


@settings(deadline=None)
@given(clouds)
def test_an_integer_weight_is_a_repeated_row(cloud):
    points, masses = cloud
    repeated = canonical_measure(np.repeat(points, masses.astype(int), axis=0))
    for one, other in zip(canonical_measure(points, masses), repeated, strict=True):
        assert_array_equal(one, other)


@settings(deadline=None)
@given(clouds)
def test_canonical_form(cloud):
    measure = canonical_measure(*cloud)
    assert_allclose(measure.masses.sum(), 1)
    assert (measure.masses > 0).all()
    assert len(np.unique(measure.points, axis=0)) == len(measure.points)


def test_massless_rows_are_dropped_and_zero_has_one_sign():
    measure = canonical_measure(
        np.array([[0.0], [-0.0], [7.0]]), np.array([3.0, 1.0, 0.0])
    )
    assert_array_equal(measure.points, [[0.0]])
    assert not np.signbit(measure.points).any()
    assert_array_equal(measure.masses, [1.0])


@settings(deadline=None)
@given(clouds)
def test_moments_are_numpys(cloud):
    points, masses = cloud
    mean, covariance = moments(canonical_measure(points, masses))
    expected = np.cov(points.T, aweights=masses, ddof=0)
    assert_allclose(mean, np.average(points, axis=0, weights=masses), atol=1e-12)
    assert_allclose(covariance, np.atleast_2d(expected), atol=1e-12)


def test_stacked_sources_share_their_points():
    one = canonical_measure(np.array([[0.0], [1.0]]), np.array([1.0, 3.0]))
    other = canonical_measure(np.array([[2.0], [1.0]]))
    stacked = stack_measures([one, other])
    assert_array_equal(stacked.points, [[0.0], [1.0], [2.0]])
    assert_allclose(stacked.masses.toarray(), [[0.25, 0], [0.75, 0.5], [0, 0.5]])


def test_stacked_points_are_in_the_order_of_each_source():
    rows = np.array([[2.0, 0, 1], [0, 5, 3], [0, 6, 1], [1, 9, 0]])
    whole = canonical_measure(rows)
    stacked = stack_measures([canonical_measure(rows[::2]), whole])
    assert_array_equal(stacked.points, whole.points)
    assert_allclose(stacked.masses.toarray()[:, 1], whole.masses)


def test_samples_are_disjoint_and_keep_their_masses():
    source = measure([[0.0], [1.0], [2.0], [3.0], [4.0]], np.arange(1, 6))
    one, other = disjoint_samples(source, np.array([4, 0, 1, 2, 3]), 2)
    assert_allclose(one.points[:, 0], [0, 4])
    assert_allclose(one.masses, [1 / 6, 5 / 6])
    assert_allclose(other.points[:, 0], [1, 2])
    assert_allclose(other.masses, [0.4, 0.6])


@pytest.mark.parametrize("scale", [1.0, 1e308, 5e-324])
def test_masses_are_scaled_to_where_they_can_be_summed(scale):
    masses = scale * np.array([1.0, 0.0, 1.0])
    scaled = without_overflow(masses)
    assert_array_equal(scaled / scaled.sum(), [0.5, 0.0, 0.5])
    assert 0.5 <= scaled.max() < 1


def test_rows_are_counted_where_each_has_the_same_mass():
    counts = np.array([1, 3, 2, 1])
    found = row_counts(counts / 7, 7)
    assert_array_equal(found, counts)
    assert_array_equal(np.arange(4).repeat(found), [0, 1, 1, 1, 2, 2, 3])
    assert row_counts(np.array([0.25, 0.75]), 3) is None
    # Masses that were summed in another order are off by rounding, no more.
    assert_array_equal(row_counts(counts / 7 * (1 + 1e-12), 7), counts)
    assert row_counts(np.array([1.0001, 2.9999, 2, 1]) / 7, 7) is None


def test_quantile_atoms_are_as_frequent_as_they_are_heavy():
    masses = np.array([0.1, 0.6, 0.3])
    assert_array_equal(np.bincount(quantile_atoms(masses, 10)), [1, 6, 3])
    assert_array_equal(quantile_atoms(5 * masses, 10), quantile_atoms(masses, 10))
