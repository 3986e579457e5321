"""Columns of labels, read as they were given, and what they say of each row."""

from collections.abc import Iterable
from numbers import Number
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from skwot._checks import refuse_unreadable
from skwot._compat import check_sample_weight
from skwot._ot.measures import Measure, canonical_measure, without_overflow
from skwot._typing import Array, Index, Mask
from skwot._warnings import warn_user

# A source of such a name is asked about, if no row is marked as the target's.
_NAMES_OF_TARGETS = frozenset(
    {"target", "mixture", "unknown", "unlabelled", "unlabeled"}
)


_Value = TypeVar("_Value")


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
    source: Index
    target: Mask

    @property
    def has_own_target(self) -> bool:
        """Whether the target has rows of its own."""
        return not (self.source[self.target] >= 0).any()

    def shares(self, masses: Array) -> Array:
        """Each source's share of the mass of all sources, shape (K,)."""
        labelled = self.source >= 0
        own = without_overflow(masses[labelled])
        totals = np.bincount(self.source[labelled], own)
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

    def averages(self, values: Array, masses: Array) -> tuple[Array, float]:
        """Mean of each source's values, of shape (K,), and of the target's."""
        samples = [self.source == k for k in range(len(self.classes))] + [self.target]
        *of_sources, of_target = [
            float(np.average(values[rows], weights=without_overflow(masses[rows])))
            for rows in samples
        ]
        return np.array(of_sources), of_target


def measure_of_rows(points: Array, masses: Array, name: str) -> Measure:
    """Canonical measure of weighted rows; `name` says whose in the error."""
    if not masses.any():
        raise ValueError(
            f"sample_weight must be positive on some row of {name}; "
            f"got zero on all {len(masses)} rows."
        )
    return canonical_measure(points, masses)


def read_column(values: ArrayLike, name: str) -> NDArray[Any]:
    """Read labels without making them all of one type.

    NumPy would make strings of the numbers in ``["a", "b", -1]``.

    Parameters
    ----------
    values : array-like of shape (n,)
    name : str
        Of the parameter, for the messages.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    ValueError
        If a label is missing: None, NaN, NaT or pandas' NA.
    """
    refuse_unreadable(**{name: values})
    if (
        isinstance(values, list | tuple)
        and len({isinstance(v, str) for v in values}) == 2
    ):
        column = as_objects(values)
    else:
        column = column_or_1d(values, warn=True)
    missing = _is_missing(column)
    if missing.any():
        raise ValueError(
            f"{name} must have no missing labels (None, NaN or NA); got "
            f"{np.count_nonzero(missing)} of {len(column)}, the first in row "
            f"{int(missing.argmax())}."
        )
    return column


def as_objects(values: Iterable[Any]) -> NDArray[np.object_]:
    """Put values into an array of one dimension, whatever they are."""
    values = list(values)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _is_missing(column: NDArray[Any]) -> Mask:
    if column.dtype.kind in "fcmM":
        return np.isnan(column)
    if column.dtype.kind != "O":
        return np.zeros(len(column), bool)
    return np.fromiter(map(_is_no_label, column), bool, len(column))


