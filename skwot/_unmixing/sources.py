"""Labelled rows from separate samples, and back."""

from collections.abc import Mapping, Sequence
from numbers import Number
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from skwot._ot.measures import Measure, canonical_measure
from skwot._typing import Array


def stack_sources(
    sources: Sequence[Any] | Mapping[Any, Any],
    target: Any = None,
    *,
    target_label: Any = -1,
) -> tuple[Array, NDArray[Any], Array]:
    """Stack samples of the sources, and of the target, into labelled rows.

    Parameters
    ----------
    sources : sequence or mapping of samples
        One entry per source: an array of shape (n_k, n_features), or a pair of
        such an array and its masses of shape (n_k,). The labels are the keys of a
        mapping, or else 0, 1, ... A matrix H that reweights one common
        sample becomes ``[(X, column) for column in H.T]``.
    target : sample, default=None
        An entry like those of `sources`.
    target_label : object, default=-1
        The label of the rows of `target`.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
        Of dtype object unless all labels are integers.
    sample_weight : ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        If there is no source, if `target_label` names a source, or if a sample
        is not a finite two-dimensional array with as many masses as rows.

    Examples
    --------
    >>> from skwot import stack_sources
    >>> X, y, sample_weight = stack_sources(
    ...     {"left": [[0.0], [1.0]], "right": ([[5.0], [6.0]], [3, 1])},
    ...     target=[[0.5], [5.5]], target_label="target",
    ... )
    >>> y
    array(['left', 'left', 'right', 'right', 'target', 'target'], dtype=object)
    >>> sample_weight
    array([1., 1., 3., 1., 1., 1.])
    """
    named = _named_samples(sources, target, target_label)
    parts = [_points_and_masses(name, sample) for name, sample in named]
    widths = {points.shape[1] for points, _ in parts}
    if len(widths) > 1:
        raise ValueError(
            f"sources and target must have one number of features; got {widths}."
        )
    labels = [
        name
        for (name, _), (points, _) in zip(named, parts, strict=True)
        for _ in points
    ]
    return (
        np.concatenate([points for points, _ in parts]),
        _label_array(labels),
        np.concatenate([masses for _, masses in parts]),
    )


def _named_samples(
    sources: Sequence[Any] | Mapping[Any, Any], target: Any, target_label: Any
) -> list[tuple[Any, Any]]:
    pairs = sources.items() if isinstance(sources, Mapping) else enumerate(sources)
    named = list(pairs)
    if not named:
        raise ValueError("sources must hold at least one sample; got none.")
    if any(name == target_label for name, _ in named):
        raise ValueError(f"target_label={target_label!r} is also the name of a source.")
    return named if target is None else [*named, (target_label, target)]


def _points_and_masses(name: Any, sample: Any) -> tuple[Array, Array]:
    paired = isinstance(sample, tuple) and len(sample) == 2
    points, masses = sample if paired else (sample, None)
    points = check_array(points, dtype=np.float64, input_name=f"the sample of {name!r}")
    if masses is None:
        return points, np.ones(len(points))
    masses = np.asarray(masses, dtype=np.float64)
    if masses.shape != (len(points),):
        raise ValueError(
            f"the masses of {name!r} must have shape ({len(points)},), one per row; "
            f"got {masses.shape}."
        )
    return points, masses


def _label_array(labels: list[Any]) -> NDArray[Any]:
    if all(isinstance(label, int | np.integer) for label in labels):
        return np.array(labels)
    array = np.empty(len(labels), dtype=object)
    array[:] = labels
    return array


class Labels(NamedTuple):
    """Which rows belong to which source, and which to the target.

    Attributes
    ----------
    classes : ndarray of shape (K,)
        Labels of the sources, sorted.
    source : ndarray of shape (n_samples,)
        Index of the row's source; -1 for a row that belongs to none.
    target : ndarray of shape (n_samples,)
        Whether the row belongs to the target.
    """

    classes: NDArray[Any]
    source: NDArray[np.intp]
    target: NDArray[np.bool_]

    @property
    def has_own_target(self) -> bool:
        """Whether the target has rows of its own."""
        return not (self.source[self.target] >= 0).any()

    def shares(self, masses: Array) -> Array:
        """Each source's share of the mass of all sources, shape (K,)."""
        labelled = self.source >= 0
        totals = np.bincount(self.source[labelled], masses[labelled])
        return totals / totals.sum()

    def measures(self, X: Array, masses: Array) -> list[Measure]:
        """Canonical measure of each source."""
        return [
            measure_of_rows(X[rows], masses[rows], f"source {label!r}")
            for k, label in enumerate(self.classes.tolist())
            for rows in [self.source == k]
        ]

    def target_measure(self, X: Array, masses: Array) -> Measure:
        """Canonical measure of the target."""
        return measure_of_rows(X[self.target], masses[self.target], "the target")


def read_labels(y: NDArray[Any], target_label: Any) -> Labels:
    """Tell sources and target apart.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    target_label : object
        Label of the target's rows; if no row has it, every row is the target's.

    Returns
    -------
    Labels

    Raises
    ------
    ValueError
        If no row is labelled as a source's.
    """
    target = _equal(y, target_label)
    if target.all():
        raise ValueError(
            "y must label the rows of at least one source; got target_label="
            f"{target_label!r} on every row."
        )
    labels = y[~target]
    check_classification_targets(labels)
    classes = np.unique(labels)
    source = np.full(len(y), -1)
    source[~target] = np.searchsorted(classes, labels)
    return Labels(classes, source, target if target.any() else ~target)


def _equal(y: NDArray[Any], label: Any) -> NDArray[np.bool_]:
    if not (y.dtype.kind in "biuf" and isinstance(label, Number)):
        y = y.astype(object)  # as which NumPy compares strings with numbers
    return np.asarray(y == label, dtype=bool)


def measure_of_rows(points: Array, masses: Array, name: str) -> Measure:
    """Canonical measure of weighted rows; `name` says whose in the error."""
    if not masses.any():
        raise ValueError(
            f"sample_weight must be positive on some row of {name}; "
            f"got zero on all {len(masses)} rows."
        )
    return canonical_measure(points, masses)


class Target(NamedTuple):
    """A target and its number of rows."""

    measure: Measure
    size: int


def split_groups(X: Array, masses: Array, groups: ArrayLike | None) -> list[Target]:
    """Make a target of the rows of each group, or one of all.

    Parameters
    ----------
    X : ndarray of shape (n_samples, d)
    masses : ndarray of shape (n_samples,)
    groups : array-like of shape (n_samples,) or None

    Returns
    -------
    list of Target
        In the order of ``numpy.unique(groups)``.
    """
    if groups is None:
        return [_target_of_rows(X, masses, "the target")]
    groups = column_or_1d(groups)
    check_consistent_length(X, groups)
    names, group = np.unique(groups, return_inverse=True)
    return [
        _target_of_rows(X[group == k], masses[group == k], f"group {name!r}")
        for k, name in enumerate(names.tolist())
    ]


def _target_of_rows(X: Array, masses: Array, name: str) -> Target:
    return Target(measure_of_rows(X, masses, name), int(np.count_nonzero(masses)))
