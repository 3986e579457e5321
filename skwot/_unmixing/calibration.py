"""The parameters of the semi-relaxed loss, learned from the sources.

Some rows of the sources are classified by the kernel densities of all others: each is
left out of its own source. With equal prior shares the log-probability of source k at
row j is, up to a constant of the row, ``log L_k(x_j) - s_k`` with the log-densities of
:mod:`~skwot._unmixing.views`. Temperatures, exponents and surcharges s are those of the
least log-loss. In exponents and surcharges that is convex, and where it is least the
sources, each row left out, are unmixed to their own shares: without surcharges a source
that is more dispersed, or has fewer rows, would get too little (bias-corrected
calibration; Alexandari, Kundaje & Shrikumar, 2020).
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import Bounds, minimize
from scipy.special import log_softmax

from skwot._ot.ground_costs import ground_cost
from skwot._ot.measures import Measure, SourceMeasures, quantile_atoms
from skwot._ot.metrics import Metric, parts_of
from skwot._ot.quantization import Quantization
from skwot._typing import Array, Index
from skwot._unmixing.views import TINY, View, unit_of

# Temperatures that are tried, as fractions of the mean cost.
_FRACTIONS = 2.0 ** -np.arange(0.0, 10.5, 0.5)
_DEFAULT = 0.05  # where a single source, or sources of single points, tell nothing
_ROWS = 1000  # that are classified, of all sources together,
_ROWS_OF_EACH = 20  # or of each source, if that is more
_BLOCK_ENTRIES = 1_000_000  # of costs that are held at a time
_ROUNDING = 1e-9  # by which masses that are equal may differ
_LEAST_EXPONENT = 1e-3
_PRECISE: Any = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1000}  # SciPy's optimiser


class Calibration(NamedTuple):
    """What the sources tell of the semi-relaxed loss.

    Attributes
    ----------
    views : tuple of V View
    surcharges : ndarray of shape (K,)
        Cost of a unit of mass of each source, in the unit of the views; the least is
        zero.
    soft_costs : ndarray of shape (r,)
        Of rows of the sources, under their own source without them, in that unit.
    """

    views: tuple[View, ...]
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
        Its atom among all sources'; the centre that it went to, if they were quantised.
    removed : ndarray of shape (r,)
        What leaving the row out takes of its source's mass.
    without : ndarray of shape (r, d)
        Where the atom is without the row: a centre moves.
    """

    points: Array
    source: Index
    atom: Index
    removed: Array
    without: Array

    def seen_in(self, columns: slice) -> "_HeldOut":
        """Restrict the points to some of their columns."""
        return self._replace(
            points=self.points[:, columns], without=self.without[:, columns]
        )


