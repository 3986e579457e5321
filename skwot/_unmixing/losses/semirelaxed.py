"""Semi-relaxed transport between sources and target: the likelihood of a mixture.

With the soft cost ``S_k(x) = -log L_k(x)`` of mass at x for source k, in units of a
temperature (see :mod:`~skwot._unmixing.views`), surcharges s, and target masses b at
the points x_j, the loss is

    f(w) = min_P <S + s, P> + KL(P | w b^T)   subject to   P^T 1 = b
         = -sum_j b_j log sum_k w_k exp(-s_k) L_k(x_j)

(Rigollet & Weed, 2018; Vayer & Lasalle, 2025), minus the log-likelihood of the target's
rows under a mixture of densities. With one view whose exponent is one, it is also the
entropic cost of transport from the atoms of the mixture ``H w`` with a free marginal.
So f is convex and smooth in w, and needs no transport problem. With the gradient
function (Lindsay, 1983)

    D_k(w) = sum_j b_j L_jk / (L w)_j,   L_jk = exp(-s_k) L_k(x_j),

its gradient is ``-D``, and Jensen's inequality bounds the optimum from below by
``f(w) - log max_k D_k(w)``.
"""

from collections.abc import Sequence
from copy import copy

import numpy as np
import torch

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
from skwot._unmixing.views import Densities, View, unit_of

_LEAST_START = 1e-3  # weight of each source where the search for a replicate's begins


class SemirelaxedLoss(Objective):
    """Minus the log-likelihood of a mixture of densities, per unit of target.

    Values are in units of the temperature. A plane's record holds the weights at which
    it touches.

    Parameters
    ----------
    problem : Problem
        Its surcharges are costs of a unit of mass of each source.
    views : sequence of View
        One for each part of the problem's metric.

    Attributes
    ----------
    densities : ndarray of shape (m, K)
        L with each row divided by its largest entry.
    """

    def __init__(self, problem: Problem, views: Sequence[View]) -> None:
        self._outlier_cost = problem.outlier_cost
        self._views = Densities(
            problem.sources.points, problem.target.points, problem.metric, views
        )
        super().__init__(problem.marginals, unit_of(views), ROUNDING)

    def _set_masses(self) -> None:
        masses, target, surcharges = self.marginals
        if self._outlier_cost is None:
            logs = self._views.logarithms(masses)
        else:
            logs = self._views.logarithms(masses[:-1, :-1])
            outliers = np.full((len(logs), 1), -self._outlier_cost / self.unit)
            logs = np.append(logs, outliers, axis=1)
        logs -= surcharges
        largest = logs.max(axis=1)
        self.densities = np.exp(logs - largest[:, None])
        self._shift = -largest
        self._offset = float(target @ self._shift)

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

    def improved(self, weights: Array) -> Array:
        """Make one step of expectation maximisation, which never raises the loss."""
        raised = weights * self.gradient_function(weights)
        return np.asarray(raised / raised.sum())

    def potentials(
        self, planes: list[Plane], multipliers: Array
    ) -> tuple[Array, Array]:
        """Soft costs of the target atoms; the source potential is zero.

        They belong to the weights that the planes' combination touches nearly. The free
        marginal has no potential.
        """
        weights = multipliers @ np.array([plane.record for plane in planes])
        return np.zeros(self.marginals.masses.shape[0]), self._soft_costs(weights)

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
        atoms = rows if self._outlier_cost is None else rows[:-1]
        other._views = self._views.between(atoms, columns)
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
        return found._replace(
            alpha=np.zeros(self.marginals.masses.shape[0]),
            beta=self.unit * self._soft_costs(found.weights),
        )
