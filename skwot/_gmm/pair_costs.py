"""Ground costs of MW2: squared Bures-Wasserstein distances between components.

The distance of a pair of components takes an eigendecomposition, but an optimal plan
uses few pairs. All others are excluded by lower bounds: a plan that is optimal for
costs which are exact on its support, and too low elsewhere, is optimal.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from skwot._compat import emd_c
from skwot._gmm.arrays import empty_like, namespace, to_numpy
from skwot._gmm.gaussians import (
    bures_lower_bounds,
    factorise,
    inner_products,
    solve_pairs,
    spectral_roots,
)
from skwot._gmm.mixtures import Target
from skwot._ot.transport import (
    MASS_ROUNDING,
    MAX_PIVOTS,
    OPTIMAL,
    Transport,
    c_transform,
    is_optimal,
    solve_transport,
)
from skwot._typing import Array, Index, Mask

# Numbers of pairs. Up to _FEW_PAIRS, all pairs are made exact, which takes less time
# than to exclude some. Up to _FEW_MAPS, all are made exact once, so that their maps
# bound later distances. Both only if the matrices of all pairs fit in one batch. Up to
# _FEW_COSTS, it takes the network simplex no less time to start from known potentials.
_FEW_PAIRS = 16
_FEW_MAPS = 128
_FEW_COSTS = 128

# Of costs of order one: a pair with a smaller reduced cost is likely to be in the next
# plan, and is made exact together with the pairs of this one.
_LIKELY = 0.02
# Of costs of order one: changes that make one plan the best where components coincide.
# Rounding would choose between the plans otherwise.
_TIE_BREAK = 1e-12

# A map bounds other distances if its eigenvalues spread by less than this; those of
# wider ones are too inexact. The other bounds hold to this part of the traces.
_NARROW = 1e-4
_BOUND_ROUNDING = 1e-12

# Numbers in a batch of matrices (8 MB), and in all maps that are kept (64 MB).
_BATCH_NUMBERS = 2**20
_MEMORY_NUMBERS = 2**23


def plan_support(plan: Array) -> Mask:
    """Pairs that carry mass in a plan whose total is one.

    Parameters
    ----------
    plan : ndarray of shape (n, m)

    Returns
    -------
    ndarray of shape (n, m), bool
        What is rounding of the total does not count, unless it is most of its row.
    """
    return plan > np.minimum(MASS_ROUNDING, plan.max(axis=1, keepdims=True) / 2)


class PairCosts(ABC):
    """Costs between the components of a mixture that moves and a fixed target.

    Evaluations at nearby mixtures share what they find: the support of a plan and its
    potentials are the first guess for the next one. No result depends on the guess.

    Parameters
    ----------
    target : Target
        With several targets, the components of all, whose weights are those of the
        barycentre times their own.
    sizes : sequence of int, default=None
        How many components each target has; one target if None.

    Attributes
    ----------
    target : Target
    values : ndarray of shape (n, m)
        Squared distances, or lower bounds of them.
    exact : ndarray of shape (n, m), bool
        Which values are distances.
    n_moves : int
        How many mixtures there have been.
    """

    values: Array
    exact: Mask

    def __init__(self, target: Target, sizes: Sequence[int] | None = None) -> None:
        self.target = target
        ends = np.cumsum(sizes or [len(target.weights)])
        self._blocks = [slice(a, b) for a, b in zip([0, *ends], ends, strict=False)]
        self.n_moves = 0
        self._support: Mask = np.zeros((0, 0), dtype=bool)
        self._betas: list[Array | None] = [None] * len(self._blocks)

    def move(self, means: Any, covariances: Any) -> None:
        """Replace the components of the mixture.

        Parameters
        ----------
        means : array of shape (n, d)
        covariances : array of shape (n, d, d), or (n, d) if diagonal
        """
        self.n_moves += 1
        self._move(means, covariances)

    @abstractmethod
    def _move(self, means: Any, covariances: Any) -> None:
        """Bound the distances, or make them exact."""

    @abstractmethod
    def refine(self, pairs: Mask) -> bool:
        """Make pairs exact; return whether any of them was not."""

    @abstractmethod
    def maps(self, rows: Index, columns: Index) -> Any:
        """Matrices of the Gaussian maps of exact pairs, like covariances."""

    def solve(self, weights: Array) -> Transport:
        """Optimal plan between the components.

        The problem is solved with the bounds, and the pairs of the plan are made exact,
        until they all were.

        Parameters
        ----------
        weights : ndarray of shape (n,)

        Returns
        -------
        Transport
            With several targets, the weighted sum of values and source potentials, and
            the weighted plans side by side: the derivatives are what they would be for
            one target of all these components.
        """
        masses = np.asarray(weights / weights.sum(), dtype=np.float64)
        if self._support.shape == self.values.shape:
            self.refine(self._support)
        while True:
            # Costs become of order one by a power of two, which rounds nothing.
            scale = 2.0 ** math.frexp(self.values.sum() / self.values.size)[1]
            cost = self.values / scale + _tie_breaker(self.values.shape)
            plan, alphas, betas = np.empty_like(cost), [], []
            for number, block in enumerate(self._blocks):
                share, found = self._solve_block(number, masses, cost, scale)
                plan[:, block] = share * found[0]
                alphas.append(share * found[1])
                betas.append(found[2])
            beta = np.concatenate(betas)
            self._support = plan_support(plan)
            if not (self._support > self.exact).any():
                value = float(np.vdot(plan, self.values))
                alpha = np.sum(alphas, axis=0)
                return Transport(value, plan, alpha * scale, beta * scale)
            reduced = cost - beta
            for block in self._blocks:
                # The source potential of each target is the largest that is feasible.
                reduced[:, block] -= reduced[:, block].min(axis=1, keepdims=True)
            self.refine(self._support | (reduced < _LIKELY))

    def find_nearest(self, relative: float, absolute: float) -> Mask:
        """Pairs of each target component with the components nearest to it, all exact.

        Parameters
        ----------
        relative, absolute : float
            Tolerances within which squared distances are equal.

        Returns
        -------
        ndarray of shape (n, m), bool
        """
        while True:
            pairs = self.values <= (1 + relative) * self.values.min(axis=0) + absolute
            if not self.refine(pairs):
                return pairs

    def _solve_block(
        self, number: int, masses: Array, cost: Array, scale: float
    ) -> tuple[float, tuple[Array, Array, Array]]:
        """Weight, plan and potentials of a target, for costs divided by a scale."""
        block, beta = self._blocks[number], self._betas[number]
        others, share = self.target.weights, 1.0
        if len(self._blocks) > 1:
            share = float(others[block].sum())
            others, cost = others[block] / share, np.ascontiguousarray(cost[:, block])
        beta = None if beta is None else beta / scale
        solved = None
        if masses.all() and others.all():
            solved = _solve_positive(masses, others, cost, beta)
        plan, alpha, beta = solved or solve_transport(masses, others, cost, beta)[1:]
        self._betas[number] = beta * scale
        lost = (masses > 0) & (plan.sum(axis=1) < masses / 2)
        if lost.any():
            # Masses within rounding of the total, which go where it is cheapest.
            plan[lost] = 0
            nearest = (cost[lost] - beta).argmin(axis=1)
            plan[np.flatnonzero(lost), nearest] = masses[lost]
        return share, (plan, alpha, beta)


def _solve_positive(
    a: Array, b: Array, cost: Array, start: Array | None
) -> tuple[Array, Array, Array] | None:
    """Plan and potentials by POT's compiled network simplex, None if it failed.

    In small problems, the checks of :func:`ot.emd` take most of the time.
    """
    initial: tuple[Array | None, Array | None] = None, None
    if start is not None and cost.size > _FEW_COSTS:
        initial = c_transform(cost, start), start
    plan, _, alpha, beta, status = emd_c(a, b, cost, MAX_PIVOTS, 1, *initial)
    if status != OPTIMAL:
        return None
    # The network simplex may leave out a mass, or stop too early.
    rows, columns = abs(plan.sum(axis=1) - a), abs(plan.sum(axis=0) - b)
    whole = max(rows.max(), columns.max(), -plan.min()) <= MASS_ROUNDING
    alpha = c_transform(cost, beta)
    optimal = is_optimal(plan, cost, a @ alpha + b @ beta)
    return (plan, alpha, beta) if whole and optimal else None


class DiagonalCosts(PairCosts):
    """Costs where all covariances are diagonal.

    They are squared Euclidean distances between means plus those between standard
    deviations, and all exact.
    """

    def _move(self, means: Any, covariances: Any) -> None:
        """See :meth:`PairCosts.move`."""
        self._deviations = namespace(means).sqrt(covariances)
        points = np.hstack([to_numpy(means), to_numpy(self._deviations)])
        others = np.hstack(
            [to_numpy(x) for x in (self.target.means, self.target.factors)]
        )
        self.values = cdist(points, others, "sqeuclidean")
        self.exact = np.ones(self.values.shape, dtype=bool)

    def refine(self, pairs: Mask) -> bool:
        """See :meth:`PairCosts.refine`."""
        return False

    def maps(self, rows: Index, columns: Index) -> Any:
        """See :meth:`PairCosts.maps`."""
        xp, deviations = namespace(self._deviations), self._deviations[rows]
        others, point = self.target.factors[columns], deviations == 0
        return xp.where(point, 0.0, others / xp.where(point, 1.0, deviations))


class FullCosts(PairCosts):
    """Costs of full covariances, exact where that is asked for.

    The maps of all pairs that were exact once are kept, because each bounds the
    distance of its pair from below, and well as long as the mixture has not moved far.
    """

    def __init__(self, target: Target, sizes: Sequence[int] | None = None) -> None:
        super().__init__(target, sizes)
        self._known = _KnownMaps((0, 0), target.covariances)

    def _move(self, means: Any, covariances: Any) -> None:
        """See :meth:`PairCosts.move`."""
        self._covariances = covariances
        self._factors = factorise(covariances, self.target.order)
        self._traces = namespace(means).einsum("nkk->n", covariances)
        self._distances = cdist(
            to_numpy(means), to_numpy(self.target.means), "sqeuclidean"
        )
        shape = self._distances.shape
        if self._known.shape != shape or self._known.is_full():
            self._known = _KnownMaps(shape, self.target.covariances)
        self.values = self._distances.copy()
        self.exact = np.zeros(shape, dtype=bool)
        size, d = self.values.size, means.shape[1]
        few = size <= _FEW_PAIRS or (size <= _FEW_MAPS and not self._known.size)
        if few and size * d**2 <= _BATCH_NUMBERS:
            self.refine(~self.exact)
        else:
            self._bound()

    def refine(self, pairs: Mask) -> bool:
        """See :meth:`PairCosts.refine`."""
        rows, columns = np.nonzero(pairs > self.exact)
        if not len(rows):
            return False
        self._known.reserve(rows, columns)
        for batch in self._batches(len(rows)):
            self._evaluate(rows[batch], columns[batch])
        self.exact[rows, columns] = True
        return True

    def maps(self, rows: Index, columns: Index) -> Any:
        """See :meth:`PairCosts.maps`."""
        return self._known.maps[self._known.slots[rows, columns]]

    def _evaluate(self, rows: Index, columns: Index) -> None:
        """Compute the maps and the distances of pairs that have a slot."""
        target, (factors, singular) = self.target, self._factors
        pairs = solve_pairs(
            factors[rows],
            target.factors[columns],
            singular[rows] | target.singular[columns],
        )
        slots = self._known.slots[rows, columns]
        self._known.maps[slots] = pairs.maps
        self._known.fidelities[slots] = _bounding_fidelities(to_numpy(pairs.spectra))
        bures = to_numpy(pairs.squares)
        self.values[rows, columns] = self._distances[rows, columns] + bures

    def _bound(self) -> None:
        """Lower bounds of all distances, by the spectra and by the known maps.

        Let T be the map of a pair and f = tr (R C R)^(1/2) its fidelity, at a
        covariance C that the component had before. The fidelity is concave in C and T
        is twice its gradient, so ``2 tr (R C' R)^(1/2) <= f + <T, C'>`` at any C'.
        """
        target, known = self.target, self._known
        if known.size < self.values.size:
            spectra = spectral_roots(self._covariances)
            self.values += to_numpy(bures_lower_bounds(spectra, target.spectra))
        if not known.size:
            return
        rows, columns = known.rows[: known.size], known.columns[: known.size]
        traces = to_numpy(self._traces)[rows] + to_numpy(target.traces)[columns]
        bounds = traces * (1 - _BOUND_ROUNDING) - known.fidelities[: known.size]
        bounds += self._distances[rows, columns]
        for batch in self._batches(known.size):
            bounds[batch] -= to_numpy(
                inner_products(known.maps[batch], self._covariances[rows[batch]])
            )
        self.values[rows, columns] = np.maximum(self.values[rows, columns], bounds)

    def _batches(self, size: int) -> Iterator[slice]:
        step = max(1, _BATCH_NUMBERS // self.target.means.shape[1] ** 2)
        return (slice(i, min(i + step, size)) for i in range(0, size, step))


class _KnownMaps:
    """Maps of the pairs that were exact once, in the order in which they came.

    Parameters
    ----------
    shape : tuple of two int
        Numbers of components and of target components, n and m.
    covariances : array of shape (m, d, d)
        Those of the target, which the maps are like.

    Attributes
    ----------
    slots : ndarray of shape (n, m)
        Where the map of each pair is; -1 if it is not known.
    size : int
        Number of known maps.
    rows, columns : ndarray of shape (n m,)
        The pair of each map.
    fidelities : ndarray of shape (n m,)
        Fidelities at which the maps were found; infinite if one bounds nothing.
    maps : array of shape (capacity, d, d)
    """

    def __init__(self, shape: tuple[int, ...], covariances: Any) -> None:
        self.shape = shape
        self.size = 0
        self.slots = np.full(shape, -1, dtype=np.intp)
        self.rows, self.columns = np.empty((2, self.slots.size), dtype=np.intp)
        self.fidelities = np.empty(self.slots.size)
        self.maps = covariances[:0]

    def is_full(self) -> bool:
        """Say whether the maps take more memory than they may."""
        return self.size * self.maps.shape[1] ** 2 > _MEMORY_NUMBERS

    def reserve(self, rows: Index, columns: Index) -> None:
        """Give a slot to the pairs that have none."""
        if self.size == self.slots.size:
            return
        new = self.slots[rows, columns] < 0
        start, self.size = self.size, self.size + int(new.sum())
        slots = np.arange(start, self.size)
        self.slots[rows[new], columns[new]] = slots
        self.rows[slots], self.columns[slots] = rows[new], columns[new]
        if self.size > len(self.maps):
            larger = empty_like(self.maps, min(2 * self.size, self.slots.size))
            larger[:start] = self.maps[:start]
            self.maps = larger


def _bounding_fidelities(eigenvalues: Array) -> Array:
    """Fidelities of pairs, infinite where the map is too inexact to bound others."""
    narrow = eigenvalues[:, 0] > _NARROW * eigenvalues[:, -1]
    return np.where(narrow, eigenvalues.sum(axis=1), np.inf)


@lru_cache(maxsize=8)
def _tie_breaker(shape: tuple[int, int]) -> Array:
    """Small numbers without a pattern, the same at every call.

    They are the fractional parts of the multiples of the golden ratio.
    """
    rows, columns = np.indices(shape) + 1
    golden = (5**0.5 - 1) / 2
    fractions = rows * columns * golden % 1.0
    return np.asarray(_TIE_BREAK * fractions, dtype=np.float64)


def pair_costs(target: Target, sizes: Sequence[int] | None = None) -> PairCosts:
    """Costs towards a target, by the kind of its covariances.

    Parameters
    ----------
    target, sizes
        See :class:`PairCosts`.

    Returns
    -------
    PairCosts
    """
    diagonal = target.covariances.ndim == 2
    return (DiagonalCosts if diagonal else FullCosts)(target, sizes)
