"""Gradient flows of a Gaussian mixture towards a fixed one in MW2."""

from typing import Any, NamedTuple

import numpy as np
import torch

from skwot._gmm.covariance_types import compact, constrain, expand
from skwot._gmm.gaussians import (
    are_positive_definite,
    eye_like,
    namespace,
    raise_spectrum,
    to_numpy,
)
from skwot._gmm.mixtures import MASS_ROUNDING, Array, Mixture, prepare_target, to_device
from skwot._gmm.mw2 import Gradient, differentiate_mw2, mw2, solve_mw2
from skwot._gmm.pair_costs import PairCosts, pair_costs
from skwot._ot.transport import Transport

# A step is accepted if the loss falls by this part of what the slope promises.
_ARMIJO = 1e-4
_MIN_STEP = 2.0**-30
# A straight step may reduce the smallest eigenvalue to this part.
_RETAINED = 0.1
# Components this close to the nearest one, relatively, share a target with it.
_TIE = 1e-9
# Squared distances below this part of the target's variance are zero: it is 1e-12
# in the parameters.
_ZERO = 1e-24


class Rules(NamedTuple):
    """How a mixture flows.

    Attributes
    ----------
    covariance_type : {'full', 'tied', 'diag', 'spherical'}
        Constraint on the covariances.
    solver : {'pgd', 'bures'}
    max_iter : int
    tol : float
        Relative decrease of the loss below which the flow is at rest.
    floor : float
        Smallest eigenvalue of a covariance.
    fixed_weights : bool
    """

    covariance_type: str
    solver: str
    max_iter: int
    tol: float
    floor: float
    fixed_weights: bool


