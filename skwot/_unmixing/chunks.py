"""A sample in chunks, which need not be in memory together.

A chunk may be lazy: a function without arguments, an object of dask, or a pair of
these. It is read where it is used, in a process of joblib or on a worker of dask.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array

from skwot._checks import is_lazy, is_single, refuse_unreadable
from skwot._compat import check_sample_weight, safe_indexing
from skwot._typing import Array

_ENTRIES = 2**22  # numbers in a chunk of an array, which are 32 MiB


class Chunk(NamedTuple):
    """A part of a sample that is not read yet.

    Attributes
    ----------
    number : int
        Its place in the sample, for messages.
    rows : array-like, data frame, or what it is read from
    masses : array-like, None, or what they are read from
    """

    number: int
    rows: Any
    masses: Any

    def read(self) -> "Rows":
        """Read and check the rows and their masses.

        Raises
        ------
        ValueError
            If the rows are not finite and two-dimensional, or the masses are negative
            or not one a row.
        """
        name = f"chunk {self.number} of X"
        rows, masses = self.rows, self.masses
        if any(map(is_lazy, [rows, masses])):
            raise ValueError(
                f"X must be chunks of dask throughout, or none of them; {name} is "
                f"{type(rows).__name__}, and chunk 0 is no object of dask."
            )
        if callable(rows):
            rows = rows()
        if isinstance(rows, tuple) and len(rows) == 2:
            rows, masses = rows
        refuse_unreadable(**{name: rows, f"the weights of {name}": masses})
        columns = columns_of(rows)
        points = check_array(
            rows, dtype=np.float64, ensure_min_samples=0, input_name=name
        )
        if not len(points):
            return Rows(points, np.empty(0), columns)
        try:
            checked = check_sample_weight(
                masses,
                points,
                dtype=np.float64,
                ensure_non_negative=True,
                allow_all_zero_weights=True,
            )
        except ValueError as error:
            raise ValueError(f"the weights of {name} are wrong: {error}") from error
        return Rows(points, checked, columns)


def columns_of(X: Any) -> list[Any] | None:
    """Names of the columns of a data frame; None for anything else."""
    return list(X.columns) if hasattr(X, "columns") else None


class Rows(NamedTuple):
    """Rows that were read.

    Attributes
    ----------
    points : ndarray of shape (n, d)
    masses : ndarray of shape (n,)
    columns : list or None
        Names of the features, if they have names.
    """

    points: Array
    masses: Array
    columns: list[Any] | None


class Chunks(NamedTuple):
    """All chunks of a sample.

    Attributes
    ----------
    parts : iterable of Chunk
        It may be one that can be gone through only once.
    on_dask : bool
        Whether dask reads them.
    """

    parts: Iterable[Chunk]
    on_dask: bool


def split_chunks(X: Any, sample_weight: ArrayLike | None, least: int) -> Chunks:
    """Divide a sample into chunks.

    Parameters
    ----------
    X : array-like, data frame, dask collection, or iterable of chunks
        A chunk is an array-like, a data frame, a function that returns a chunk, a
        Delayed or a Future of dask, or a pair of one of these and masses.
    sample_weight : array-like of shape (n_samples,), dask collection or None
    least : int
        Number of rows in a chunk of an array, if that is more than 4,194,304 numbers.

    Returns
    -------
    Chunks

    Raises
    ------
    ValueError
        If there are masses beside an iterable of chunks, or they do not fit `X`.
    """
    # A Delayed has every attribute that it is asked for.
    if hasattr(X, "to_delayed") and not is_single(X):
        return Chunks(_number(_blocks(X, sample_weight)), on_dask=True)
    if not (is_lazy(X) or _is_chunks(X)):
        return Chunks(_number(_slices(X, sample_weight, least)), on_dask=False)
    if sample_weight is not None:
        raise ValueError(
            "sample_weight must be None if X is an iterable of chunks, each of which "
            f"may be a pair of rows and weights; got {type(sample_weight).__name__}."
        )
    chunks = iter([X] if is_lazy(X) else X)
    first = list(islice(chunks, 1))
    on_dask = any(is_lazy(part) for chunk in first for part in _as_pair(chunk))
    parts = _number(_as_pair(chunk) for chunk in chain(first, chunks))
    return Chunks(list(parts) if on_dask else parts, on_dask)


def _number(pairs: Iterable[tuple[Any, Any]]) -> Iterator[Chunk]:
    return (Chunk(number, *pair) for number, pair in enumerate(pairs))


def _as_pair(chunk: Any) -> tuple[Any, Any]:
    """Separate a chunk into rows and masses; what is lazy may still be a pair."""
    if isinstance(chunk, tuple) and len(chunk) == 2:
        return chunk
    return chunk, None


def _is_chunks(X: Any) -> bool:
    """Whether a value is an iterable of chunks, and not one of rows."""
    if hasattr(X, "shape") or isinstance(X, str | bytes) or not hasattr(X, "__iter__"):
        return False
    if not isinstance(X, list | tuple):
        return True
    return bool(X) and _is_chunk(_as_pair(X[0])[0])


def _is_chunk(value: Any) -> bool:
    if callable(value) or is_lazy(value) or hasattr(value, "columns"):
        return True
    if isinstance(value, list | tuple):
        return bool(value) and isinstance(value[0], list | tuple | np.ndarray)
    return len(getattr(value, "shape", ())) == 2


def _blocks(X: Any, sample_weight: Any) -> list[tuple[Any, Any]]:
    """Blocks of a dask array, or partitions of a data frame, with their masses."""
    if len(getattr(X, "shape", ())) == 2 and hasattr(X, "numblocks"):
        X = X if X.numblocks[1] == 1 else X.rechunk({1: -1})
    rows = np.ravel(X.to_delayed()).tolist()
    if sample_weight is None:
        return [(block, None) for block in rows]
    if not hasattr(sample_weight, "to_delayed"):
        raise ValueError(
            "sample_weight must be a dask array or series with the chunks of X; "
            f"got {type(sample_weight).__name__}."
        )
    masses = np.ravel(sample_weight.to_delayed()).tolist()
    if len(masses) != len(rows):
        raise ValueError(
            f"sample_weight must have the chunks of X, {len(rows)}; got {len(masses)}."
        )
    return list(zip(rows, masses, strict=True))


def _slices(X: Any, sample_weight: Any, least: int) -> Iterator[tuple[Any, Any]]:
    """Slices of an array or a frame, of a number of rows that depends on `X` alone."""
    rows = X if hasattr(X, "shape") else np.asarray(X)
    if len(rows.shape) != 2:
        raise ValueError(
            f"X must have two dimensions, (n_samples, n_features); got {rows.shape}."
        )
    n_rows, n_features = rows.shape
    masses = None if sample_weight is None else np.asarray(sample_weight)
    if masses is not None and masses.shape != (n_rows,):
        raise ValueError(
            f"sample_weight must have shape ({n_rows},), one a row of X; "
            f"got {masses.shape}."
        )
    size = max(_ENTRIES // max(n_features, 1), least)
    for start in range(0, n_rows, size):
        part = slice(start, start + size)
        yield safe_indexing(rows, part), None if masses is None else masses[part]


def run_on_dask(function: Callable[..., Any], calls: list[tuple[Any, ...]]) -> Any:
    """Compute calls whose chunks are dask's, by dask's scheduler.

    Parameters
    ----------
    function : callable
    calls : list of tuple
        A Chunk, and further arguments.

    Returns
    -------
    tuple
        What the calls return, in their order.
    """
    try:
        import dask
    except ImportError as error:
        raise ImportError(
            'Chunks of dask need the package dask: pip install "skwot[dask]".'
        ) from error
    # Dask looks for its objects among arguments, and not in what they hold.
    lazy = dask.delayed(_call, pure=False)
    return dask.compute(*[lazy(function, *chunk, *rest) for chunk, *rest in calls])


def _call(
    function: Callable[..., Any], number: int, rows: Any, masses: Any, *rest: Any
) -> Any:
    return function(Chunk(number, rows, masses), *rest)
