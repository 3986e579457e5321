"""Potentials and weights near the optimum, by Sinkhorn's iteration with free weights.

The temperature falls from level to level, first between samples of the points. The
kernel holds only arcs of small reduced cost (Schmitzer, 2019, "Stabilized sparse
scaling algorithms for entropy regularized transport problems", section 3). Nothing
here needs to be accurate: the linear programme corrects what is not.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.special import logsumexp, xlogy

from skwot._ot.measures import quantile_atoms
from skwot._typing import Array, Index
from skwot._unmixing.problem import Marginals
from skwot._unmixing.solvers.column_generation.arcs import (
    Arcs,
    BlockProblem,
    arc_transforms,
)
from skwot._unmixing.solvers.column_generation.pricing import scan_costs

# The temperature falls from the first number, in units of the median cost, by the
# second from level to level. Cooling by 3 instead of 2 was five times slower at 5000
# points.
_HOTTEST, _COOLING, _MAX_LEVELS = 0.1, 2.0, 12
_COARSE_POINTS = 1000  # sources and target of so many points have a dense kernel
_MAX_SWEEPS = 100  # of the iteration, per level
_SETTLED = 5e-3  # a level ends when less mass than this still moves
# Share of its mass that each atom may leave untransported. Where a truncated kernel
# cannot carry all mass, this bounds the drift of the potentials to seven temperatures.
_LEAK = 1e-3
_TRUNCATION = 12.0  # a sparse kernel leaves out arcs with more temperatures than this
_NEAR = np.exp(-4.0)  # the kernel entries of neighbours are larger
_NEIGHBOURS = 60  # at most so many neighbours a point make a kernel sparse enough
_REMOTE = np.exp(-_TRUNCATION)  # kernel entries beyond the truncation are smaller
_FEW_ENTRIES = 500_000  # costs for which the kernel of all points is dense to the end:
_DECIDED = 3.0  # until at most so many of its entries a point are not remote
_WIDER = 4.0  # the box of the programme is so many times wider than the last level's
_COLD = 1.5  # with at most so many kernel entries a point, hardly any choice is left
_LEAST_LOG = -60.0  # smaller logarithms of weights and kernel entries are raised to it


class Entropic(NamedTuple):
    """A state of the iteration.

    Attributes
    ----------
    alpha : ndarray of shape (n,)
    beta : ndarray of shape (m,)
    weights : ndarray of shape (K,)
    eps : float
        Temperature.
    """

    alpha: Array
    beta: Array
    weights: Array
    eps: float


class Start(NamedTuple):
    """Where the linear programme starts.

    Attributes
    ----------
    alpha : ndarray of shape (n,)
    beta : ndarray of shape (m,)
    weights : ndarray of shape (K,)
    pool : Arcs
        Arcs of small reduced cost.
    eps : float
        The first temperature at which all points took part.
    """

    alpha: Array
    beta: Array
    weights: Array
    pool: Arcs
    eps: float


def entropic_start(problem: BlockProblem) -> Start:
    """Cool from samples of the points to all of them.

    Parameters
    ----------
    problem : BlockProblem

    Returns
    -------
    Start
    """
    n, m = problem.cost.shape
    if n * m <= _FEW_ENTRIES:
        state = _cool_dense(problem, _is_decided)
        width, eps = _TRUNCATION * state.eps, _WIDER * state.eps
        pool = scan_costs(problem.cost, state.beta, width, per_row=_NEIGHBOURS).arcs
    else:
        beta, eps = _coarse_potential(problem)
        state, pool = _cool_sparse(problem, beta, eps, growth=1.0)
    alpha, beta = arc_transforms(pool, state.beta, n)
    return Start(alpha, beta, state.weights, pool, eps)


def _is_decided(kernel: Array) -> bool:
    """Whether few entries of a kernel are within the truncation."""
    return bool(np.count_nonzero(kernel > _REMOTE) <= _DECIDED * sum(kernel.shape))


def _coarse_potential(problem: BlockProblem) -> tuple[Array, float]:
    """Target potential from samples, and the temperature that these reached."""
    n_points = max(problem.cost.shape)
    small, atoms = _sample(problem, max(_COARSE_POINTS, n_points // 4))
    growth = len(problem.marginals.target) / len(small.marginals.target)
    state = _cool(small, max(growth, 1.0 + 1e-9), n_points)
    return _softmin(problem, atoms, state), state.eps


def _cool(problem: BlockProblem, growth: float, n_before: int) -> Entropic:
    n_points = max(problem.cost.shape)
    if n_points <= 1.5 * _COARSE_POINTS or n_points > n_before / 2:
        return _cool_dense(problem, lambda kernel: _is_sparse(kernel, growth))
    beta, eps = _coarse_potential(problem)
    return _cool_sparse(problem, beta, eps, growth)[0]


def _sample(problem: BlockProblem, size: int) -> tuple[BlockProblem, Index]:
    """Reduce to about `size` points a side; return the source atoms kept, too."""
    masses = problem.marginals.masses.tocsc()
    n_sources = masses.shape[1]
    each = max(1, size // n_sources)
    drawn = []
    for start, end in zip(masses.indptr[:-1], masses.indptr[1:], strict=True):
        own, counts = _quantile_points(masses.data[start:end], each)
        drawn.append((masses.indices[start:end][own], counts / each))
    atoms, row = np.unique(np.concatenate([i for i, _ in drawn]), return_inverse=True)
    source = np.repeat(np.arange(n_sources), [len(i) for i, _ in drawn])
    values = np.concatenate([share for _, share in drawn])
    shape = (len(atoms), n_sources)
    columns, counts = _quantile_points(problem.marginals.target, size)
    marginals = Marginals(
        sparse.csr_array((values, (row, source)), shape=shape),
        counts / size,
        problem.marginals.surcharges,
    )
    return BlockProblem(problem.cost.between(atoms, columns), marginals), atoms


def _quantile_points(mass: Array, size: int) -> tuple[Index, Index]:
    """Systematic sample: atoms at even quantiles of the mass, and how often each."""
    return np.unique(quantile_atoms(mass, size), return_counts=True)


def _softmin(problem: BlockProblem, atoms: Index, state: Entropic) -> Array:
    """Potential of every target atom from those of a sample of source atoms, (m,)."""
    level = np.full(len(problem.marginals.target), -np.inf)
    for part in np.array_split(np.arange(len(atoms)), 1 + len(atoms) // 64):
        cost = problem.cost.block(atoms[part], slice(None))
        levels = (state.alpha[part, None] - cost) / state.eps
        level = np.logaddexp(level, logsumexp(levels, axis=0))
    return -state.eps * level


def _is_sparse(kernel: Array, growth: float) -> bool:
    """Whether `growth` times more points would have few enough neighbours."""
    return bool(growth * np.count_nonzero(kernel > _NEAR) <= _NEIGHBOURS * len(kernel))


def _cool_dense(problem: BlockProblem, is_cold: Callable[[Array], bool]) -> Entropic:
    """Cool on the kernel of all costs, until it says that the temperature is low."""
    cost = problem.cost.block(slice(None), slice(None))
    beta, eps = np.zeros(len(problem.marginals.target)), _COOLING * _HOTTEST
    for _ in range(_MAX_LEVELS):
        eps /= _COOLING
        alpha = (cost - beta).min(axis=1)
        kernel = _dense_kernel(cost, alpha, beta, eps)
        alpha, beta, weights = _sinkhorn(problem, kernel, alpha, beta, eps)
        if is_cold(kernel):
            break
    return Entropic(alpha, beta, weights, eps)


def _dense_kernel(cost: Array, alpha: Array, beta: Array, eps: float) -> Array:
    kernel = np.subtract(alpha[:, None] + beta, cost, dtype=np.float32)
    kernel /= np.float32(eps)
    np.maximum(kernel, np.float32(_LEAST_LOG), out=kernel)
    return np.exp(kernel, out=kernel)


def _cool_sparse(
    problem: BlockProblem, beta: Array, eps: float, growth: float
) -> tuple[Entropic, Arcs]:
    """Cool on truncated kernels, until the last one has hardly any choice left."""
    width, n_points = _TRUNCATION * eps, sum(problem.cost.shape)
    for level in range(_MAX_LEVELS):
        if level % 2 == 0:
            found = scan_costs(problem.cost, beta, width, per_row=_NEIGHBOURS)
            alpha, beta, arcs = found.alpha, found.beta, found.arcs
        kernel = _sparse_kernel(arcs, alpha, beta, eps)
        alpha, beta, weights = _sinkhorn(problem, kernel, alpha, beta, eps)
        state = Entropic(alpha, beta, weights, eps)
        near = np.count_nonzero(kernel.data > _NEAR)
        cold = growth > 1 or kernel.nnz <= _COLD * n_points
        if cold and growth * near <= _NEIGHBOURS * len(alpha):
            break
        # The potentials carry eps times the logarithm of the masses, which the
        # next temperature must not inherit.
        alpha, beta = arc_transforms(arcs, beta, len(alpha))
        eps /= _COOLING
    return state, arcs


def _sparse_kernel(
    arcs: Arcs, alpha: Array, beta: Array, eps: float
) -> sparse.csr_array:
    """Keep the arcs within the truncation, and every row's and column's best."""
    level = (alpha[arcs.source] + beta[arcs.target] - arcs.cost) / eps
    row, column = np.full(len(alpha), -np.inf), np.full(len(beta), -np.inf)
    np.maximum.at(row, arcs.source, level)
    np.maximum.at(column, arcs.target, level)
    largest = (level >= row[arcs.source]) | (level >= column[arcs.target])
    keep = largest | (level > -_TRUNCATION)
    entries = np.exp(np.clip(level[keep], _LEAST_LOG, -_LEAST_LOG))
    ends = arcs.source[keep], arcs.target[keep]
    return sparse.csr_array((entries, ends), shape=(len(alpha), len(beta)))


def _sinkhorn(
    problem: BlockProblem,
    kernel: Array | sparse.csr_array,
    alpha: Array,
    beta: Array,
    eps: float,
) -> tuple[Array, Array, Array]:
    """Sinkhorn's iteration on ``exp((alpha + beta - c) / eps)`` with free weights.

    Bregman projections (Benamou et al., 2015), in turn onto the plans with target
    marginal b and onto those whose source marginal is that of some weights. For the
    second, the mean of the potential and the surcharge have to have the same sum in all
    sources. That gives the weights in closed form, if an atom of several sources counts
    as one of each.

    Returns
    -------
    alpha, beta, weights : ndarrays of shapes (n,), (m,), (K,)
    """
    masses, target, surcharges = problem.marginals
    means = masses.T.tocsr()
    transposed = kernel.T.tocsr() if sparse.issparse(kernel) else kernel.T
    entropy = np.bincount(masses.indices, xlogy(masses.data, masses.data))
    constant = entropy + surcharges / eps
    leak = _LEAK * target
    log_target, log_v = np.log(target), np.zeros(len(beta))
    for _ in range(_MAX_SWEEPS):
        before = log_v
        s = kernel @ np.exp(log_v).astype(kernel.dtype) + _LEAK
        log_weights = means @ (np.log(s) - alpha / eps) - constant
        log_weights -= np.logaddexp.reduce(log_weights)
        u = masses @ np.exp(np.maximum(log_weights, _LEAST_LOG)) / s
        log_v = log_target - np.log(transposed @ u.astype(kernel.dtype) + leak)
        if target @ abs(log_v - before) < _SETTLED:
            break
    log_u = np.log(np.maximum(u, np.finfo(float).tiny))
    return alpha + eps * log_u, beta + eps * log_v, np.exp(log_weights)