class Flow(NamedTuple):
    """The path of a flow; the leading axis of every array is the step.

    Attributes
    ----------
    weights : ndarray of shape (n_iter + 1, n_components)
    means : ndarray of shape (n_iter + 1, n_components, d)
    covariances : ndarray of shape (n_iter + 1, n_components, d, d), or without the \
            last axis if diagonal
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
    """A mixture with its optimal plan, and the gradient once it is asked for."""

    weights: Array
    means: Any
    covariances: Any
    solved: Transport
    gradient: Gradient

    @property
    def value(self) -> float:
        return self.solved.value


def flow_mixture(
    initial: Mixture,
    target: Mixture,
    *,
    covariance_type: str = "full",
    solver: str = "pgd",
    learning_rate: float | None = None,
    max_iter: int = 100,
    tol: float = 1e-6,
    reg_covar: float = 1e-6,
    fixed_weights: bool = False,
    device: Any = None,
) -> Flow:
    """Flow from one mixture towards another.

    Parameters
    ----------
    initial, target : Mixture
        With full covariances, or both with diagonal ones.
    covariance_type, solver, max_iter, tol, fixed_weights
        See :class:`Rules`.
    learning_rate : float or None
        Adam's rate, see :func:`descend_adam`; None for :func:`descend`.
    reg_covar : float
        Smallest eigenvalue of a covariance, relative to :func:`variance_scale`.
    device : torch device or None
        None for NumPy.

    Returns
    -------
    Flow
    """
    floor = reg_covar * variance_scale(initial, target)
    rules = Rules(covariance_type, solver, max_iter, tol, floor, fixed_weights)
    start = constrain(initial.covariances, initial.weights, covariance_type)
    initial = initial._replace(covariances=raise_spectrum(start, floor))
    costs = pair_costs(prepare_target(target, device))
    if learning_rate is None:
        return descend(initial, costs, rules)
    return descend_adam(initial, costs, learning_rate, rules)


def variance_scale(initial: Mixture, target: Mixture) -> float:
    """Return the unit of the variances, the mean variance within components.

    Those of the target; of the initial mixture, if the target consists of points;
    that of the means of both, if all components are points; 1 if nothing varies at all.
    """
    for mixture in (target, initial):
        diagonals = compact(mixture.covariances, "diag")
        variance = float(mixture.weights @ diagonals.mean(axis=1))
        if variance > 0:
            return variance
    return float(np.vstack([target.means, initial.means]).var(axis=0).mean()) or 1.0


def descend_adam(
    initial: Mixture, costs: PairCosts, learning_rate: float, rules: Rules
) -> Flow:
    """Adam on means, covariances and the logarithms of the weights.

    The plain loop of POT's gallery example "GMM Flow": all of `max_iter` steps,
    means at twice the rate, weights through a softmax, covariances projected
    after each step. It depends on the unit of the data and may oscillate.
    """
    kind, rate = rules.covariance_type, learning_rate
    device = _device(costs)
    logits, means, leaf = (
        torch.tensor(x, requires_grad=True, device=device)
        for x in (
            _log(initial.weights),
            initial.means,
            compact(initial.covariances, kind),
        )
    )
    like = torch.as_tensor(initial.covariances, device=device)
    groups: list[dict[str, Any]] = [
        {"params": [means], "lr": 2 * rate},
        {"params": [leaf], "lr": rate},
    ]
    if not rules.fixed_weights:
        groups.append({"params": [logits], "lr": rate})
    optimizer = torch.optim.Adam(groups)
    path = _Path()
    for step in range(rules.max_iter + 1):
        with torch.enable_grad():
            weights, covariances = torch.softmax(logits, 0), expand(leaf, kind, like)
            loss, plan = mw2(weights, means, covariances, costs)
        path.append(weights, means, covariances, loss.item(), plan.numpy())
        if step < rules.max_iter:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                moved = raise_spectrum(expand(leaf, kind, like), rules.floor)
                leaf.copy_(compact(moved, kind))
    last, before = path.losses[-1], path.losses[-2]
    return path.finish(converged=bool(abs(before - last) <= rules.tol * last))


def descend(initial: Mixture, costs: PairCosts, rules: Rules) -> Flow:
    """Gradient descent in the Bures-Wasserstein metric.

    The metric makes steps free of units: with it, a step of length one brings
    every mean to the barycentre of what the plan gives to its component. The
    length is halved until the loss falls, so the loss never rises. The weights
    move once means and covariances are at rest, see :func:`reassign_weights`;
    so they can only improve on the flow with fixed weights.
    """
    target = costs.target
    means, covariances = (to_device(x, _device(costs)) for x in initial[1:])
    point = _evaluate(initial.weights, means, covariances, costs)
    path = _Path()
    path.append(*point[:3], point.value, point.solved.plan)
    zero = _ZERO * float(target.weights @ to_numpy(target.traces))
    converged = False
    while not converged and len(path.losses) <= rules.max_iter:
        before = point.value
        at_rest = max(rules.tol * before, zero)
        point = _step_components(point, costs, rules)
        if before - point.value <= at_rest and not rules.fixed_weights:
            point = _step_weights(point, costs, zero)
        converged = bool(before - point.value <= at_rest)
        path.append(*point[:3], point.value, point.solved.plan)
    return path.finish(converged)


def _device(costs: PairCosts) -> torch.device | None:
    means = costs.target.means
    return None if isinstance(means, np.ndarray) else means.device


def _evaluate(weights: Array, means: Any, covariances: Any, costs: PairCosts) -> _Point:
    solved = solve_mw2(weights, means, covariances, costs)
    gradient = differentiate_mw2(solved, means, costs)
    return _Point(weights, means, covariances, solved, gradient)


def _step_components(point: _Point, costs: PairCosts, rules: Rules) -> _Point:
    """Move means and covariances down the gradient, or stay where no step helps."""
    mass = point.solved.plan.sum(axis=1)
    inverse = np.divide(1, mass, out=np.zeros_like(mass), where=mass > 0)
    inverse = _as_column(inverse, point.means)
    shift = 0.5 * inverse * point.gradient.means
    strain = inverse.reshape(-1, *(1 for _ in costs.target.covariances.shape[1:]))
    strain = strain * point.gradient.covariances
    strain = constrain(strain, mass, rules.covariance_type)
    if rules.solver == "pgd":
        strain = _stay_in_cone(point.covariances, strain)
    step, length = _COVARIANCE_STEPS[rules.solver], 1.0
    while length >= _MIN_STEP:
        means = point.means - length * shift
        stepped = step(point.covariances, length * strain)
        covariances = raise_spectrum(stepped, rules.floor)
        solved = solve_mw2(point.weights, means, covariances, costs)
        if _has_fallen(point, means, covariances, solved.value):
            gradient = differentiate_mw2(solved, means, costs)
            return _Point(point.weights, means, covariances, solved, gradient)
        length /= 2
    return point


def _stay_in_cone(covariances: Any, strain: Any) -> Any:
    """Halve strains, twice at most, that make a straight step too long.

    One that leaves the cone has to be projected, and one that ends close to its
    boundary takes many more steps to get away from there. Half a step is inside
    where the covariances commute.
    """
    least = _RETAINED * _least_eigenvalue(covariances)
    scalars = (-1, *(1 for _ in strain.shape[1:]))
    for _ in range(2):
        stepped = _step_linear(covariances, strain)
        if _are_above(stepped, least):
            break
        low = _least_eigenvalue(stepped) < least
        strain = strain * namespace(strain).where(low, 0.5, 1.0).reshape(scalars)
    return strain


def _least_eigenvalue(covariances: Any) -> Any:
    xp = namespace(covariances)
    if covariances.ndim == 2:
        return xp.amin(covariances, 1)
    return xp.linalg.eigvalsh(covariances)[:, 0]


def _are_above(covariances: Any, floors: Any) -> bool:
    if covariances.ndim == 2:
        return bool((covariances > floors[:, None]).all())
    return are_positive_definite(
        covariances - floors[:, None, None] * eye_like(covariances)
    )


def _as_column(array: Array, like: Any) -> Any:
    column = array[:, None]
    return column if isinstance(like, np.ndarray) else like.new_tensor(column)


def _step_linear(covariances: Any, strain: Any) -> Any:
    """Step along the gradient in the Bures-Wasserstein metric, a straight line."""
    if covariances.ndim == 2:
        return covariances - 2 * strain * covariances
    step = strain @ covariances
    return covariances - step - step.mT


def _step_riemannian(covariances: Any, strain: Any) -> Any:
    """Step along the geodesic, to S C S with S = I - strain."""
    if covariances.ndim == 2:
        return (1 - strain) ** 2 * covariances
    step = strain @ covariances
    moved = covariances - step - step.mT + step @ strain
    return (moved + moved.mT) / 2


_COVARIANCE_STEPS = {"pgd": _step_linear, "bures": _step_riemannian}


def _has_fallen(point: _Point, means: Any, covariances: Any, value: float) -> bool:
    """Whether the loss fell in proportion to its slope (Armijo's condition)."""
    gradient, decrease = point.gradient, point.value - value
    slope = (gradient.means * (means - point.means)).sum()
    slope = slope + (gradient.covariances * (covariances - point.covariances)).sum()
    return decrease > 0 and decrease >= -_ARMIJO * float(slope)


def _step_weights(point: _Point, costs: PairCosts, zero: float) -> _Point:
    """Move the weights, or keep them if that does not help."""
    costs.move(point.means, point.covariances)
    weights = reassign_weights(costs, point.solved.plan, zero)
    moved = _evaluate(weights, point.means, point.covariances, costs)
    return moved if moved.value < point.value else point


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
        weights: Any,
        means: Any,
        covariances: Any,
        loss: float,
        plan: Array,
    ) -> None:
        if not self.losses or loss < min(self.losses):
            self._plan = plan
        mixture = (weights, means, covariances)
        self._mixtures.append([to_numpy(x).copy() for x in mixture])
        self.losses.append(loss)

    def finish(self, converged: bool) -> Flow:
        weights, means, covariances = (
            np.stack(arrays) for arrays in zip(*self._mixtures, strict=True)
        )
        losses = np.array(self.losses)
        return Flow(weights, means, covariances, losses, self._plan, converged)
