"""Ground costs of MW2: squared Bures-Wasserstein distances between components.

A transport plan uses few pairs of components, and only these need an
eigendecomposition. All others are excluded by lower bounds: a plan that is optimal
for costs which are exact on its support, and too low elsewhere, is optimal.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from skwot._compat import emd_c
from skwot._gmm.gaussians import (
    bures_lower_bounds,
    empty_like,
    eye_like,
    inner_products,
    namespace,
    pair_eigensystems,
    spectral_roots,
    squared_bures,
    to_numpy,
    transport_maps,
)
from skwot._gmm.mixtures import MASS_ROUNDING, Array, Target
from skwot._ot.transport import (
    MAX_PIVOTS,
    OPTIMAL,
    Transport,
    c_transform,
    solve_transport,
)

# Up to this many numbers, a start of the network simplex saves nothing.
_FEW_COSTS = 128

# Components that coincide leave the plan to choose freely between them, which rounding
# would do. Costs of order one are changed by this much to prefer one plan.
_TIE_BREAK = 1e-12
_GOLDEN = (5**0.5 - 1) / 2
# Up to this many pairs, excluding some costs more than it saves,
_FEW_PAIRS = 16
# and up to this many, the maps of all are worth knowing from the start.
_FEW_MAPS = 128
# Pairs with a reduced cost below this, of costs of order one, are likely to be the
# next ones that a plan uses, and are made exact with those that it does.
_LIKELY = 0.02
# Matrices are handled in batches of this many numbers, 8 MB,
_BATCH_NUMBERS = 2**20
# and maps are forgotten beyond this many, 64 MB.
_MEMORY_NUMBERS = 2**23
# Maps with a wider spectrum than this are too inexact to bound other distances,
_NARROW = 1e-4
# and those of the others hold up to this part of the traces.
_BOUND_ROUNDING = 1e-12


class PairCosts(ABC):
    """Costs between the components of a mixture that moves and a fixed target.

    Evaluations at nearby mixtures share what they find: the support of the plan
    and the potentials are the next one's first guess. No result depends on it.

    Parameters
    ----------
    target : Target

    Attributes
    ----------
    target : Target
    identity : array of shape (d, d), or 1 if diagonal
        Linear part of the map that moves nothing.
    values : ndarray of shape (n, m)
        Squared distances, or lower bounds of them.
    exact : ndarray of shape (n, m), bool
        Which are distances.
    """

    values: Array
    exact: NDArray[np.bool_]

    def __init__(self, target: Target) -> None:
        self.target = target
        covariances = target.covariances
        diagonal = covariances.ndim == 2
        self.identity = 1.0 if diagonal else eye_like(covariances)
        self._support: NDArray[np.bool_] = np.zeros((0, 0), dtype=bool)
        self._beta: Array | None = None

    @abstractmethod
    def move(self, means: Any, covariances: Any) -> None:
        """Replace the components of the mixture.

        Parameters
        ----------
        means : array of shape (n, d)
        covariances : array of shape (n, d, d), or (n, d) if diagonal
        """

    @abstractmethod
    def refine(self, pairs: NDArray[np.bool_]) -> bool:
        """Make pairs exact; return whether any of them was not."""

    @abstractmethod
    def maps(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Any:
        """Linear parts of the Gaussian maps of exact pairs, like covariances."""

    def solve(self, weights: Array) -> Transport:
        """Optimal plan: solve with bounds, refine its support, until all is exact."""
        masses = np.asarray(weights / weights.sum(), dtype=np.float64)
        if self._support.shape == self.values.shape:
            self.refine(self._support)
        while True:
            # Costs of order one, by a power of two: so scaling rounds nothing.
            scale = 2.0 ** math.frexp(self.values.sum() / self.values.size)[1]
            cost = self.values / scale + _tie_breaker(self.values.shape)
            plan, alpha, beta = self._solve_scaled(masses, cost, scale)
            self._support = plan > MASS_ROUNDING
            if not (self._support > self.exact).any():
                value = float(np.vdot(plan, self.values))
                return Transport(value, plan, alpha * scale, beta * scale)
            reduced = cost - alpha[:, None] - beta
            self.refine(self._support | (reduced < _LIKELY))

    def find_nearest(self, relative: float, absolute: float) -> NDArray[np.bool_]:
        """Pairs of each target component with those nearest to it, all exact.

        Parameters
        ----------
        relative, absolute : float
            Tolerances within which components are equally near.

        Returns
        -------
        ndarray of shape (n, m), bool
        """
        while True:
            pairs = self.values <= (1 + relative) * self.values.min(axis=0) + absolute
            if not self.refine(pairs):
                return pairs

    def _solve_scaled(
        self, masses: Array, cost: Array, scale: float
    ) -> tuple[Array, Array, Array]:
        """Plan and potentials for costs that were divided by a scale."""
        others = self.target.weights
        beta = None if self._beta is None else self._beta / scale
        solved = None
        if masses.all() and others.all():
            solved = _solve_positive(masses, others, cost, beta)
        plan, alpha, beta = solved or solve_transport(masses, others, cost, beta)[1:]
        self._beta = beta * scale
        return plan, alpha, beta


def _solve_positive(
    a: Array, b: Array, cost: Array, start: Array | None
) -> tuple[Array, Array, Array] | None:
    """Plan and potentials by POT's compiled network simplex, None if it needs help.

    Around small problems, the checks of :func:`ot.emd` take most of the time.
    """
    initial: tuple[Array | None, Array | None] = None, None
    if start is not None and cost.size > _FEW_COSTS:
        initial = c_transform(cost, start), start
    plan, _, alpha, beta, status = emd_c(a, b, cost, MAX_PIVOTS, 1, *initial)
    # Masses that it leaves out are missing in a row and in a column.
    whole = status == OPTIMAL and abs(1 - plan.sum()) <= MASS_ROUNDING
    return (plan, alpha, beta) if whole else None


class DiagonalCosts(PairCosts):
    """Costs where all covariances are diagonal: plain Euclidean distances.

    Between means, and between standard deviations. All pairs are exact.
    """

    def move(self, means: Any, covariances: Any) -> None:
        """See :meth:`PairCosts.move`."""
        self._deviations = namespace(means).sqrt(covariances)
        points = np.hstack([to_numpy(means), to_numpy(self._deviations)])
        others = np.hstack(
            [to_numpy(x) for x in (self.target.means, self.target.roots)]
        )
        self.values = cdist(points, others, "sqeuclidean")
        self.exact = np.ones(self.values.shape, dtype=bool)

    def refine(self, pairs: NDArray[np.bool_]) -> bool:
        """See :meth:`PairCosts.refine`."""
        return False

    def maps(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Any:
        """See :meth:`PairCosts.maps`."""
        xp, deviations = namespace(self._deviations), self._deviations[rows]
        roots, point = self.target.roots[columns], deviations == 0
        return xp.where(point, 0.0, roots / xp.where(point, 1.0, deviations))


class FullCosts(PairCosts):
    """Costs of full covariances, exact where asked for.

    The maps of all pairs that were exact once are kept: each bounds the distance
    of its pair from below as long as the mixture has not moved far.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._forget((0, 0))

    def move(self, means: Any, covariances: Any) -> None:
        """See :meth:`PairCosts.move`."""
        self._covariances = covariances
        self._traces = namespace(means).einsum("nkk->n", covariances)
        self._distances = cdist(
            to_numpy(means), to_numpy(self.target.means), "sqeuclidean"
        )
        shape = self._distances.shape
        full = self._n_slots * means.shape[1] ** 2 > _MEMORY_NUMBERS
        if self._slots.shape != shape or full:
            self._forget(shape)
        self.values = self._distances.copy()
        self.exact = np.zeros(shape, dtype=bool)
        size = self.values.size
        if size <= _FEW_PAIRS or (size <= _FEW_MAPS and not self._n_slots):
            self.refine(~self.exact)
        else:
            self._bound()

    def refine(self, pairs: NDArray[np.bool_]) -> bool:
        """See :meth:`PairCosts.refine`."""
        rows, columns = np.nonzero(pairs > self.exact)
        if not len(rows):
            return False
        self._reserve(rows, columns)
        for batch in self._batches(len(rows)):
            self._evaluate(rows[batch], columns[batch])
        self.exact[rows, columns] = True
        return True

    def maps(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Any:
        """See :meth:`PairCosts.maps`."""
        return self._maps[self._slots[rows, columns]]

    def _evaluate(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> None:
        slots = self._slots[rows, columns]
        covariances, roots = self._covariances[rows], self.target.roots[columns]
        values, vectors = pair_eigensystems(covariances, roots)
        maps = transport_maps(roots, values, vectors)
        traces = self._traces[rows] + self.target.traces[columns]
        bures = squared_bures(covariances, maps, traces, values)
        self._maps[slots] = maps
        self._fidelities[slots] = _bounding_fidelities(to_numpy(values))
        self.values[rows, columns] = self._distances[rows, columns] + to_numpy(bures)

    def _bound(self) -> None:
        """Lower bounds of all distances, by the spectra and by the known maps.

        With the map T and the fidelity f = tr (R C R)^(1/2) of another covariance
        C, ``2 tr (R C' R)^(1/2) <= f + <T, C'>``, as the left side is concave.
        """
        target, used = self.target, self._n_slots
        if used < self.values.size:
            spectra = spectral_roots(self._covariances)
            self.values += to_numpy(bures_lower_bounds(spectra, target.spectra))
        if not used:
            return
        rows, columns = self._rows[:used], self._columns[:used]
        traces = to_numpy(self._traces)[rows] + to_numpy(target.traces)[columns]
        bounds = traces * (1 - _BOUND_ROUNDING) - self._fidelities[:used]
        bounds += self._distances[rows, columns]
        for batch in self._batches(used):
            bounds[batch] -= to_numpy(
                inner_products(self._maps[batch], self._covariances[rows[batch]])
            )
        self.values[rows, columns] = np.maximum(self.values[rows, columns], bounds)

    def _forget(self, shape: tuple[int, ...]) -> None:
        """Start with no maps."""
        self._slots = np.full(shape, -1, dtype=np.intp)
        self._rows, self._columns = np.empty((2, self._slots.size), dtype=np.intp)
        self._fidelities = np.empty(self._slots.size)
        self._maps = self.target.covariances[:0]
        self._n_slots = 0

    def _reserve(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> None:
        """Give pairs without a slot for their map the next ones."""
        if self._n_slots == self._slots.size:
            return
        new = self._slots[rows, columns] < 0
        start, self._n_slots = self._n_slots, self._n_slots + int(new.sum())
        slots = np.arange(start, self._n_slots)
        self._slots[rows[new], columns[new]] = slots
        self._rows[slots], self._columns[slots] = rows[new], columns[new]
        if self._n_slots > len(self._maps):
            size = min(2 * self._n_slots, self._slots.size)
            larger = empty_like(self.target.covariances, size)
            larger[:start] = self._maps[:start]
            self._maps = larger

    def _batches(self, size: int) -> Iterator[slice]:
        step = max(1, _BATCH_NUMBERS // self.target.means.shape[1] ** 2)
        return (slice(i, min(i + step, size)) for i in range(0, size, step))


def _bounding_fidelities(eigenvalues: Array) -> Array:
    """Fidelities of pairs, infinite where the map cannot bound other distances."""
    narrow = eigenvalues[:, 0] > _NARROW * eigenvalues[:, -1]
    return np.where(narrow, eigenvalues.sum(axis=1), np.inf)


@lru_cache(maxsize=8)
def _tie_breaker(shape: tuple[int, int]) -> Array:
    """Numbers in [0, 1) without pattern, the same at every call, made small."""
    rows, columns = np.indices(shape) + 1
    return np.asarray(_TIE_BREAK * (rows * columns * _GOLDEN % 1.0), dtype=np.float64)


def pair_costs(target: Target) -> PairCosts:
    """Costs towards a target, by what its covariances are."""
    diagonal = target.covariances.ndim == 2
    return DiagonalCosts(target) if diagonal else FullCosts(target)
