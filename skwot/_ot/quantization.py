"""Fewer points for a measure, with a bound on what that can cost."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.cluster import k_means
from sklearn.metrics import pairwise_distances_argmin

from skwot._ot.ground_costs import ground_cost
from skwot._ot.measures import Measure, canonical_measure
from skwot._ot.metrics import Metric, facts_of, in_coordinates_of
from skwot._threads import one_thread_of_openmp
from skwot._typing import Array, Index

_SAMPLES_PER_CENTRE = 20  # atoms to which k-means is fitted, per centre
_LLOYD_STEPS = 10


class Quantization(NamedTuple):
    """A measure moved to fewer points.

    Attributes
    ----------
    measure : Measure
        In canonical form.
    cost : float
        What the move costs, at most: mass times ground cost, summed.
    nearest : ndarray of shape (n,)
        Where each atom has gone: a row of the points.
    """

    measure: Measure
    cost: float
    nearest: Index


def quantize(
    measure: Measure,
    n_points: int | None,
    metric: Metric,
    random_state: np.random.RandomState,
) -> Quantization:
    """Move the atoms of a measure to at most `n_points` centres found by k-means.

    The centres are fitted to a sample of the atoms; then every atom goes to its
    nearest centre and each centre to the mean of its atoms. Features count as much as
    the metric makes them.

    Parameters
    ----------
    measure : Measure
    n_points : int or None
        A measure with no more atoms than this is left as it is.
    metric : Metric
        Ground cost in which the move is paid.
    random_state : RandomState

    Returns
    -------
    Quantization
    """
    points, masses = measure
    if n_points is None or len(points) <= n_points:
        return Quantization(measure, 0.0, np.arange(len(points)))
    coordinates = in_coordinates_of(metric, points)
    nearest = _nearest_mean(coordinates, masses, n_points, random_state)
    total = np.bincount(nearest, masses).astype(np.float64)
    sums = [np.bincount(nearest, masses * column) for column in points.T]
    centres = np.column_stack(sums) / total[:, None]
    cost = _cost_of_move(points, masses, centres, nearest, metric)
    # Rows that are sorted, and equal ones merged, are those of the canonical form.
    _, rank = np.unique(centres + 0.0, axis=0, return_inverse=True)
    # NumPy 2.0 gives the inverse a second axis.
    rank = rank.reshape(-1)
    return Quantization(canonical_measure(centres, total), cost, rank[nearest])


def move_to(measure: Measure, points: Array, metric: Metric) -> tuple[Array, float]:
    """Move each atom of a measure to the nearest of some points.

    Nearest in Euclidean distance, after the features are scaled as the metric scales
    them.

    Parameters
    ----------
    measure : Measure
    points : ndarray of shape (n_points, d)
    metric : Metric
        Ground cost in which the move is paid.

    Returns
    -------
    masses : ndarray of shape (n_points,)
    cost : float
        What the move costs: mass times ground cost, summed.
    """
    nearest = _nearest(
        in_coordinates_of(metric, measure.points), in_coordinates_of(metric, points)
    )
    masses = np.bincount(nearest, measure.masses, minlength=len(points))
    reached, number = np.unique(nearest, return_inverse=True)
    return masses.astype(np.float64), _cost_of_move(
        *measure, points[reached], number, metric
    )


# The sums of k-means depend on the number of threads.
@one_thread_of_openmp
def _nearest_mean(
    points: Array, masses: Array, n_points: int, random_state: np.random.RandomState
) -> Index:
    size = min(len(points), _SAMPLES_PER_CENTRE * n_points)
    chosen = random_state.choice(len(points), size, replace=False)
    centres, _, _ = k_means(
        points[chosen],
        n_points,
        init="random",
        sample_weight=masses[chosen],
        n_init=1,
        max_iter=_LLOYD_STEPS,
        random_state=random_state,
    )
    return np.unique(_nearest(points, centres), return_inverse=True)[1]


# So does, among equally near ones, which is found first.
@one_thread_of_openmp
def _nearest(points: Array, centres: Array) -> Index:
    return np.asarray(pairwise_distances_argmin(points, centres), dtype=np.intp)


def _cost_of_move(
    points: Array,
    masses: Array,
    centres: Array,
    nearest: Index,
    metric: Metric,
) -> float:
    order = np.argsort(nearest, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(nearest))[:-1])
    return sum(
        float(masses[group] @ ground_cost(points[group], centres[[k]], metric)[:, 0])
        for k, group in enumerate(groups)
    )


def cost_of_moves(moves: Sequence[float], metric: Metric) -> float:
    """Bound on the transport cost of one move after another.

    Parameters
    ----------
    moves : sequence of float
        What each of them costs.
    metric : Metric

    Returns
    -------
    float
        NaN for several moves at a cost that is not known to obey the triangle
        inequality.
    """
    paid = [cost for cost in moves if cost != 0]
    return paid[0] if len(paid) == 1 else loss_error(0.0, paid, metric)


def loss_error(loss: float, moves: Sequence[float], metric: Metric) -> float:
    """Bound on the change of the transport cost when both its measures have moved.

    By the triangle inequality a distance changes by no more than the moves cost. For
    the square of a distance that holds for the root, such as W2.

    Parameters
    ----------
    loss : float
        Transport cost between the moved measures.
    moves : sequence of float
        What each move of either of the two cost.
    metric : Metric

    Returns
    -------
    float
        NaN for a cost that is not known to obey the triangle inequality.
    """
    if not any(moves):
        return 0.0
    facts = facts_of(metric)
    if facts.square:
        moved = np.sqrt(moves).sum()
        return float(moved**2 + 2 * moved * np.sqrt(loss))
    return float(sum(moves)) if facts.triangle else np.nan
