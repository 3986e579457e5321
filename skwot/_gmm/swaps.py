"""Leaving a local minimum of a flow by moving one component elsewhere.

A flow ends where two components share what one could do, while one component has to do
for two far apart. Then the component that is missed least goes onto the component of
the target that gains most from it, and the flow goes on from there; what it finds is
kept if the loss has fallen. This is the swap of k-means' local search (Kanungo et al.,
2004, A local search approximation algorithm for k-means clustering), with distances
between Gaussians.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np

from skwot._callbacks import UNWATCHED, Changed, Watch
from skwot._gmm.arrays import device_of, to_device, to_numpy
from skwot._gmm.covariance_types import compact, constrain, expand
from skwot._gmm.descent import descend, negligible_loss
from skwot._gmm.floor import Floor
from skwot._gmm.mixtures import Mixture
from skwot._gmm.pair_costs import PairCosts
from skwot._gmm.path import Flow
from skwot._gmm.seeding import component_distances
from skwot._gmm.settings import Settings
from skwot._typing import Array

_TRIED = 20  # swaps, before a minimum is taken for the lowest that swaps reach
_REACHED = 1e-9  # part of the first loss at which there is nothing left to improve


def descend_with_swaps(
    initial: Mixture,
    target: Mixture,
    costs: PairCosts,
    floor: Floor,
    settings: Settings,
    watch: Watch = UNWATCHED,
) -> Flow:
    """Flow to rest, and go on from the best swap as long as one lowers the loss.

    Parameters
    ----------
    initial, costs, floor, settings
        See :func:`~skwot._gmm.descent.descend`. After each swap there may be `max_iter`
        steps.
    target : Mixture
        That of the costs.
    watch : Watch, default=UNWATCHED

    Returns
    -------
    Flow
        Its path has the steps by which the loss fell.
    """
    flow = descend(initial, costs, floor, settings, watch)
    negligible = max(_REACHED * flow.losses[0], negligible_loss(costs.target))
    between = None
    swapped = True
    while swapped and flow.converged and flow.losses[-1] > negligible:
        if watch.stopped:
            break
        if between is None:
            between = component_distances(target)
        swapped = False
        for candidate in _candidates(flow, between, costs, floor, settings):
            # A flow after a swap counts only if it is the best one.
            best = Changed(watch, partial(_better, best=flow))
            other = descend(candidate, costs, floor, settings, best)
            swapped = bool(other.losses[-1] < (1 - settings.tol) * flow.losses[-1])
            if swapped:
                flow = flow.continued(other, settings.record_path)
            if swapped or watch.stopped:
                break
    return flow


def _better(flow: Flow, best: Flow) -> Flow:
    return flow if flow.losses.min() < best.losses.min() else best


def _candidates(
    flow: Flow, between: Array, costs: PairCosts, floor: Floor, settings: Settings
) -> Iterator[Mixture]:
    """Mixtures after the swaps with the lowest losses, before these flow."""
    kind, plan = settings.covariance_type, flow.plan
    targets = to_numpy(costs.target.covariances)
    shape = (len(plan), *targets.shape[1:])
    covariances = expand(flow.best.covariances, kind, np.broadcast_to(0.0, shape))
    mixture = flow.best._replace(covariances=np.array(covariances))
    distances = _all_distances(mixture, costs)
    losses = _swapped_losses(distances, between, plan.sum(axis=0))
    best = np.argsort(losses, axis=None, kind="stable")[:_TRIED]
    for row, column in zip(*np.unravel_index(best, losses.shape), strict=True):
        means, stack = mixture.means.copy(), mixture.covariances.copy()
        means[row] = to_numpy(costs.target.means[column])
        stack[row] = targets[column]
        weights = mixture.weights
        if not settings.fixed_weights:
            weights = _swapped_weights(plan, distances, row, column)
        stack = floor.raise_covariances(constrain(stack, weights, kind))
        # Rounding of the projection may leave the type.
        yield Mixture(weights, means, expand(compact(stack, kind), kind, stack))


def _all_distances(mixture: Mixture, costs: PairCosts) -> Array:
    means, covariances = (
        to_device(x, device_of(costs.target.means)) for x in mixture[1:]
    )
    costs.move(means, covariances)
    costs.refine(~costs.exact)
    return costs.values.copy()


def _swapped_losses(distances: Array, between: Array, masses: Array) -> Array:
    """Loss with free weights, if component i were component j of the target: (n, m)."""
    losses = np.empty(distances.shape)
    for row in range(len(distances)):
        others = np.delete(distances, row, axis=0).min(axis=0, initial=np.inf)
        losses[row] = np.minimum(between, others) @ masses
    return losses


def _swapped_weights(plan: Array, distances: Array, row: int, column: int) -> Array:
    """Weights for which others do what a component did, and it one thing alone."""
    others = distances.copy()
    others[row] = np.inf
    moved = plan.copy()
    moved[row] = 0
    np.add.at(moved, (others.argmin(axis=0), np.arange(plan.shape[1])), plan[row])
    moved[:, column] = 0
    moved[row, column] = plan[:, column].sum()
    return np.asarray(moved.sum(axis=1))
