import sys

import dask
import dask.array
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from skwot._unmixing.chunks import Chunk, run_on_dask, split_chunks

ROWS = np.arange(12.0).reshape(6, 2)
MASSES = np.arange(1.0, 7.0)


def read(X, sample_weight=None):
    chunks = split_chunks(X, sample_weight, 1)
    if chunks.on_dask:
        return run_on_dask(Chunk.read, [(part,) for part in chunks.parts])
    return [part.read() for part in chunks.parts]


def joined(chunks):
    points, masses, _ = zip(*chunks, strict=True)
    return np.concatenate(points), np.concatenate(masses)


SAMPLES = {
    "an array": ROWS,
    "lists": ROWS.tolist(),
    "a frame of pandas": pd.DataFrame(ROWS, columns=["a", "b"]),
    "a frame of polars": pl.DataFrame(ROWS, schema=["a", "b"]),
    "a list of arrays": [ROWS[:2], ROWS[2:]],
    "a list of lists": [ROWS[:2].tolist(), ROWS[2:].tolist()],
    "a tuple of frames": (pd.DataFrame(ROWS[:2]), pd.DataFrame(ROWS[2:])),
    "functions": [lambda: ROWS[:2], lambda: (ROWS[2:], None)],
    "pairs": [(ROWS[:2], None), (ROWS[2:], np.ones(4))],
    "a chunk of no rows": [ROWS[:0], ROWS],
    "a Delayed": dask.delayed(ROWS),
    "a list of Delayed": [dask.delayed(ROWS[:2]), dask.delayed((ROWS[2:], None))],
    "Delayed pairs": [(dask.delayed(ROWS), dask.delayed(np.ones(6)))],
    "an array of dask": dask.array.from_array(ROWS, chunks=(4, 2)),
    "an array of dask in columns": dask.array.from_array(ROWS, chunks=(4, 1)),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_all_kinds_of_samples_are_the_same_rows(name):
    points, masses = joined(read(SAMPLES[name]))
    assert_array_equal(points, ROWS)
    assert_array_equal(masses, np.ones(6))


def test_an_iterator_is_gone_through_once():
    points, _ = joined(read(iter([ROWS[:2], ROWS[2:]])))
    assert_array_equal(points, ROWS)


@pytest.mark.parametrize(
    ("X", "sample_weight"),
    [
        (ROWS, MASSES),
        (ROWS, MASSES.tolist()),
        (pd.DataFrame(ROWS), pd.Series(MASSES)),
        ([(ROWS[:2], MASSES[:2]), (ROWS[2:], MASSES[2:])], None),
        ([lambda: (ROWS, MASSES)], None),
        ([dask.delayed((ROWS, MASSES))], None),
        (
            dask.array.from_array(ROWS, chunks=(4, 2)),
            dask.array.from_array(MASSES, chunks=4),
        ),
    ],
)
def test_masses_come_with_their_rows(X, sample_weight):
    points, masses = joined(read(X, sample_weight))
    assert_array_equal(points, ROWS)
    assert_array_equal(masses, MASSES)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
def test_an_array_is_cut_by_its_shape_alone(dtype, tmp_path):
    shape = 30, 2**18
    stored = np.memmap(tmp_path / "rows", dtype=dtype, mode="w+", shape=shape)
    chunks = split_chunks(stored, None, 1)
    assert not chunks.on_dask
    parts = list(chunks.parts)
    assert [part.number for part in parts] == [0, 1]
    assert [len(part.rows) for part in parts] == [16, 14]
    assert all(isinstance(part.rows, np.memmap) for part in parts)  # still on the disk
    (whole,) = split_chunks(stored, None, 40).parts
    assert len(whole.rows) == 30


def test_an_iterator_is_not_read_ahead():
    taken = []

    def chunks():
        for number in range(5):
            taken.append(number)
            yield ROWS

    parts = iter(split_chunks(chunks(), None, 1).parts)
    assert len(taken) == 1  # to know whether the chunks are of dask
    next(parts)
    next(parts)
    assert len(taken) == 2


def test_names_of_columns_are_kept():
    (frame,) = read(pd.DataFrame(ROWS, columns=["a", "b"]))
    assert frame.columns == ["a", "b"]
    (array,) = read(ROWS)
    assert array.columns is None


@pytest.mark.parametrize(
    ("X", "sample_weight", "message"),
    [
        (ROWS[0], None, r"X must have two dimensions, .*; got \(2,\)"),
        ([], None, r"X must have two dimensions, .*; got \(0,\)"),
        (7.0, None, "X must have two dimensions"),
        (ROWS, MASSES[:3], r"sample_weight must have shape \(6,\), .*; got \(3,\)"),
        ([ROWS], MASSES, "sample_weight must be None if X is an iterable of chunks"),
        (dask.delayed(ROWS), MASSES, "sample_weight must be None"),
        ([ROWS, ROWS * np.nan], None, "Input chunk 1 of X contains NaN"),
        ([ROWS, ROWS[0]], None, "Expected 2D array, got 1D array"),
        ([(ROWS, -MASSES)], None, "the weights of chunk 0 of X are wrong: Negative"),
        ([(ROWS, MASSES[:2])], None, "the weights of chunk 0 of X are wrong: .*shape"),
        (
            [ROWS, dask.delayed(ROWS)],
            None,
            "X must be chunks of dask throughout, or none of them; chunk 1 of X is",
        ),
        (
            [np.ma.masked_less(ROWS, 3)],
            None,
            "chunk 0 of X must have no masked entries; got 3",
        ),
        (
            dask.array.from_array(ROWS, chunks=(4, 2)),
            MASSES,
            "sample_weight must be a dask array or series with the chunks of X; got",
        ),
        (
            dask.array.from_array(ROWS, chunks=(4, 2)),
            dask.array.from_array(MASSES, chunks=2),
            "sample_weight must have the chunks of X, 2; got 3",
        ),
    ],
)
def test_what_is_wrong_is_named(X, sample_weight, message):
    with pytest.raises(ValueError, match=message):
        read(X, sample_weight)


def test_sparse_rows_are_refused_as_everywhere():
    with pytest.raises(TypeError, match="Sparse data was passed for chunk 0 of X"):
        read(sparse.csr_array(ROWS))


def test_without_dask_its_chunks_are_an_error_that_says_so(monkeypatch):
    chunks = split_chunks([dask.delayed(ROWS)], None, 1)
    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(ImportError, match=r"pip install \"skwot\[dask\]\""):
        run_on_dask(Chunk.read, [(part,) for part in chunks.parts])
