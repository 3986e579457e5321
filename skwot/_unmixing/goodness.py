"""Whether a target is a mixture of the sources at all.

Sources are samples themselves, so that even the best mixture of them is some way from
the target. How far a target that is a mixture would be is seen on the sources: they are
split in halves at random, a target is drawn from one half, in the proportions found,
and its loss to the other half is computed. Target and sources are then as independent
as the true ones are. The loss of the target itself is computed to such a half, too.

A target of m rows is drawn with replacement from a source of n rows. Its mean of any
function then varies around that of the source by 1 / n for the choice of the half and
by 1 / m for the draw, in units of the variance, as the target's does around the mean of
a source of which n rows are known. Drawing n rows of the half first adds another 1 / n.
It allows for temperatures, exponents and surcharges, which were learned from these very
rows: without it one in ten p-values of digits was below .05. The semi-relaxed loss is
such a mean. Transport sees also that rows repeat, which takes a target further from the
sources: its p-values are too large.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.parallel import delayed

from skwot._callbacks import Task, run_subtasks
from skwot._ot.measures import Measure, SourceMeasures, row_counts
from skwot._typing import Array, Index
from skwot._unmixing.bootstrap import RowCounts
from skwot._unmixing.problem import Problem
from skwot._unmixing.solve import Settings, solve

_FEWEST = 4  # rows of a source, two for each half


class Comparison(NamedTuple):
    """A loss, and the losses of targets that are mixtures.

    Attributes
    ----------
    statistic : float
    null_distribution : ndarray of shape (n_resamples,)
    """

    statistic: float
    null_distribution: Array


def compare_with_mixtures(
    problem: Problem,
    rows: RowCounts,
    settings: Settings,
    n_resamples: int,
    seed: int,
    n_jobs: int | None,
    parent: Task | None = None,
) -> Comparison:
    """Compute the loss of a target, and of targets that are mixtures of the sources.

    Parameters
    ----------
    problem : Problem
    rows : RowCounts
        Numbers of rows, which have equal masses in each source and in the target.
    settings : Settings
        Of any loss.
    n_resamples : int
    seed : int
    n_jobs : int or None
        The result does not depend on it.
    parent : Task, default=None
        What this is a part of, if anybody wants to know.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        If masses do not count rows, or a source has fewer than four.
    """
    sources = [
        _rows_of(masses, size)
        for masses, size in zip(
            problem.sources.masses.T.toarray(), rows.sources.tolist(), strict=True
        )
    ]
    target = _rows_of(problem.target.masses, rows.target)
    if min(map(len, sources)) < _FEWEST:
        raise ValueError(
            f"goodness_of_fit needs at least {_FEWEST} rows of each source, to split "
            f"them in halves; got {min(map(len, sources))}."
        )
    weights = solve(problem, settings).weights[: len(sources)]
    weights = weights / weights.sum()
    streams = np.random.SeedSequence(seed).spawn(n_resamples + 1)
    draw = _Draw(problem, sources, target, weights)
    calls = (
        delayed(_loss)(draw, settings, stream, number == 0)
        for number, stream in enumerate(streams)
    )
    found = run_subtasks(calls, n_jobs, parent, "losses", len(streams))
    return Comparison(found[0], np.array(found[1:]))


class _Draw(NamedTuple):
    """What a loss is drawn from: atoms of each source's rows, and of the target's."""

    problem: Problem
    sources: list[Index]
    target: Index
    weights: Array


def _rows_of(masses: Array, size: int) -> Index:
    """Atom of each row, if the masses count rows."""
    counts = row_counts(masses, size)
    if counts is None:
        raise ValueError(
            "goodness_of_fit compares samples, in which each row has the same mass; "
            "got other masses, by sample_weight or max_support. Known profiles, such "
            "as spectra, have no chance in them: compare loss_ with their precision."
        )
    return np.repeat(np.arange(len(masses)), counts)


def _loss(
    draw: _Draw, settings: Settings, stream: np.random.SeedSequence, is_observed: bool
) -> float:
    """Loss to one half of the sources: of the target, or of a mixture of the others."""
    rng = np.random.default_rng(stream)
    problem, sources, target, weights = draw
    orders = [rng.permutation(rows) for rows in sources]
    kept = [rows[: (len(rows) + 1) // 2] for rows in orders]
    if is_observed:
        drawn, points = target, problem.target.points
    else:
        counts = rng.multinomial(len(target), weights)
        drawn = np.concatenate(
            [
                rng.choice(rng.choice(rows[(len(rows) + 1) // 2 :], len(rows)), count)
                for rows, count in zip(orders, counts.tolist(), strict=True)
            ]
        )
        points = problem.sources.points
    posed = Problem(
        _sources_of(problem.sources.points, kept),
        _measure_of(points, drawn),
        problem.metric,
        problem.outlier_cost,
        problem.surcharges,
    )
    return solve(posed, settings).value


def _measure_of(points: Array, rows: Index) -> Measure:
    counts = np.bincount(rows, minlength=len(points))
    used = counts > 0
    return Measure(points[used], counts[used] / counts.sum())


def _sources_of(points: Array, rows: list[Index]) -> SourceMeasures:
    counts: NDArray[np.intp] = np.stack(
        [np.bincount(own, minlength=len(points)) for own in rows], axis=1
    )
    used = counts.any(axis=1)
    masses = counts[used] / counts.sum(axis=0)
    return SourceMeasures(points[used], sparse.csr_array(masses))
