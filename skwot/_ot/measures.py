"""Discrete measures in a canonical form: one atom per distinct point."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse

from skwot._typing import Array, Index

_COUNTED = 1e-6  # of a row, by which masses that count rows may be off


class Measure(NamedTuple):
    """A probability measure with finitely many atoms.

    Attributes
    ----------
    points : ndarray of shape (n, d)
        Distinct points in lexicographic order.
    masses : ndarray of shape (n,)
        Positive, summing to one.
    """

    points: Array
    masses: Array


class SourceMeasures(NamedTuple):
    """K probability measures on one common support.

    Attributes
    ----------
    points : ndarray of shape (n, d)
        Distinct points in lexicographic order, the union of the supports.
    masses : sparse array of shape (n, K)
        Column k holds the masses of source k and sums to one.
    """

    points: Array
    masses: sparse.csr_array


def canonical_measure(points: Array, masses: Array | None = None) -> Measure:
    """Merge equal points, drop massless ones, sort, and normalise.

    The result depends neither on the order of the rows nor on how the mass of
    a point is divided among equal rows: a mass of 2 *is* a row given twice.

    Parameters
    ----------
    points : ndarray of shape (n, d)
    masses : ndarray of shape (n,), default=None
        Non-negative, not all zero. Equal masses if None.

    Returns
    -------
    Measure
    """
    masses = np.ones(len(points)) if masses is None else without_overflow(masses)
    kept = masses > 0
    # Adding zero turns -0.0 into 0.0, which sorts and compares as one point.
    points, masses = points[kept] + 0.0, masses[kept]
    # The mass is the last key, so that sums do not depend on the row order.
    order = np.lexsort((masses, *points.T[::-1]))
    points, masses = points[order], masses[order]
    first = _first_of_equal_rows(points)
    masses = np.add.reduceat(masses, first)
    return Measure(points[first], masses / masses.sum())


def without_overflow(masses: Array) -> Array:
    """Scale masses by a power of two, which rounds nothing, so that they can be summed.

    Parameters
    ----------
    masses : ndarray of shape (n,)
        Non-negative.

    Returns
    -------
    ndarray of shape (n,)
        At most one.
    """
    return np.ldexp(masses, -np.frexp(masses.max())[1])


def row_counts(masses: Array, size: int) -> Index | None:
    """Count the rows of each atom, if every row has the same mass.

    Parameters
    ----------
    masses : ndarray of shape (n,)
        Of a measure.
    size : int
        Number of rows.

    Returns
    -------
    ndarray of shape (n,) or None
    """
    counts = masses * size
    whole = counts.round()
    return whole.astype(np.intp) if abs(counts - whole).max() <= _COUNTED else None


def quantile_atoms(masses: Array, size: int) -> Index:
    """Take `size` atoms at even quantiles of the mass; heavy ones repeat.

    Parameters
    ----------
    masses : ndarray of shape (n,)
    size : int

    Returns
    -------
    ndarray of shape (size,)
        Sorted.
    """
    levels = (np.arange(size) + 0.5) / size * masses.sum()
    return np.minimum(np.searchsorted(np.cumsum(masses), levels), len(masses) - 1)


def stack_measures(measures: Sequence[Measure]) -> SourceMeasures:
    """Put measures on the union of their supports.

    Parameters
    ----------
    measures : sequence of K Measure
        In canonical form, in one space.

    Returns
    -------
    SourceMeasures
    """
    points = np.concatenate([measure.points for measure in measures])
    masses = np.concatenate([measure.masses for measure in measures])
    source = np.repeat(np.arange(len(measures)), [len(m.masses) for m in measures])
    order = np.lexsort((source, *points.T[::-1]))
    points, masses, source = points[order], masses[order], source[order]
    first = _first_of_equal_rows(points)
    atom = np.repeat(np.arange(len(first)), np.diff(first, append=len(points)))
    shape = (len(first), len(measures))
    return SourceMeasures(
        points[first], sparse.csr_array((masses, (atom, source)), shape=shape)
    )


def moments(measure: Measure) -> tuple[Array, Array]:
    """Mean and covariance of a measure.

    Parameters
    ----------
    measure : Measure

    Returns
    -------
    mean : ndarray of shape (d,)
    covariance : ndarray of shape (d, d)
        The covariance of the measure itself, without a small-sample correction;
        infinite where squares overflow.
    """
    mean = measure.masses @ measure.points
    centred = measure.points - mean
    # A metric may do without the squares, which can be too large for a number.
    with np.errstate(over="ignore", invalid="ignore"):
        covariance = (centred.T * measure.masses) @ centred
    return mean, covariance


def _first_of_equal_rows(points: Array) -> Index:
    changed = np.any(points[1:] != points[:-1], axis=1)
    return np.flatnonzero(np.concatenate([[True], changed]))


def disjoint_samples(
    source: Measure, order: Index, size: int
) -> tuple[Measure, Measure]:
    """Take the first `size` atoms in an order, and the next `size`, each normalised.

    Parameters
    ----------
    source : Measure
    order : ndarray of shape (n,)
        A permutation of the atoms.
    size : int

    Returns
    -------
    first, second : Measure
    """
    points, masses = source
    first, second = order[:size], order[size : 2 * size]
    return (
        canonical_measure(points[first], masses[first]),
        canonical_measure(points[second], masses[second]),
    )
