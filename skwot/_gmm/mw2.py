"""MW2, optimal transport between Gaussian mixtures, as a differentiable value.

MW2 is the Wasserstein distance restricted to plans that are Gaussian mixtures
themselves. It is a discrete transport problem between the components, whose ground cost
is the squared Bures-Wasserstein distance (Delon & Desolneux, 2020, A Wasserstein-type
distance in the space of Gaussian mixture models, section 4.2).
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from skwot._gmm.arrays import as_like, device_of, eye_like, per_row, to_numpy
from skwot._gmm.mixtures import Mixture, extreme_unit, in_unit, prepare_target
from skwot._gmm.pair_costs import PairCosts, pair_costs, plan_support
from skwot._ot.transport import Transport
from skwot._typing import Array, Index


class Gradient(NamedTuple):
    """Gradient of MW2 squared in the parameters of a mixture.

    Attributes
    ----------
    weights : ndarray of shape (n,)
        The potential of the mixture, centred.
    means : array of shape (n, d)
    covariances : array of shape (n, d, d), or (n, d) if diagonal
    """

    weights: Array
    means: Any
    covariances: Any


def solve_mw2(
    weights: Array, means: Any, covariances: Any, costs: PairCosts
) -> Transport:
    """MW2 squared and an optimal plan between the components.

    Parameters
    ----------
    weights : ndarray of shape (n,)
    means : array of shape (n, d)
    covariances : array of shape (n, d, d), or (n, d) if diagonal
    costs : PairCosts
        Costs towards the target; afterwards they are those of this mixture.

    Returns
    -------
    Transport
    """
    costs.move(means, covariances)
    return costs.solve(weights)


class Between(NamedTuple):
    """MW2 between two mixtures, in a unit of order one.

    Attributes
    ----------
    unit : float
        Of the data.
    mixture : Mixture
        The first one, in this unit.
    costs : PairCosts
        From it to the second one.
    solved : Transport
    """

    unit: float
    mixture: Mixture
    costs: PairCosts
    solved: Transport


def solve_between(mixture: Mixture, other: Mixture) -> Between:
    """Solve for MW2 between two mixtures of NumPy arrays.

    Parameters
    ----------
    mixture, other : Mixture

    Returns
    -------
    Between
    """
    unit = extreme_unit(mixture, other)
    mixture = in_unit(mixture, unit)
    costs = pair_costs(prepare_target(in_unit(other, unit)))
    return Between(unit, mixture, costs, solve_mw2(*mixture, costs))


def differentiate_mw2(solved: Transport, means: Any, costs: PairCosts) -> Gradient:
    """Gradient in closed form, at the mixture that was solved last.

    With the plan P between the components and the matrix T_ij of the map of a pair, the
    gradient is ``2 sum_j P_ij (m_i - m_j)`` in the means, ``sum_j P_ij (I - T_ij)`` in
    the covariances, and the potential of the linear programme in the weights. Only the
    pairs that carry mass contribute, which are at most n + m - 1.

    Parameters
    ----------
    solved : Transport
    means : array of shape (n, d)
    costs : PairCosts

    Returns
    -------
    Gradient
    """
    rows, columns = np.nonzero(plan_support(solved.plan))
    maps, others = costs.maps(rows, columns), costs.target.means
    return gradient_of(solved.plan, solved.alpha, means, others, (rows, columns), maps)


def gradient_of(
    plan: Array,
    potential: Array,
    means: Any,
    others: Any,
    pairs: tuple[Index, Index],
    maps: Any,
) -> Gradient:
    """Gradient in the parameters of one of two mixtures.

    Parameters
    ----------
    plan : ndarray of shape (n, m)
        From this mixture to the other one.
    potential : ndarray of shape (n,)
    means, others : array of shape (n, d), array of shape (m, d)
    pairs : tuple of two ndarray
        Rows and columns of the plan that carry mass.
    maps : array of shape (n_pairs, d, d), or (n_pairs, d) if diagonal
        Matrices of the maps of these pairs.

    Returns
    -------
    Gradient
    """
    rows, columns = pairs
    # A matrix product sums the maps of each row, weighed by the plan.
    masses = np.zeros((len(plan), len(rows)))
    masses[rows, np.arange(len(rows))] = plan[rows, columns]
    mapped = as_like(masses, means) @ maps.reshape(len(rows), -1)
    row_mass = as_like(plan.sum(axis=1), means)
    identity = 1.0 if maps.ndim == 2 else eye_like(maps)
    return Gradient(
        potential - potential.sum() / len(plan),
        2 * (row_mass[:, None] * means - as_like(plan, means) @ others),
        per_row(row_mass, maps) * identity - mapped.reshape(-1, *maps.shape[1:]),
    )


class _MW2Function(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        weights: Tensor,
        means: Any,
        covariances: Any,
        costs: PairCosts,
        solved: Transport | None,
    ) -> tuple[Tensor, Tensor]:
        # The plan has no gradient, so PyTorch need not make zeros for it.
        ctx.set_materialize_grads(False)
        masses = to_numpy(weights)
        if device_of(costs.target.means) is None:
            means, covariances = to_numpy(means), to_numpy(covariances)
        if solved is None:
            solved = solve_mw2(masses, means, covariances, costs)
        ctx.point, ctx.costs, ctx.solved = (masses, means, covariances), costs, solved
        ctx.n_moves = costs.n_moves
        plan = torch.from_numpy(solved.plan)
        ctx.mark_non_differentiable(plan)
        return weights.new_full((), solved.value), plan

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        if grads[0] is None:
            return None, None, None, None, None
        solved, costs = ctx.solved, ctx.costs
        if costs.n_moves != ctx.n_moves:
            # They belong to another mixture by now.
            weights, means, covariances = ctx.point
            solved = solve_mw2(weights, means, covariances, costs)
        gradient = differentiate_mw2(solved, ctx.point[1], costs)
        # NumPy scales small arrays faster than PyTorch does.
        scale, device = grads[0].item(), grads[0].device
        scaled = [torch.as_tensor(scale * x, device=device) for x in gradient]
        return *scaled, None, None


def mw2(
    weights: Tensor,
    means: Tensor,
    covariances: Tensor,
    costs: PairCosts,
    solved: Transport | None = None,
) -> tuple[Tensor, Tensor]:
    """MW2 squared as a differentiable function of a mixture.

    Parameters
    ----------
    weights : tensor of shape (n,)
        On the simplex.
    means : tensor of shape (n, d)
    covariances : tensor of shape (n, d, d), or (n, d) if diagonal
        Symmetric, positive semi-definite.
    costs : PairCosts
        Costs towards the target. Evaluations with the same object share what they find.
    solved : Transport, default=None
        What :func:`solve_mw2` returned for this mixture, if it was the last one solved.

    Returns
    -------
    value : tensor, scalar
        In squared units of the data.
    plan : tensor of shape (n, m)
        Without gradient, on the CPU.
    """
    return _MW2Function.apply(weights, means, covariances, costs, solved)
