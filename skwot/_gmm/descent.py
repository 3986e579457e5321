"""Flow down the Bures-Wasserstein gradient, with steps that need no tuning."""

from typing import Any, NamedTuple

import numpy as np
import torch

from skwot._callbacks import UNWATCHED, Watch
from skwot._gmm.arrays import (
    as_like,
    device_of,
    per_row,
    to_device,
    to_numpy,
)
from skwot._gmm.covariance_types import constrain
from skwot._gmm.floor import Floor
from skwot._gmm.gaussians import which_are_positive_definite
from skwot._gmm.mixtures import Mixture, Target
from skwot._gmm.mw2 import Gradient, differentiate_mw2, mw2, solve_mw2
from skwot._gmm.pair_costs import PairCosts
from skwot._gmm.path import Flow, Path
from skwot._gmm.settings import Settings
from skwot._gmm.weights import reassign_weights
from skwot._ot.transport import Transport
from skwot._typing import Array

# A step is accepted if the loss falls by at least this part of what its slope promises
# (Armijo's condition).
_ARMIJO = 1e-4
# Length of a step, relative to the full one, below which the search gives up.
_MIN_LENGTH = 2.0**-30
# Changes of the loss below this part of it are rounding.
_LOSS_ROUNDING = float(np.finfo(np.float64).eps)
# A straight step is halved if it leaves less than this part of a covariance.
_RETAINED = 0.1
# Losses below this part of the mean trace of the target's covariances are zero: they
# stand for parameters that are wrong by 1e-12 of a standard deviation.
_NEGLIGIBLE = 1e-24


class _Iterate(NamedTuple):
    """A mixture on the way, with the optimal plan and the gradient there."""

    weights: Array
    means: Any
    covariances: Any
    solved: Transport
    gradient: Gradient

    @property
    def loss(self) -> float:
        return self.solved.value


def descend(
    initial: Mixture,
    costs: PairCosts,
    floor: Floor,
    settings: Settings,
    watch: Watch = UNWATCHED,
) -> Flow:
    """Descend the gradient in the Bures-Wasserstein metric.

    In this metric a full step brings every mean to the barycentre of what the plan
    gives to its component, whatever the unit of the data. The length of the step is
    halved until the loss falls, so the loss never rises. The weights move once means
    and covariances are at rest, by :func:`~skwot._gmm.weights.reassign_weights`, and
    only if the loss falls, so that the result is no worse than with fixed weights.

    Parameters
    ----------
    initial : Mixture
        Within the covariance type, and above the floor.
    costs : PairCosts
        Costs towards the target.
    floor : Floor
    settings : Settings
    watch : Watch, default=UNWATCHED

    Returns
    -------
    Flow
    """
    target = costs.target
    path = Path(settings.covariance_type, settings.record_path)
    device = device_of(target.means)
    means, covariances = (to_device(x, device) for x in initial[1:])
    solved = solve_mw2(initial.weights, means, covariances, costs)
    iterate = _arrive(initial.weights, means, covariances, solved, costs, settings)
    _record(path, iterate)
    negligible = negligible_loss(target)
    converged = False
    while not converged and len(path.losses) <= settings.max_iter:
        before = iterate.loss
        at_rest = max(settings.tol * before, negligible)
        iterate = _step_components(iterate, costs, floor, settings)
        if before - iterate.loss <= at_rest and not settings.fixed_weights:
            iterate = _step_weights(iterate, costs, negligible, settings)
        converged = bool(before - iterate.loss <= at_rest)
        _record(path, iterate)
        if watch(path.snapshot):
            break
    return path.finish(converged)


def negligible_loss(target: Target) -> float:
    """Loss below which a mixture is the target, to rounding."""
    return _NEGLIGIBLE * float(target.weights @ to_numpy(target.traces))


def _record(path: Path, iterate: _Iterate) -> None:
    weights, means, covariances, solved, _ = iterate
    path.append(weights, means, covariances, solved.value, solved.plan)


def _arrive(
    weights: Array,
    means: Any,
    covariances: Any,
    solved: Transport,
    costs: PairCosts,
    settings: Settings,
) -> _Iterate:
    """Join the mixture that was solved last with its gradient."""
    if settings.solver == "pgd":
        gradient = _autograd(weights, means, covariances, solved, costs)
    else:
        gradient = differentiate_mw2(solved, means, costs)
    return _Iterate(weights, means, covariances, solved, gradient)


