"""Gradient flow of a Gaussian mixture towards a fixed one in MW2."""

import numpy as np

from skwot._gmm.adam import descend_adam
from skwot._gmm.covariance_types import compact, constrain, drop_zeros
from skwot._gmm.descent import descend
from skwot._gmm.gaussians import raise_spectrum
from skwot._gmm.mixtures import Mixture, prepare_target
from skwot._gmm.pair_costs import pair_costs
from skwot._gmm.path import Flow
from skwot._gmm.settings import Settings


def flow_mixture(initial: Mixture, target: Mixture, settings: Settings) -> Flow:
    """Flow from one mixture towards another.

    Parameters
    ----------
    initial, target : Mixture
        With full covariances, or both with diagonal ones.
    settings : Settings

    Returns
    -------
    Flow
    """
    kind = settings.covariance_type
    initial, target = drop_zeros(initial, target, kind)
    floor = settings.reg_covar * variance_scale(initial, target)
    constrained = constrain(initial.covariances, initial.weights, kind)
    initial = initial._replace(covariances=raise_spectrum(constrained, floor))
    costs = pair_costs(prepare_target(target, settings.device))
    solve = descend if settings.learning_rate == "auto" else descend_adam
    return solve(initial, costs, floor, settings)


def variance_scale(initial: Mixture, target: Mixture) -> float:
    """Return the unit of the variances, which is the mean variance within components.

    It is that of the target's components. If these are points, it is that of the
    initial components; if these are points, too, the variance of all means; and 1 if
    nothing varies at all.
    """
    for mixture in (target, initial):
        diagonals = compact(mixture.covariances, "diag")
        variance = float(mixture.weights @ diagonals.mean(axis=1))
        if variance > 0:
            return variance
    return float(np.vstack([target.means, initial.means]).var(axis=0).mean()) or 1.0
