"""Temperature and surcharges of the semi-relaxed loss, learned from the sources.

Some rows of the sources are classified by the kernel densities of all others: each is
left out of its own source. With equal prior shares the probability of source k at row
j is proportional to ``L_jk exp(-s_k / eps)``. The temperature eps and the surcharges s
are those of the least log-loss. In s that is convex, and where it is least the sources,
each row left out, are unmixed to their own shares: without surcharges a source that is
more dispersed, or has fewer rows, would get too little (bias-corrected calibration;
Alexandari, Kundaje & Shrikumar, 2020).
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from skwot._ot.ground_costs import ground_cost
from skwot._ot.measures import Measure, SourceMeasures, quantile_atoms
from skwot._ot.metrics import Metric
from skwot._typing import Array, Index

# Temperatures that are tried, as fractions of the mean cost.
_FRACTIONS = 2.0 ** -np.arange(0.0, 10.5, 0.5)
_DEFAULT = 0.05  # where a single source, or sources of single points, tell nothing
_ROWS = 1000  # that are classified, of all sources together,
_ROWS_OF_EACH = 20  # or of each source, if that is more
_BLOCK_ENTRIES = 1_000_000  # of costs that are held at a time
_ROUNDING = 1e-9  # by which masses that are equal may differ
_TINY = 1e-300  # replaces densities that underflow


class Calibration(NamedTuple):
    """What the sources tell of the semi-relaxed loss.

    Attributes
    ----------
    temperature : float
        In units of the ground cost.
    surcharges : ndarray of shape (K,)
        Cost of a unit of mass of each source, in units of the ground cost; the least is
        zero.
    soft_costs : ndarray of shape (r,)
        Of rows of the sources, under their own source without them: minus the
        temperature times the log density.
    """

    temperature: float
    surcharges: Array
    soft_costs: Array


class _HeldOut(NamedTuple):
    """Rows that are classified.

    Attributes
    ----------
    points : ndarray of shape (r, d)
    source : ndarray of shape (r,)
        Whose row it is.
    atom : ndarray of shape (r,)
        Its atom among all sources'; -1 if it is none, because they were quantised.
    removed : ndarray of shape (r,)
        What leaving the row out takes of its source's mass.
    """

    points: Array
    source: Index
    atom: Index
    removed: Array


def calibrate(
    sources: list[Measure],
    stacked: SourceMeasures,
    metric: Metric,
    reg: str | float,
    *,
    debias: bool,
) -> Calibration:
    """Choose the temperature and the surcharges.

    Parameters
    ----------
    sources : list of K Measure
        As they were given.
    stacked : SourceMeasures
        As they are solved: some may be quantised.
    metric : Metric
    reg : "auto" or float
        The temperature as a fraction of the mean cost between points of the sources.
    debias : bool
        Whether there are surcharges.

    Returns
    -------
    Calibration
    """
    n_sources = len(sources)
    rows = _hold_out(sources, stacked)
    step = -(-len(rows.points) * len(stacked.points) // _BLOCK_ENTRIES)
    some = rows.points[::step]
    mean = float(ground_cost(stacked.points, some, metric).mean()) or 1.0
    fractions = _FRACTIONS if reg == "auto" else np.array([float(reg)])
    if not rows.removed.any():
        # Sources of single points, or whose centres are all that is known.
        debias = debias and bool((rows.atom < 0).any())
        fractions = np.array([_DEFAULT]) if reg == "auto" else fractions
    least, logs = _log_densities(rows, stacked, metric, fractions * mean)
    found = [_least_log_loss(log, rows.source, debias=debias) for log in logs]
    best = int(np.argmin([loss for loss, _ in found]))
    if reg == "auto" and n_sources == 1:
        best = int(abs(fractions - _DEFAULT).argmin())
    temperature = float(fractions[best] * mean)
    surcharges = -temperature * found[best][1]
    surcharges -= surcharges.min()
    own = logs[best][np.arange(len(rows.source)), rows.source]
    soft_costs = least - temperature * own + surcharges[rows.source]
    return Calibration(temperature, surcharges, soft_costs)


def _hold_out(sources: list[Measure], stacked: SourceMeasures) -> _HeldOut:
    """Take rows at even quantiles of each source's mass."""
    size = max(_ROWS_OF_EACH, _ROWS // len(sources))
    columns = stacked.masses.tocsc()
    parts = []
    for k, (points, masses) in enumerate(sources):
        chosen = np.arange(len(masses))
        if len(masses) > size:
            chosen = quantile_atoms(masses, size)
        own = columns.indices[columns.indptr[k] : columns.indptr[k + 1]]
        whole = len(own) == len(masses)
        # A row's mass, where all rows have the same and are distinct. What rounding
        # would leave of an atom would know itself.
        row = (1 + _ROUNDING) * float(masses @ masses)
        removed = np.minimum(masses, row)[chosen] * whole
        atoms = own[chosen] if whole else np.full(len(chosen), -1)
        # A source of a single point is known, not sampled.
        removed[removed >= 1] = 0.0
        parts.append((points[chosen], np.full(len(chosen), k), atoms, removed))
    return _HeldOut(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def _log_densities(
    rows: _HeldOut, stacked: SourceMeasures, metric: Metric, temperatures: Array
) -> tuple[Array, list[Array]]:
    """Compute log densities of the rows at each temperature.

    Returns
    -------
    least : ndarray of shape (r,)
        Least cost of each row.
    logs : list of ndarray of shape (r, K)
        Logarithms of the densities, to which minus `least` over the temperature is to
        be added.
    """
    found: list[list[Array]] = [[] for _ in temperatures]
    shifts = []
    n_blocks = -(-len(rows.source) * len(stacked.points) // _BLOCK_ENTRIES)
    for part in np.array_split(np.arange(len(rows.source)), n_blocks):
        source, atom, removed = rows.source[part], rows.atom[part], rows.removed[part]
        cost = ground_cost(stacked.points, rows.points[part], metric)
        order = np.arange(len(part))
        own = stacked.masses[atom].toarray() * (atom >= 0)[:, None]
        own[order, source] -= removed
        own_cost = np.where(own.any(axis=1), cost[atom, order], np.inf)
        cost[atom[atom >= 0], order[atom >= 0]] = np.inf
        least = np.minimum(cost.min(axis=0), own_cost)
        shifts.append(least)
        for logs, temperature in zip(found, temperatures.tolist(), strict=True):
            kernel = np.exp((least - cost) / temperature)
            sums = (stacked.masses.T @ kernel).T
            sums += own * np.exp((least - own_cost) / temperature)[:, None]
            sums[order, source] /= 1 - removed
            logs.append(np.log(np.maximum(sums, _TINY)))
    return np.concatenate(shifts), [np.concatenate(logs) for logs in found]


def _least_log_loss(logs: Array, source: Index, *, debias: bool) -> tuple[float, Array]:
    """Fit biases of the log densities, shape (K,), and give the log-loss with them.

    Each source counts as much as any other. A ridge that is worth one row keeps the
    biases finite where all rows are classified without doubt.
    """
    n_rows, n_sources = logs.shape
    sizes = np.bincount(source, minlength=n_sources)
    shares = 1 / (n_sources * sizes[source])
    is_own = np.arange(n_sources) == source[:, None]

    def loss(biases: Array) -> tuple[float, Array]:
        chances = log_softmax(logs + biases, axis=1)
        value = -float(shares @ chances[is_own])
        slope = shares @ (np.exp(chances) - is_own)
        return value + biases @ biases / (2 * n_rows), slope + biases / n_rows

    if not debias:
        return loss(np.zeros(n_sources))[0], np.zeros(n_sources)
    result = minimize(loss, np.zeros(n_sources), jac=True, method="L-BFGS-B")
    return float(result.fun), np.asarray(result.x)
