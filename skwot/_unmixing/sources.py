"""Labelled rows from separate samples."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import check_array

from skwot._checks import refuse_lazy, refuse_unreadable
from skwot._frames import library_of
from skwot._typing import Array
from skwot._unmixing.labels import as_objects
from skwot._unmixing.results import QuantizationResult


def stack_sources(
    sources: Sequence[Any] | Mapping[Any, Any],
    target: Any = None,
    *,
    target_label: Any = -1,
) -> tuple[Any, ...]:
    """Stack samples of the sources, and of the target, into labelled rows.

    Parameters
    ----------
    sources : sequence or mapping of samples
        One entry per source: an array, data frame or sparse matrix of shape (n_k,
        n_features), a pair (tuple) of that and its masses of shape (n_k,), or what
        :func:`quantize` returns. The labels are the keys of a mapping, or else 0, 1,
        ... A matrix H that reweights one common sample becomes ``[(X, column) for
        column in H.T]``.
    target : sample, default=None
        An entry like those of `sources`.
    target_label : object, default=-1
        The label of the rows of `target`.

    Returns
    -------
    X : ndarray, data frame or sparse matrix of shape (n_samples, n_features)
        Of the kind that the samples are: frames of pandas or polars stay frames.
    y : ndarray of shape (n_samples,)
        Of dtype object unless all labels are integers.
    sample_weight : ndarray of shape (n_samples,)
        The masses; ones where none were given.
    quantization_error : ndarray of shape (n_samples,)
        The error of each row's sample, zero if it was not quantised. It is returned
        only if a sample is what :func:`quantize` returns. As the fourth argument of
        :meth:`WassersteinUnmixer.fit` it makes ``fit(*stack_sources(...))`` work
        always.

    Raises
    ------
    ValueError
        If there is no source, or one array in place of several samples; if
        `target_label` names a source, if the columns of
        frames differ or are in another order, or if an array is not finite and
        two-dimensional with as many masses as rows.

    See Also
    --------
    WassersteinUnmixer.fit : Takes what this returns.
    quantize : Moves a sample that is too large to fewer points.

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
    names = [name for name, _ in named]
    sizes = [len(masses) for _, masses in parts]
    labels = [
        name for name, size in zip(names, sizes, strict=True) for _ in range(size)
    ]
    stacked = (
        _concatenate(names, [points for points, _ in parts]),
        _label_array(labels),
        np.concatenate([masses for _, masses in parts]),
    )
    samples = [sample for _, sample in named]
    if not any(isinstance(sample, QuantizationResult) for sample in samples):
        return stacked
    errors = [
        sample.error if isinstance(sample, QuantizationResult) else 0.0
        for sample in samples
    ]
    return (*stacked, np.repeat(errors, sizes))


def _named_samples(
    sources: Sequence[Any] | Mapping[Any, Any], target: Any, target_label: Any
) -> list[tuple[Any, Any]]:
    if hasattr(sources, "shape"):
        raise ValueError(
            "sources must be a list or a dict of samples, one a source; got a single "
            f"{type(sources).__name__} of shape {tuple(sources.shape)}. Rows that are "
            "labelled already go into fit as they are, with y the source of each."
        )
    pairs = sources.items() if isinstance(sources, Mapping) else enumerate(sources)
    named = list(pairs)
    if not named:
        raise ValueError("sources must hold at least one sample; got none.")
    if any(name == target_label for name, _ in named):
        raise ValueError(f"target_label={target_label!r} is also the name of a source.")
    return named if target is None else [*named, (target_label, target)]


def _points_and_masses(name: Any, sample: Any) -> tuple[Any, Array]:
    if isinstance(sample, QuantizationResult):
        sample = sample.points, sample.weights
    paired = isinstance(sample, tuple) and len(sample) == 2
    points, masses = sample if paired else (sample, None)
    refuse_lazy(f"the sample of {name!r}", points)
    refuse_unreadable(**{f"the sample of {name!r}": points})
    if not (hasattr(points, "columns") or sparse.issparse(points)):
        points = check_array(
            points, dtype=np.float64, input_name=f"the sample of {name!r}"
        )
    if masses is None:
        return points, np.ones(points.shape[0])
    masses = np.asarray(masses, dtype=np.float64)
    if masses.shape != points.shape[:1]:
        raise ValueError(
            f"the masses of {name!r} must have shape ({points.shape[0]},), one per "
            f"row; got {masses.shape}."
        )
    return points, masses


def _concatenate(names: list[Any], samples: list[Any]) -> Any:
    """Put samples of one kind below each other, and refuse what does not fit."""
    kinds = {type(sample).__name__ for sample in samples}
    if sum(hasattr(sample, "columns") for sample in samples) not in (0, len(samples)):
        raise ValueError(
            f"sources and target must all be data frames or none; got {sorted(kinds)}."
        )
    widths = {sample.shape[1] for sample in samples}
    if len(widths) > 1:
        raise ValueError(
            f"sources and target must have one number of features; got {widths}."
        )
    if hasattr(samples[0], "columns"):
        return _concatenate_frames(names, samples)
    if any(sparse.issparse(sample) for sample in samples):
        return sparse.vstack(samples, format="csr")
    return np.concatenate(samples)


def _concatenate_frames(names: list[Any], frames: list[Any]) -> Any:
    """Concatenate frames of pandas or polars whose columns are the same."""
    columns = [list(frame.columns) for frame in frames]
    for name, own in zip(names, columns, strict=True):
        if own != columns[0]:
            kind = "another order" if set(own) == set(columns[0]) else "other names"
            raise ValueError(
                f"the columns of {name!r} have {kind} than those of {names[0]!r}: "
                f"got {own}, expected {columns[0]}."
            )
    stacked = import_module(library_of(frames[0])).concat(frames)
    # The rows of pandas keep the labels that they had, which may repeat.
    reset = getattr(stacked, "reset_index", None)
    return stacked if reset is None else reset(drop=True)


def _label_array(labels: list[Any]) -> NDArray[Any]:
    if all(isinstance(label, int | np.integer) for label in labels):
        return np.array(labels)
    return as_objects(labels)