def _autograd(
    weights: Array, means: Any, covariances: Any, solved: Transport, costs: PairCosts
) -> Gradient:
    """Compute the gradient of the mixture that was solved last, by torch autograd."""
    device = device_of(means)
    w, m, c = (
        torch.as_tensor(x, device=device).detach().requires_grad_()
        for x in (weights, means, covariances)
    )
    with torch.enable_grad():
        value, _ = mw2(w, m, c, costs, solved)
    of_weights, *others = torch.autograd.grad(value, (w, m, c))
    of_components = others if device is not None else map(to_numpy, others)
    return Gradient(to_numpy(of_weights), *of_components)


def _step_components(
    iterate: _Iterate, costs: PairCosts, floor: Floor, settings: Settings
) -> _Iterate:
    """Move means and covariances down the gradient, or stay where no step helps."""
    shift, strain = _full_step(iterate, settings)
    step, length = _COVARIANCE_STEPS[settings.solver], 1.0
    while length >= _MIN_LENGTH:
        means = iterate.means - length * shift
        stepped = step(iterate.covariances, length * strain)
        covariances = floor.raise_covariances(stepped)
        solved = solve_mw2(iterate.weights, means, covariances, costs)
        promised = _promised_decrease(iterate, means, covariances)
        decrease = iterate.loss - solved.value
        if decrease > 0 and decrease >= _ARMIJO * promised:
            return _arrive(iterate.weights, means, covariances, solved, costs, settings)
        if abs(promised) <= _LOSS_ROUNDING * iterate.loss:
            break  # a shorter step promises even less than can be told from rounding
        length /= 2
    return iterate


def _full_step(iterate: _Iterate, settings: Settings) -> tuple[Any, Any]:
    """Shift of the means and strain of the covariances, for a step of length one.

    With the mass w_i of a component and the matrix of a map ``T_ij``, the shift is
    ``m_i - sum_j P_ij m_j / w_i`` and the strain ``I - sum_j P_ij T_ij / w_i``.
    """
    mass = iterate.solved.plan.sum(axis=1)
    inverse = np.divide(1, mass, out=np.zeros_like(mass), where=mass > 0)
    inverse = as_like(inverse, iterate.means)
    shift = 0.5 * per_row(inverse, iterate.means) * iterate.gradient.means
    strain = per_row(inverse, iterate.covariances) * iterate.gradient.covariances
    strain = constrain(strain, mass, settings.covariance_type)
    if settings.solver == "pgd":
        strain = _stay_in_cone(iterate.covariances, strain)
    return shift, strain


def _stay_in_cone(covariances: Any, strain: Any) -> Any:
    """Halve the strains, at most twice, that make a straight step too long.

    A step that leaves the cone of positive definite matrices has to be projected, and
    from close to the boundary of the cone it takes many more steps to get away again.
    Half a step is inside where C and T commute: ``C - 2 (C - T C) / 2 = T C``. Inside
    means that a part of C is left, in the Loewner order, which no units change.
    """
    for _ in range(2):
        left = _step_straight(covariances, strain) - _RETAINED * covariances
        inside = which_are_positive_definite(left)
        if inside.all():
            break
        lengths = as_like(np.where(inside, 1.0, 0.5), strain)
        strain = strain * per_row(lengths, strain)
    return strain


def _step_straight(covariances: Any, strain: Any) -> Any:
    """Follow the tangent of the geodesic: C - S C - C S, with the strain S."""
    if covariances.ndim == 2:
        return covariances - 2 * strain * covariances
    step = strain @ covariances
    return covariances - (step + step.mT)  # so it is symmetric to the last digit


def _step_geodesic(covariances: Any, strain: Any) -> Any:
    """Follow the geodesic: (I - S) C (I - S), with the strain S."""
    if covariances.ndim == 2:
        return (1 - strain) ** 2 * covariances
    step = strain @ covariances
    moved = covariances - step - step.mT + step @ strain
    return (moved + moved.mT) / 2


_COVARIANCE_STEPS = {"pgd": _step_straight, "bures": _step_geodesic}


def _promised_decrease(iterate: _Iterate, means: Any, covariances: Any) -> float:
    """Decrease of the loss on the way to a mixture, by the slope where it starts."""
    gradient = iterate.gradient
    slope = (gradient.means * (means - iterate.means)).sum()
    slope = slope + (gradient.covariances * (covariances - iterate.covariances)).sum()
    return -float(slope)


def _step_weights(
    iterate: _Iterate, costs: PairCosts, negligible: float, settings: Settings
) -> _Iterate:
    """Move the weights, or keep them if that does not help."""
    means, covariances = iterate.means, iterate.covariances
    costs.move(means, covariances)
    weights = reassign_weights(costs, iterate.solved.plan, negligible)
    solved = solve_mw2(weights, means, covariances, costs)
    if solved.value >= iterate.loss:
        return iterate
    return _arrive(weights, means, covariances, solved, costs, settings)