def _is_no_label(value: Any) -> bool:
    """Whether a value is None or not equal to itself; pandas' NA cannot tell."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        return True


def sorted_labels(column: NDArray[Any], name: str) -> tuple[NDArray[Any], Index]:
    """Sort the distinct labels, and find each row's.

    Parameters
    ----------
    column : ndarray of shape (n,)
    name : str
        Of the parameter, for the message.

    Returns
    -------
    labels : ndarray of shape (n_labels,)
    index : ndarray of shape (n,)

    Raises
    ------
    ValueError
        If they cannot be sorted, because they are of several types.
    """
    try:
        labels, index = np.unique(column, return_inverse=True)
    except TypeError:
        types = sorted({type(value).__name__ for value in column.tolist()})
        raise ValueError(
            f"{name} must have labels of one type, which can be sorted; "
            f"got {' and '.join(types)}."
        ) from None
    return labels, index


def read_labels(y: NDArray[Any], target_label: Any) -> Labels:
    """Tell sources and target apart.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        As :func:`read_column` reads it.
    target_label : object
        Label of the target's rows; if no row has it, every row is the target's.

    Returns
    -------
    Labels

    Raises
    ------
    ValueError
        If no row is labelled as a source's, or if `target_label` is no single label or
        seems to be misspelt.
    """
    if np.ndim(target_label) or _is_no_label(target_label):
        raise ValueError(
            f"target_label must be a single label that is not missing; "
            f"got {target_label!r}."
        )
    target = _equal(y, target_label)
    if target.all():
        raise ValueError(
            "y must label the rows of at least one source; got target_label="
            f"{target_label!r} on every row."
        )
    labels = y[~target]
    if labels.dtype == object and not any(isinstance(v, str) for v in labels):
        labels = np.array(labels.tolist())  # numbers, where the target had a name
    classes, index = sorted_labels(labels, "y")
    check_classification_targets(labels)
    source = np.full(len(y), -1)
    source[~target] = index
    if not target.any():
        _ask_for_the_target(classes, target_label)
    if target.any() and classes.tolist() == [1] and target_label == -1:
        warn_user(
            "y has the labels 1 and -1 only: the rows labelled -1 are the target, and "
            "the single source 1 has weight 1 whatever they are. Set another "
            "target_label if -1 is one of your classes.",
            UserWarning,
        )
    return Labels(classes, source, target if target.any() else ~target)


def _ask_for_the_target(classes: NDArray[Any], target_label: Any) -> None:
    """Refuse labels that seem to be `target_label`, where no row has that itself."""
    for label in classes.tolist():
        if _resembles(label, target_label, classes.dtype):
            raise ValueError(
                f"No row of y has target_label={target_label!r}, but rows have the "
                f"label {label!r}. Set target_label={label!r} if they are the target, "
                "or another label that no row has if they are a source."
            )
        if _spelt(label) in _NAMES_OF_TARGETS:
            warn_user(
                f"No row of y has target_label={target_label!r}, so that {label!r} is "
                f"one of the sources. Set target_label={label!r} if its rows are the "
                "target.",
                UserWarning,
            )


def _resembles(label: Any, target_label: Any, dtype: np.dtype[Any]) -> bool:
    """Whether a label is another spelling, or what is left of a negative number."""
    if dtype.kind == "u" and isinstance(target_label, int) and target_label < 0:
        return bool(label == target_label % 2 ** (8 * dtype.itemsize))
    try:
        return float(label) == float(target_label)
    except (TypeError, ValueError):
        return _spelt(label) == _spelt(target_label)


def _spelt(label: Any) -> str:
    return str(label).strip().casefold()


def _equal(y: NDArray[Any], label: Any) -> Mask:
    if not (y.dtype.kind in "biuf" and isinstance(label, Number)):
        y = y.astype(object)  # as which NumPy compares strings with numbers
    return np.asarray(y == label, dtype=bool)


def known_shares(
    y: ArrayLike, classes: NDArray[Any], masses: ArrayLike | None = None
) -> Array:
    """Share of each source in rows whose labels are known.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
    classes : ndarray of shape (K,)
    masses : array-like of shape (n_samples,), default=None
        Of the rows; equal if None.

    Returns
    -------
    ndarray of shape (K,)

    Raises
    ------
    ValueError
        If a label is none of the classes.
    """
    labels = read_column(y, "y")
    own = labels[:, None] == np.asarray(classes, dtype=object)
    unknown = ~own.any(axis=1)
    if unknown.any():
        raise ValueError(
            f"y must hold labels of the fitted sources, {classes.tolist()}; "
            f"got {labels[unknown].tolist()[0]!r}."
        )
    weights = check_sample_weight(masses, labels, dtype=np.float64)
    return np.asarray(own.T @ (weights / weights.sum()))


class Target(NamedTuple):
    """A target and its number of rows."""

    measure: Measure
    size: int


class Batch(NamedTuple):
    """Targets with their names.

    Attributes
    ----------
    names : ndarray of shape (n_groups,) or None
        Sorted. None for one target without a name.
    targets : list of Target or None
        None for a group without mass.
    """

    names: NDArray[Any] | None
    targets: list[Target | None]

    @property
    def with_mass(self) -> list[Target]:
        """The targets that have mass."""
        return [target for target in self.targets if target is not None]

    def fill(self, values: list[_Value], missing: _Value) -> list[_Value]:
        """Complete values of the targets with mass by one for each of the others."""
        rest = iter(values)
        return [missing if target is None else next(rest) for target in self.targets]


def split_groups(X: Array, masses: Array, groups: ArrayLike | None) -> Batch:
    """Make a target of the rows of each group, or one of all.

    Parameters
    ----------
    X : ndarray of shape (n_samples, d)
    masses : ndarray of shape (n_samples,)
    groups : array-like of shape (n_samples,) or None

    Returns
    -------
    Batch

    Raises
    ------
    ValueError
        If `groups` has another length or missing labels, or if all rows are one target
        and have no mass.
    """
    if groups is None:
        measure = measure_of_rows(X, masses, "the target")
        return Batch(None, [Target(measure, int(np.count_nonzero(masses)))])
    column = read_column(groups, "groups")
    if len(column) != len(X):
        raise ValueError(
            f"groups must have one entry a row of X, {len(X)}; got {len(column)}."
        )
    names, group = sorted_labels(column, "groups")
    order = np.argsort(group, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(group))[:-1])
    return Batch(names, [_target_of_rows(X[rows], masses[rows]) for rows in parts])


def _target_of_rows(X: Array, masses: Array) -> Target | None:
    size = int(np.count_nonzero(masses))
    return Target(canonical_measure(X, masses), size) if size else None
