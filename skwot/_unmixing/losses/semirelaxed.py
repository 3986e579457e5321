"""Entropic transport with a free source marginal: the likelihood of a mixture.

For the reweighted sources a = H w and the target b, the loss is

    f(w) = min_P <c, P> + eps KL(P | a b^T)   subject to   P^T 1 = b
         = -eps sum_j b_j log sum_i a_i exp(-c_ij / eps)

(Rigollet & Weed, 2018; Vayer & Lasalle, 2025): up to the factor, minus the
log-likelihood of the target's rows under a mixture of kernel densities

    L_jk = exp(-s_k / eps) sum_i H_ik exp(-c_ij / eps),

where s_k is the surcharge of source k. So f is convex and smooth in w, and needs no
transport problem. With the gradient function (Lindsay, 1983)

    D_k(w) = sum_j b_j L_jk / (L w)_j

its gradient is ``-eps D``, and Jensen's inequality bounds the optimum from below by
``f(w) - eps log max_k D_k(w)``.
"""

from copy import copy

import numpy as np
import torch
from scipy import sparse

from skwot._ot.ground_costs import BlockCost
from skwot._typing import Array
from skwot._unmixing.problem import (
    ROUNDING,
    Marginals,
    Objective,
    Plane,
    Problem,
    Touching,
    Unmixing,
)

_LEAST_START = 1e-3  # weight of each source where the search for a replicate's begins


class SemirelaxedLoss(Objective):
    """Minus the log-likelihood of a mixture of kernel densities, per unit of target.

    Values are in units of the temperature. The densities of all target atoms under all
    sources are computed once, by blocks of costs. A plane's record holds the weights at
    which it touches.

    Parameters
    ----------
    problem : Problem
        Its surcharges are costs of a unit of mass of each source.
    temperature : float
        In units of the ground cost.

    Attributes
    ----------
    densities : ndarray of shape (m, K)
        L with each row divided by its largest entry.
    """

    def __init__(self, problem: Problem, temperature: float) -> None:
        costs = problem.costs()
        self._costs, self._eps = costs, temperature / costs.unit
        super().__init__(problem.marginals, temperature, ROUNDING)

    def _set_masses(self) -> None:
        masses, _, surcharges = self.marginals
        scaled = masses @ sparse.diags_array(np.exp(-surcharges))
        self._scaled = sparse.csr_array(scaled)
        shift, sums = _kernel_sums(self._costs, self._scaled, self._eps)
        largest = sums.max(axis=1)
        self.densities = sums / largest[:, None]
        self._shift = shift - np.log(largest)
        self._offset = float(self.marginals.target @ self._shift)

    def differentiable(self, w: torch.Tensor) -> tuple[torch.Tensor, Touching]:
        """See :meth:`Objective.differentiable`: the tangent at `w`."""
        target = torch.from_numpy(self.marginals.target)
        mixed = torch.from_numpy(self.densities) @ w
        value = self._offset - target @ mixed.log()
        # The slope times the weights is minus the mass of the target, which is one.
        offset = float(value.detach()) + 1.0
        return value, Touching(offset, w.detach().numpy().copy())

    def gradient_function(self, weights: Array) -> Array:
        """D_k at these weights, shape (K,); at the optimum none is above one."""
        ratios = self.marginals.target / (self.densities @ weights)
        return np.asarray(ratios @ self.densities)

    def value(self, weights: Array) -> float:
        """Evaluate the loss; infinite where some target atom has no density."""
        with np.errstate(divide="ignore"):
            logs = np.log(self.densities @ weights)
        return float(self._offset - self.marginals.target @ logs)

    def _known_planes(self) -> list[Plane]:
        """Give the tangent at equal weights, where every target atom has a density."""
        return [self(self.initial_weights()).plane]

    def initial_weights(self) -> Array:
        """Equal weights, unless another start was given."""
        n_weights = self.marginals.n_weights
        return np.full(n_weights, 1 / n_weights) if self._start is None else self._start

    def potentials(
        self, planes: list[Plane], multipliers: Array
    ) -> tuple[Array, Array]:
        """Soft costs of the target atoms; the source potential is zero.

        They belong to the weights that the planes' combination touches nearly. The free
        marginal has no potential.
        """
        weights = multipliers @ np.array([plane.record for plane in planes])
        return np.zeros(self._costs.shape[0]), self._soft_costs(weights)

    def _soft_costs(self, weights: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(self._shift - np.log(self.densities @ weights))

    def bound(self, alpha: Array, beta: Array) -> float:
        """No bound: these potentials certify nothing by themselves."""
        return -np.inf

    def reweighted(
        self, marginals: Marginals, around: list[Plane], start: Array
    ) -> "SemirelaxedLoss":
        """See :meth:`Objective.reweighted`. Atoms without mass are left out."""
        rows = np.flatnonzero(marginals.masses.sum(axis=1))
        columns = np.flatnonzero(marginals.target)
        other = copy(self)
        other._costs = self._costs.between(rows, columns)
        other.marginals = marginals._replace(
            masses=marginals.masses[rows], target=marginals.target[columns]
        )
        other._set_masses()
        # Where a source has no weight, a target atom may have no density.
        inside = np.maximum(start, _LEAST_START)
        other._start, other._free = inside / inside.sum(), None
        return other

    def complete(self, found: Unmixing) -> Unmixing:
        """Give the potentials of the weights found, by which points are assigned."""
        zero = np.zeros(self._costs.shape[0])
        return found._replace(
            alpha=zero,
            beta=self.unit * self._soft_costs(found.weights),
            plan_alpha=zero,
            temperature=self.unit,
        )


def _kernel_sums(
    costs: BlockCost, masses: sparse.csr_array, eps: float
) -> tuple[Array, Array]:
    """Sum the kernel over the atoms of each source, in one pass over the costs.

    Returns
    -------
    shift : ndarray of shape (m,)
        Least cost of each target atom, in temperatures.
    sums : ndarray of shape (m, K)
        ``sum_i masses_ik exp(shift_j - c_ij / eps)``.
    """
    m = costs.shape[1]
    shift, sums = np.full(m, np.inf), np.zeros((m, masses.shape[1]))
    for rows, block in costs.blocks():
        levels = block / eps
        lower = np.minimum(shift, levels.min(axis=0))
        sums *= np.exp(lower - shift)[:, None]
        np.subtract(lower, levels, out=levels)
        np.exp(levels, out=levels)
        sums += (masses[rows].T @ levels).T
        shift = lower
    return shift, sums
