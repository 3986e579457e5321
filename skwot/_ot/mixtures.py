"""Gaussian mixtures and MW2, optimal transport between them.

MW2 is the Wasserstein distance restricted to plans that are Gaussian mixtures
themselves. It is a discrete transport problem between the components, whose
ground cost is the squared Bures-Wasserstein distance (Delon & Desolneux, 2020).
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .gaussians import (
    bures_lower_bounds,
    matrix_roots,
    pair_eigensystems,
    spectral_roots,
    squared_bures,
    transport_maps,
)
from .transport import Transport, solve_transport

Array = NDArray[np.float64]

# Masses below the rounding of a plan whose total is one.
MASS_ROUNDING = 1e-15
# Components that coincide leave the plan to choose freely between them, which rounding
# would do. Costs of order one are changed by this much to prefer one plan.
_TIE_BREAK = 1e-12
_GOLDEN = (5**0.5 - 1) / 2
# A cluster that holds less than this part of one point is empty.
_EMPTY_CLUSTER = 1e-12
# Up to this many pairs, excluding some costs more than it saves.
_FEW_PAIRS = 16


class Mixture(NamedTuple):
    """A Gaussian mixture.

    Attributes
    ----------
    weights : ndarray of shape (n_components,)
        Non-negative, with sum 1.
    means : ndarray of shape (n_components, n_features)
    covariances : ndarray of shape (n_components, n_features, n_features)
    """

    weights: Array
    means: Array
    covariances: Array


class Target(NamedTuple):
    """A fixed mixture, with all that its pairs have in common computed once.

    Attributes
    ----------
    weights : ndarray of shape (m,)
    means : tensor of shape (m, d)
    covariances, roots : tensor of shape (m, d, d)
    spectra : tensor of shape (m, d)
        Square roots of the eigenvalues of the covariances.
    """

    weights: Array
    means: Tensor
    covariances: Tensor
    roots: Tensor
    spectra: Tensor


class MW2(NamedTuple):
    """MW2 squared from a mixture to a target, with its gradient.

    Attributes
    ----------
    value : float
    plan : ndarray of shape (n, m)
    weights_gradient : tensor of shape (n,)
        The potential of the mixture, centred.
    means_gradient : tensor of shape (n, d)
    covariances_gradient : tensor of shape (n, d, d)
    """

    value: float
    plan: Array
    weights_gradient: Tensor
    means_gradient: Tensor
    covariances_gradient: Tensor


def prepare_target(target: Mixture) -> Target:
    """Compute what all evaluations against a fixed mixture share."""
    means, covariances = (torch.as_tensor(x) for x in target[1:])
    weights = target.weights / target.weights.sum()
    roots = matrix_roots(covariances)
    return Target(weights, means, covariances, roots, spectral_roots(covariances))


class PairCosts:
    """Squared Bures-Wasserstein distances of all pairs, exact where asked for.

    All other pairs hold a lower bound: a plan, or a minimum, that uses exact
    pairs only is therefore optimal for the exact costs, too.

    Parameters
    ----------
    means : tensor of shape (n, d)
    covariances : tensor of shape (n, d, d)
    target : Target

    Attributes
    ----------
    values : ndarray of shape (n, m)
    exact : ndarray of shape (n, m), bool
    """

    def __init__(self, means: Tensor, covariances: Tensor, target: Target) -> None:
        self._covariances, self._target = covariances, target
        self._distances = (means[:, None] - target.means).square().sum(-1)
        bounds = bures_lower_bounds(spectral_roots(covariances), target.spectra)
        self.values: Array = (self._distances + bounds).numpy()
        self.exact = np.zeros(self.values.shape, dtype=bool)
        self._position = np.zeros(self.values.shape, dtype=np.intp)
        self._solved: list[tuple[Tensor, Tensor]] = []

    def refine(self, pairs: NDArray[np.bool_]) -> bool:
        """Make pairs exact; return whether any of them was not."""
        rows, columns = np.nonzero(pairs & ~self.exact)
        if not len(rows):
            return False
        covariances, target = self._covariances[rows], self._target
        targets, roots = target.covariances[columns], target.roots[columns]
        values, vectors = pair_eigensystems(covariances, roots)
        bures = squared_bures(covariances, targets, roots, values, vectors)
        self._position[rows, columns] = self.exact.sum() + np.arange(len(rows))
        self._solved.append((values, vectors))
        self.values[rows, columns] = (self._distances[rows, columns] + bures).numpy()
        self.exact[rows, columns] = True
        return True

    def maps(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Tensor:
        """Linear parts of the Gaussian maps of exact pairs, (n_pairs, d, d)."""
        values, vectors = (
            torch.cat(parts) for parts in zip(*self._solved, strict=True)
        )
        position = self._position[rows, columns]
        roots = self._target.roots[columns]
        return transport_maps(roots, values[position], vectors[position])

    def solve(self, weights: Array, support: NDArray[np.bool_] | None) -> Transport:
        """Optimal plan: solve with bounds, refine its support, until all is exact."""
        if self.values.size <= _FEW_PAIRS:
            support = np.ones(self.values.shape, dtype=bool)
        if support is not None:
            self.refine(support)
        while True:
            solved = _solve_scaled(weights, self._target.weights, self.values)
            if not self.refine(solved.plan > MASS_ROUNDING):
                return solved

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


def _solve_scaled(a: Array, b: Array, cost: Array) -> Transport:
    """Solve with costs of order one, whatever their unit, and massless columns."""
    # A power of two, so that scaling rounds nothing.
    scale = 2.0 ** np.frexp(cost.mean())[1]
    scaled = cost / scale + _TIE_BREAK * _scatter(cost.shape)
    columns = b > 0
    active = np.ascontiguousarray(scaled[:, columns])
    solved = solve_transport(a / a.sum(), b[columns], active)
    plan = np.zeros_like(cost)
    plan[:, columns] = solved.plan
    beta = (scaled - solved.alpha[:, None]).min(axis=0)
    value = float(np.vdot(plan, cost))
    return Transport(value, plan, solved.alpha * scale, beta * scale)


def _scatter(shape: tuple[int, int]) -> Array:
    """Numbers in [0, 1) without pattern, the same at every call."""
    rows, columns = np.indices(shape) + 1
    return np.asarray(rows * columns * _GOLDEN % 1.0, dtype=np.float64)


def solve_mw2(
    weights: Array,
    means: Tensor,
    covariances: Tensor,
    target: Target,
    support: NDArray[np.bool_] | None = None,
) -> MW2:
    """MW2 squared and its gradient in closed form.

    With the plan P between components, and T_ij the linear map of a pair, the
    gradient is ``2 sum_j P_ij (m_i - m_j)`` in the means, ``sum_j P_ij (I - T_ij)``
    in the covariances, and the linear programme's potential in the weights. Only
    the pairs that carry mass contribute, at most n + m - 1 of them.

    Parameters
    ----------
    weights : ndarray of shape (n,)
    means : tensor of shape (n, d)
    covariances : tensor of shape (n, d, d)
    target : Target
    support : ndarray of shape (n, m), bool, default=None
        Pairs that are likely to carry mass. The result does not depend on it.

    Returns
    -------
    MW2
    """
    costs = PairCosts(means, covariances, target)
    solved = costs.solve(weights, support)
    rows, columns = np.nonzero(solved.plan > MASS_ROUNDING)
    mass = torch.as_tensor(solved.plan[rows, columns])
    row = torch.as_tensor(rows)
    shifts = 2 * mass[:, None] * (means[rows] - target.means[columns])
    identity = torch.eye(means.shape[1], dtype=means.dtype)
    strains = mass[:, None, None] * (identity - costs.maps(rows, columns))
    return MW2(
        solved.value,
        solved.plan,
        torch.as_tensor(solved.alpha - solved.alpha.mean()),
        torch.zeros_like(means).index_add_(0, row, shifts),
        torch.zeros_like(covariances).index_add_(0, row, strains),
    )


class _MW2Function(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        weights: Tensor,
        means: Tensor,
        covariances: Tensor,
        target: Target,
        support: NDArray[np.bool_] | None,
    ) -> tuple[Tensor, Tensor]:
        masses = weights.detach().numpy()
        solved = solve_mw2(
            masses, means.detach(), covariances.detach(), target, support
        )
        ctx.save_for_backward(*solved[2:])
        plan = torch.as_tensor(solved.plan)
        ctx.mark_non_differentiable(plan)
        return means.new_tensor(solved.value), plan

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return (*(grads[0] * x for x in ctx.saved_tensors), None, None)


def mw2(
    weights: Tensor,
    means: Tensor,
    covariances: Tensor,
    target: Target,
    support: NDArray[np.bool_] | None = None,
) -> tuple[Tensor, Tensor]:
    """MW2 squared as a differentiable function of a mixture.

    Parameters
    ----------
    weights : tensor of shape (n,)
        On the simplex.
    means : tensor of shape (n, d)
    covariances : tensor of shape (n, d, d)
        Symmetric, positive semi-definite.
    target : Target
    support : ndarray of shape (n, m), bool, default=None
        Pairs that are likely to carry mass. The result does not depend on it.

    Returns
    -------
    value : tensor, scalar
    plan : tensor of shape (n, m), without gradient
    """
    return _MW2Function.apply(weights, means, covariances, target, support)


def summarise_clusters(points: Array, responsibilities: Array) -> Mixture:
    """Mixture with the moments of softly assigned points.

    Parameters
    ----------
    points : ndarray of shape (n, d)
    responsibilities : ndarray of shape (n, n_components)
        Rows sum to 1.

    Returns
    -------
    Mixture
        A component without any point has the moments of all of them.
    """
    lonely = responsibilities.sum(axis=0) < _EMPTY_CLUSTER
    shares = np.where(lonely, 1 / len(points), responsibilities)
    shares = shares / shares.sum(axis=0)
    means = shares.T @ points
    deviations = (points - mean for mean in means)
    covariances = [(s * x.T) @ x for s, x in zip(shares.T, deviations, strict=True)]
    weights = responsibilities.mean(axis=0)
    return Mixture(weights / weights.sum(), means, np.stack(covariances))


def precision_factors(covariances: Array) -> Array:
    """Upper triangular U with ``U U^T`` the inverse of each covariance.

    Parameters
    ----------
    covariances : ndarray of shape (n_components, d, d)

    Returns
    -------
    ndarray of shape (n_components, d, d)

    Raises
    ------
    numpy.linalg.LinAlgError
        If a covariance is not positive definite.
    """
    inverses = np.linalg.inv(np.linalg.cholesky(covariances))
    # Pivoting leaves rounding in the other triangle.
    return np.tril(inverses).swapaxes(-1, -2)
