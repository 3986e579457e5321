"""The rule by which the weights of a mixture move, once its components are at rest."""

import numpy as np

from skwot._gmm.pair_costs import PairCosts, plan_support
from skwot._typing import Array

# Components whose squared distance to a target component exceeds the smallest one by
# less than this part of it are equally near.
_TIE = 1e-9


def reassign_weights(costs: PairCosts, plan: Array, negligible: float = 0.0) -> Array:
    """Weights that lower the loss, for means and covariances that stay.

    The best weights there are give the mass of every target component to the component
    that is nearest to it. That alone would be k-means in Wasserstein space: a component
    that is nearest to no target component would lose all its mass, for good. So such a
    component keeps the mass that the plan gives it from one target component. Of those
    that it serves, that is the one for which the detour is smallest: the squared
    distance to it, less the squared distance that the nearest component has. With that
    target component to itself, it moves onto it in the steps that follow.

    Parameters
    ----------
    costs : PairCosts
        Costs at the means and covariances.
    plan : ndarray of shape (n, m)
        Optimal plan for the weights so far.
    negligible : float, default=0.0
        Squared distance below which two Gaussians are the same.

    Returns
    -------
    ndarray of shape (n,)
    """
    support = plan_support(plan)
    costs.refine(support)
    near = costs.find_nearest(_TIE, negligible)
    kept = support & near
    idle = support.any(axis=1) & ~near.any(axis=1)
    detours = np.where(support, costs.values - costs.values.min(axis=0), np.inf)
    kept[idle, detours[idle].argmin(axis=1)] = True
    freed = np.where(kept, 0.0, plan).sum(axis=0)
    weights = np.where(kept, plan, 0.0).sum(axis=1)
    # Of several that are equally near, the first takes what is freed: rounding must not
    # choose between them.
    receivers = near.argmax(axis=0)
    return weights + np.bincount(receivers, freed, minlength=len(weights))
