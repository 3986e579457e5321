"""Gradient flows of a Gaussian mixture towards a fixed one in MW2."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .gaussians import raise_spectrum
from .mixtures import (
    MASS_ROUNDING,
    MW2,
    Array,
    Mixture,
    PairCosts,
    Target,
    mw2,
    prepare_target,
    solve_mw2,
)

# A step is accepted if the loss falls by this part of what the slope promises.
_ARMIJO = 1e-4
_MIN_STEP = 2.0**-30
# Components this close to the nearest one, relatively, share a target with it.
_TIE = 1e-9
# Squared distances below this part of the target's variance are zero: it is 1e-12
# in the parameters.
_ZERO = 1e-24


class Flow(NamedTuple):
    """The path of a flow; the leading axis of every array is the step.

    Attributes
    ----------
    weights : ndarray of shape (n_iter + 1, n_components)
    means : ndarray of shape (n_iter + 1, n_components, d)
    covariances : ndarray of shape (n_iter + 1, n_components, d, d)
    losses : ndarray of shape (n_iter + 1,)
        MW2 squared to the target.
    plan : ndarray of shape (n_components, n_target_components)
        Of the step with the lowest loss.
    converged : bool
    """

    weights: Array
    means: Array
    covariances: Array
    losses: Array
    plan: Array
    converged: bool

    @property
    def best(self) -> int:
        """Index of the step with the lowest loss."""
        return int(self.losses.argmin())


class _Point(NamedTuple):
    """A mixture with its loss, gradient and plan."""

    weights: Array
    means: Tensor
    covariances: Tensor
    solved: MW2


def flow_mixture(
    initial: Mixture,
    target: Mixture,
    *,
    learning_rate: float | None,
    max_iter: int,
    tol: float,
    reg_covar: float,
    fixed_weights: bool,
) -> Flow:
    """Flow from one mixture towards another.

    Parameters
    ----------
    initial, target : Mixture
    learning_rate : float or None
        Adam's rate, see :func:`descend_adam`; None for :func:`descend_projected`.
    max_iter : int
    tol : float
        Relative decrease of the loss below which the flow is at rest.
    reg_covar : float
        Smallest eigenvalue of a covariance, relative to :func:`variance_scale`.
    fixed_weights : bool

    Returns
    -------
    Flow
    """
    floor = reg_covar * variance_scale(initial, target)
    start = raise_spectrum(torch.as_tensor(initial.covariances), floor)
    initial = initial._replace(covariances=start.numpy())
    prepared = prepare_target(target)
    if learning_rate is None:
        return descend_projected(initial, prepared, max_iter, tol, floor, fixed_weights)
    return descend_adam(
        initial, prepared, learning_rate, max_iter, tol, floor, fixed_weights
    )


def variance_scale(initial: Mixture, target: Mixture) -> float:
    """Return the unit of the variances, the mean variance within components.

    Those of the target; of the initial mixture, if the target consists of points;
    that of the means of both, if all components are points; 1 if nothing varies at all.
    """
    for mixture in (target, initial):
        traces = np.trace(mixture.covariances, axis1=1, axis2=2)
        variance = float(mixture.weights @ traces) / mixture.means.shape[1]
        if variance > 0:
            return variance
    return float(np.vstack([target.means, initial.means]).var(axis=0).mean()) or 1.0


def descend_adam(
    initial: Mixture,
    target: Target,
    learning_rate: float,
    max_iter: int,
    tol: float,
    floor: float,
    fixed_weights: bool,
) -> Flow:
    """Adam on means, covariances and the logarithms of the weights.

    The plain loop of POT's gallery example "GMM Flow": all of `max_iter` steps,
    means at twice the rate, weights through a softmax, covariances projected
    after each step. It depends on the unit of the data and may oscillate.
    """
    logits, means, covariances = (
        torch.tensor(x, requires_grad=True)
        for x in (_log(initial.weights), initial.means, initial.covariances)
    )
    groups = [
        {"params": [means], "lr": 2 * learning_rate},
        {"params": [covariances], "lr": learning_rate},
    ]
    if not fixed_weights:
        groups.append({"params": [logits], "lr": learning_rate})
    optimizer = torch.optim.Adam(groups)
    path = _Path()
    for step in range(max_iter + 1):
        with torch.enable_grad():
            weights = torch.softmax(logits, 0)
            loss, plan = mw2(weights, means, covariances, target)
        path.append(weights, means, covariances, loss.item(), plan.numpy())
        if step < max_iter:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                covariances.copy_(raise_spectrum(covariances, floor))
    last, before = path.losses[-1], path.losses[-2]
    return path.finish(converged=bool(abs(before - last) <= tol * last))


def descend_projected(
    initial: Mixture,
    target: Target,
    max_iter: int,
    tol: float,
    floor: float,
    fixed_weights: bool,
) -> Flow:
    """Projected gradient descent in the Bures-Wasserstein metric.

    The metric makes steps free of units: with it, a step of length one brings
    every mean to the barycentre of what the plan gives to its component. The
    length is halved until the loss falls, so the loss never rises. The weights
    move once means and covariances are at rest, see :func:`reassign_weights`;
    so they can only improve on the flow with fixed weights.
    """
    means, covariances = (torch.as_tensor(x) for x in initial[1:])
    point = _evaluate(initial.weights, means, covariances, target)
    path = _Path()
    path.append(*point[:3], point.solved.value, point.solved.plan)
    zero = _ZERO * float(target.weights @ target.spectra.square().sum(1).numpy())
    converged = False
    while not converged and len(path.losses) <= max_iter:
        before = point.solved.value
        at_rest = max(tol * before, zero)
        point = _step_components(point, target, floor)
        if before - point.solved.value <= at_rest and not fixed_weights:
            point = _step_weights(point, target, zero)
        converged = bool(before - point.solved.value <= at_rest)
        path.append(*point[:3], point.solved.value, point.solved.plan)
    return path.finish(converged)


def _evaluate(
    weights: Array,
    means: Tensor,
    covariances: Tensor,
    target: Target,
    support: NDArray[np.bool_] | None = None,
) -> _Point:
    solved = solve_mw2(weights, means, covariances, target, support)
    return _Point(weights, means, covariances, solved)


def _step_components(point: _Point, target: Target, floor: float) -> _Point:
    """Move means and covariances down the gradient, or stay where no step helps."""
    solved, support = point.solved, point.solved.plan > MASS_ROUNDING
    mass = torch.as_tensor(solved.plan.sum(axis=1))
    inverse_mass = torch.where(mass > 0, 1 / mass, 0.0)
    means_step = 0.5 * inverse_mass[:, None] * solved.means_gradient
    strain = inverse_mass[:, None, None] * solved.covariances_gradient
    covariances_step = strain @ point.covariances
    covariances_step = covariances_step + covariances_step.mT
    length = 1.0
    while length >= _MIN_STEP:
        means = point.means - length * means_step
        covariances = raise_spectrum(
            point.covariances - length * covariances_step, floor
        )
        moved = _evaluate(point.weights, means, covariances, target, support)
        if _has_fallen(point, moved):
            return moved
        length /= 2
    return point


def _has_fallen(point: _Point, moved: _Point) -> bool:
    """Whether the loss fell in proportion to its slope (Armijo's condition)."""
    solved = point.solved
    slope = torch.sum(solved.means_gradient * (moved.means - point.means)) + torch.sum(
        solved.covariances_gradient * (moved.covariances - point.covariances)
    )
    decrease = solved.value - moved.solved.value
    return decrease > 0 and decrease >= -_ARMIJO * slope.item()


def _step_weights(point: _Point, target: Target, zero: float) -> _Point:
    """Move the weights, or keep them if that does not help."""
    costs = PairCosts(point.means, point.covariances, target)
    weights = reassign_weights(costs, point.solved.plan, zero)
    moved = _evaluate(weights, point.means, point.covariances, target)
    return moved if moved.solved.value < point.solved.value else point


def reassign_weights(costs: PairCosts, plan: Array, zero: float = 0.0) -> Array:
    """Weights that lower the loss for given means and covariances.

    All mass goes to the component nearest to it, the best weights there are. That
    would be k-means in Wasserstein space, which loses every component that is
    nearest to nothing. Such a component keeps one target instead, of those that
    it serves the one where it costs least more than the nearest does: it then
    has that target to itself, and moves onto it.

    Parameters
    ----------
    costs : PairCosts
    plan : ndarray of shape (n, m)
    zero : float, default=0.0
        Squared distance below which two Gaussians are the same.

    Returns
    -------
    ndarray of shape (n,)
    """
    support = plan > MASS_ROUNDING
    costs.refine(support)
    near = costs.find_nearest(_TIE, zero)
    kept = support & near
    idle = support.any(axis=1) & ~near.any(axis=1)
    regret = np.where(support, costs.values - costs.values.min(axis=0), np.inf)
    kept[idle, regret[idle].argmin(axis=1)] = True
    moved = np.where(kept, 0.0, plan).sum(axis=0)
    weights = np.where(kept, plan, 0.0).sum(axis=1)
    # Of those equally near, the first: rounding must not choose.
    return weights + np.bincount(near.argmax(axis=0), moved, minlength=len(weights))


def _log(weights: Array) -> Array:
    with np.errstate(divide="ignore"):  # a weight of 0 stays 0
        return np.log(weights)


class _Path:
    """Records a flow, and the plan of its lowest loss."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self._mixtures: list[list[Array]] = []
        self._plan: Array = np.empty(0)

    def append(
        self,
        weights: Array | Tensor,
        means: Tensor,
        covariances: Tensor,
        loss: float,
        plan: Array,
    ) -> None:
        if not self.losses or loss < min(self.losses):
            self._plan = plan
        tensors = (torch.as_tensor(x).detach() for x in (weights, means, covariances))
        self._mixtures.append([x.numpy().copy() for x in tensors])
        self.losses.append(loss)

    def finish(self, converged: bool) -> Flow:
        weights, means, covariances = (
            np.stack(arrays) for arrays in zip(*self._mixtures, strict=True)
        )
        losses = np.array(self.losses)
        return Flow(weights, means, covariances, losses, self._plan, converged)
