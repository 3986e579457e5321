"""Chunks of a sample moved to fewer points, and joined."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from skwot._ot.measures import canonical_measure
from skwot._ot.metrics import Metric, check_domain, read_metric
from skwot._ot.quantization import cost_of_moves, move_to, quantize
from skwot._typing import Array
from skwot._unmixing.chunks import Chunk
from skwot._unmixing.results import QuantizationResult


class Goal(NamedTuple):
    """What rows are moved to.

    Attributes
    ----------
    points : ndarray of shape (n_points, d) or None
        These, if they are given,
    max_support : int or None
        or else at most so many centres.
    metric : str or callable
    metric_params : dict or None
    columns : list or None
        Names of the features of the points, if they have names.
    """

    points: Array | None
    max_support: int | None
    metric: str | Callable[..., Any]
    metric_params: dict[str, Any] | None
    columns: list[Any] | None = None

    def metric_between(self, points: Array) -> Metric:
        """Read the metric, and refuse points that it is not for."""
        metric = read_metric(self.metric, self.metric_params, points.shape[1])
        check_domain(points, metric)
        return metric


class Moved(NamedTuple):
    """Some rows after their move.

    Attributes
    ----------
    points : ndarray of shape (n_points, d)
    masses : ndarray of shape (n_points,)
        Which are not normalised.
    cost : float
        Mass times ground cost, summed.
    columns : list or None
        Names of the features, if they have names.
    """

    points: Array
    masses: Array
    cost: float
    columns: list[Any] | None = None


def seeds_of(goal: Goal, random_state: np.random.RandomState) -> Iterator[int]:
    """Draw the seed of one chunk after the other, if anything is random.

    Parameters
    ----------
    goal : Goal
    random_state : RandomState

    Yields
    ------
    int
        Zero if the points are given.
    """
    while True:
        given = goal.points is not None
        yield 0 if given else random_state.randint(np.iinfo(np.int32).max)


def move_chunk(chunk: Chunk, goal: Goal, seed: int) -> Moved | None:
    """Read a chunk, and move its rows.

    Parameters
    ----------
    chunk : Chunk
    goal : Goal
    seed : int
        Of k-means.

    Returns
    -------
    Moved or None
        None if the chunk has no mass.

    Raises
    ------
    ValueError
        If it cannot be read, or has other features than the points of the goal.
    """
    points, masses, columns = chunk.read()
    if not masses.any():
        return None
    if goal.points is not None and goal.points.shape[1] != points.shape[1]:
        raise ValueError(
            f"points must have the features of X, {points.shape[1]}; got the shape "
            f"{goal.points.shape}."
        )
    if None not in (goal.columns, columns) and goal.columns != columns:
        raise ValueError(
            "points must have the columns of X in the same order; got "
            f"{goal.columns}, expected {columns}."
        )
    metric = goal.metric_between(points)
    moved = _move(points, masses, goal, metric, np.random.RandomState(seed))
    return moved._replace(columns=columns)


def _move(
    points: Array,
    masses: Array,
    goal: Goal,
    metric: Metric,
    random_state: np.random.RandomState,
) -> Moved:
    measure, total = canonical_measure(points, masses), float(masses.sum())
    if goal.points is not None:
        shares, cost = move_to(measure, goal.points, metric)
        return Moved(goal.points, total * shares, total * cost)
    found = quantize(measure, goal.max_support, metric, random_state)
    centres, shares = found.measure
    return Moved(centres, total * shares, total * found.cost)


def merge(
    parts: Sequence[Moved], goal: Goal, random_state: np.random.RandomState
) -> QuantizationResult:
    """Join what chunks were moved to, and move it once more if centres were free.

    Parameters
    ----------
    parts : sequence of Moved
    goal : Goal
    random_state : RandomState

    Returns
    -------
    QuantizationResult

    Raises
    ------
    ValueError
        If there is nothing to join, or chunks differ in their features.
    """
    if not parts:
        raise ValueError("X must have a row with mass; got none.")
    _check_features(parts)
    masses = [part.masses for part in parts]
    with np.errstate(over="ignore"):
        total = float(np.sum([own.sum() for own in masses]))
    if not np.isfinite(total):
        raise ValueError("The weights of X must have a finite sum; got one too large.")
    paid = sum(part.cost for part in parts) / total
    if goal.points is not None:
        return QuantizationResult(goal.points, np.sum(masses, axis=0), paid)
    if len(parts) == 1:
        return QuantizationResult(parts[0].points, masses[0], paid)
    points = np.concatenate([part.points for part in parts])
    metric = goal.metric_between(points)
    moved = _move(points, np.concatenate(masses), goal, metric, random_state)
    error = cost_of_moves([paid, moved.cost / total], metric)
    return QuantizationResult(moved.points, moved.masses, error)


def _check_features(parts: Sequence[Moved]) -> None:
    """Refuse chunks whose features differ, in number, name or order."""
    widths = sorted({part.points.shape[1] for part in parts})
    if len(widths) > 1:
        raise ValueError(
            f"The chunks of X must have one number of features; got {widths}."
        )
    for part in parts:
        if part.columns != parts[0].columns:
            raise ValueError(
                "The chunks of X must have the same columns in the same order; got "
                f"{parts[0].columns} and {part.columns}."
            )