def calibrate(
    sources: list[Measure],
    fewer: list[Quantization],
    stacked: SourceMeasures,
    metric: Metric,
    reg: str | float,
    *,
    debias: bool,
) -> Calibration:
    """Choose temperatures, exponents and surcharges.

    Each view's temperature is chosen for the view alone, with its exponent and its
    surcharges. Then the exponents and surcharges of all views are fitted together.

    Parameters
    ----------
    sources : list of K Measure
        As they were given.
    fewer : list of K Quantization
        As they are solved: some may have fewer points.
    stacked : SourceMeasures
        The same on their common support.
    metric : Metric
        The sum of a cost for each view.
    reg : "auto" or float
        The temperatures as fractions of the mean cost between points of the sources.
        The exponents of V views are 1 / V then.
    debias : bool
        Whether there are surcharges.

    Returns
    -------
    Calibration
    """
    rows = _hold_out(sources, fewer, stacked)
    sampled = bool(rows.removed.any())  # and not known, as single points are
    fit = _Fit(
        rows.source, debias=debias and sampled, exponents=reg == "auto" and sampled
    )
    temperatures, logs = [], []
    for part, columns in parts_of(metric):
        seen = rows.seen_in(columns)
        atoms = stacked._replace(points=stacked.points[:, columns])
        step = -(-len(seen.points) * len(atoms.points) // _BLOCK_ENTRIES)
        mean = float(ground_cost(atoms.points, seen.points[::step], part).mean()) or 1.0
        fractions = _FRACTIONS if reg == "auto" else np.array([float(reg)])
        if reg == "auto" and (len(sources) == 1 or not sampled):
            fractions = np.array([_DEFAULT])
        tried = _log_densities(seen, atoms, part, fractions * mean)
        best = int(np.argmin([fit(one[:, :, None]).loss for one in tried]))
        temperatures.append(float(fractions[best] * mean))
        logs.append(tried[best])
    stack = np.stack(logs, axis=2)
    found = fit(stack)
    views = tuple(map(View, temperatures, found.exponents.tolist()))
    unit = unit_of(views)
    surcharges = -unit * found.biases
    surcharges -= surcharges.min()
    own = stack[np.arange(len(rows.source)), rows.source] @ found.exponents
    return Calibration(views, surcharges, surcharges[rows.source] - unit * own)


def _hold_out(
    sources: list[Measure], fewer: list[Quantization], stacked: SourceMeasures
) -> _HeldOut:
    """Take rows at even quantiles of each source's mass."""
    size = max(_ROWS_OF_EACH, _ROWS // len(sources))
    columns = stacked.masses.tocsc()
    parts = []
    for k, (points, masses) in enumerate(sources):
        chosen = np.arange(len(masses))
        if len(masses) > size:
            chosen = quantile_atoms(masses, size)
        own = slice(columns.indptr[k], columns.indptr[k + 1])
        nearest = fewer[k].nearest[chosen]
        atoms, whole = columns.indices[own][nearest], columns.data[own][nearest]
        # A row's mass, where all rows have the same and are distinct. What rounding
        # would leave of an atom would know itself.
        removed = np.minimum(masses[chosen], float(masses @ masses))
        removed = np.where(removed < (1 - _ROUNDING) * whole, removed, whole)
        # A source of a single point is known, not sampled.
        removed[removed >= 1] = 0.0
        rows, centres = points[chosen], stacked.points[atoms]
        rest = np.where(removed < whole, whole - removed, 1.0)
        shift = (removed / rest)[:, None] * (centres - rows)
        source = np.full(len(chosen), k)
        parts.append((rows, source, atoms, removed, centres + shift))
    return _HeldOut(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def _log_densities(
    rows: _HeldOut, stacked: SourceMeasures, metric: Metric, temperatures: Array
) -> list[Array]:
    """Compute log-densities of the rows at each temperature, of shape (r, K) each."""
    found: list[list[Array]] = [[] for _ in temperatures]
    n_blocks = -(-len(rows.source) * len(stacked.points) // _BLOCK_ENTRIES)
    for part in np.array_split(np.arange(len(rows.source)), n_blocks):
        source, atom, removed = rows.source[part], rows.atom[part], rows.removed[part]
        cost = ground_cost(stacked.points, rows.points[part], metric)
        order = np.arange(len(part))
        own = stacked.masses[atom].toarray()
        own[order, source] -= removed
        own_cost = np.where(own.any(axis=1), _costs_without(rows, part, metric), np.inf)
        cost[atom, order] = np.inf
        least = np.minimum(cost.min(axis=0), own_cost)
        for logs, temperature in zip(found, temperatures.tolist(), strict=True):
            kernel = np.exp((least - cost) / temperature)
            sums = (stacked.masses.T @ kernel).T
            sums += own * np.exp((least - own_cost) / temperature)[:, None]
            sums[order, source] /= 1 - removed
            shift = least[:, None] / temperature
            logs.append(np.log(np.maximum(sums, TINY)) - shift)
    return [np.concatenate(logs) for logs in found]


def _costs_without(rows: _HeldOut, part: Index, metric: Metric) -> Array:
    """Cost between some of the rows and their atoms without them."""
    return np.diagonal(ground_cost(rows.without[part], rows.points[part], metric))


class _Found(NamedTuple):
    """Exponents of shape (V,) and biases of shape (K,), with their log-loss."""

    loss: float
    exponents: Array
    biases: Array


class _Fit:
    """Fits exponents of the views' log-densities and biases of the sources.

    Each source counts as much as any other. A ridge that is worth one row keeps the
    biases finite where all rows are classified without doubt, and holds the exponents
    of V views near 1 / V where there are few rows.

    Parameters
    ----------
    source : ndarray of shape (r,)
        Of each row.
    debias : bool
        Whether there are biases.
    exponents : bool
        Whether exponents are fitted.
    """

    def __init__(self, source: Index, *, debias: bool, exponents: bool) -> None:
        sizes = np.bincount(source)
        self._shares = 1 / (len(sizes) * sizes[source])
        self._is_own = np.arange(len(sizes)) == source[:, None]
        self._debias, self._exponents = debias, exponents

    def __call__(self, logs: Array) -> _Found:
        """Fit to log-densities of shape (r, K, V)."""
        n_rows, n_sources, n_views = logs.shape
        logs = logs - logs.max(axis=1, keepdims=True)
        equal = 1 / n_views
        centre = np.repeat([equal, 0.0], [n_views, n_sources])

        def loss(parameters: Array) -> tuple[float, Array]:
            exponents, biases = np.split(parameters, [n_views])
            chances = log_softmax(logs @ exponents + biases, axis=1)
            slope = self._shares[:, None] * (np.exp(chances) - self._is_own)
            slopes = [np.einsum("rkv,rk->v", logs, slope), slope.sum(axis=0)]
            from_centre = parameters - centre
            value = -float(self._shares @ chances[self._is_own])
            value += float(from_centre @ from_centre) / (2 * n_rows)
            return value, np.concatenate(slopes) + from_centre / n_rows

        least, most = (_LEAST_EXPONENT, np.inf) if self._exponents else (equal, equal)
        bias = np.inf if self._debias else 0.0
        lengths = [n_views, n_sources]
        bounds = Bounds(
            np.repeat([least, -bias], lengths), np.repeat([most, bias], lengths)
        )
        result = minimize(
            loss, centre, jac=True, method="L-BFGS-B", bounds=bounds, options=_PRECISE
        )
        return _Found(float(result.fun), *np.split(result.x, [n_views]))
