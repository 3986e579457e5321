"""Starts of a mixture reduction: components of the target itself."""

import numpy as np
from numpy.typing import NDArray

from skwot._gmm.mixtures import Array, Mixture, prepare_target
from skwot._gmm.pair_costs import pair_costs


def select_components(
    target: Mixture, n_components: int, n_init: int, rng: np.random.RandomState
) -> list[Mixture]:
    """Mixtures of components of the target, drawn by k-means++.

    k-means++ (Arthur & Vassilvitskii, 2007) with the squared Bures-Wasserstein
    distance in place of the Euclidean one, greedy as in scikit-learn: of a few
    draws the best one is kept.

    Parameters
    ----------
    target : Mixture
    n_components : int
        Fewer than those of the target.
    n_init : int
        Number of mixtures.
    rng : RandomState

    Returns
    -------
    list of Mixture
        Each weight is the mass of the components of the target that are nearest.
    """
    distances = component_distances(target)
    mixtures = []
    for _ in range(n_init):
        chosen = _draw(distances, target.weights, n_components, rng)
        nearest = distances[chosen].argmin(axis=0)
        weights = (np.arange(n_components)[:, None] == nearest) @ target.weights
        mixtures.append(
            Mixture(weights, target.means[chosen], target.covariances[chosen])
        )
    return mixtures


def component_distances(mixture: Mixture) -> Array:
    """Squared Bures-Wasserstein distances within a mixture, (n, n)."""
    costs = pair_costs(prepare_target(mixture))
    costs.move(*mixture[1:])
    costs.refine(~np.eye(len(mixture.weights), dtype=bool))
    distances = costs.values
    np.fill_diagonal(distances, 0.0)
    return distances


def _draw(
    distances: Array, weights: Array, size: int, rng: np.random.RandomState
) -> NDArray[np.intp]:
    n_trials = 2 + int(np.log(size))
    chosen = [rng.choice(len(weights), p=weights)]
    nearest = distances[chosen[0]]
    for _ in range(1, size):
        potential = weights * nearest
        if not potential.any():
            # All mass is served: any of the others will do.
            potential = np.where(np.isin(range(len(weights)), chosen), 0.0, 1.0)
        drawn = rng.choice(len(weights), n_trials, p=potential / potential.sum())
        served = np.minimum(nearest, distances[drawn])
        best = int((served @ weights).argmin())
        chosen.append(drawn[best])
        nearest = served[best]
    return np.array(chosen)
