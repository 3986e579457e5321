"""Mixtures that a flow starts from, if the user gives none."""

import numpy as np

from skwot._gmm.estimation import seed_mixture
from skwot._gmm.mixtures import Mixture, prepare_target
from skwot._gmm.pair_costs import pair_costs
from skwot._typing import Array, Index

INIT_NAMES = ("k-means++", "kmeans", "random", "random_from_data")


def seed_mixtures(
    X: Array,
    target: Mixture,
    n_components: int,
    init_params: str,
    n_init: int,
    rng: np.random.RandomState,
) -> list[Mixture]:
    """Mixtures to start from, from one of scikit-learn's initialisations.

    A reduction, which has fewer components than its target, starts from components of
    the target under 'k-means++': see :func:`select_components`. Otherwise one step of
    EM makes a mixture of the initialisation on the data.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Without rows if there are no data.
    target : Mixture
    n_components : int
    init_params : one of INIT_NAMES
    n_init : int
        Number of mixtures.
    rng : RandomState

    Returns
    -------
    list of Mixture

    Raises
    ------
    ValueError
        If there are no data, and they are needed.
    """
    if init_params == "k-means++" and n_components < len(target.weights):
        return select_components(target, n_components, n_init, rng)
    if not len(X):
        raise ValueError(
            "fit needs X, from which the initial mixture is estimated; got X=None with "
            f"init={init_params!r} and n_components={n_components}. It can be left out "
            "if init is a mixture, or if init='k-means++' and the target has more than "
            f"n_components components; it has {len(target.weights)}."
        )
    return [seed_mixture(X, n_components, init_params, rng) for _ in range(n_init)]


def select_components(
    target: Mixture, n_components: int, n_init: int, rng: np.random.RandomState
) -> list[Mixture]:
    """Mixtures of components of the target, drawn by k-means++.

    This is k-means++ (Arthur & Vassilvitskii, 2007, k-means++: the advantages of
    careful seeding) with the squared Bures-Wasserstein distance in place of the
    Euclidean one. It is greedy as in scikit-learn: of a few draws, the one that lowers
    the sum of distances most is kept.

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
        The weight of a component is the mass of those of the target that it is nearest
        to.
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
    """Squared Bures-Wasserstein distances between the components of a mixture.

    Parameters
    ----------
    mixture : Mixture

    Returns
    -------
    ndarray of shape (n_components, n_components)
    """
    costs = pair_costs(prepare_target(mixture))
    costs.move(*mixture[1:])
    costs.refine(~np.eye(len(mixture.weights), dtype=bool))
    distances = costs.values
    np.fill_diagonal(distances, 0.0)
    return distances


def _draw(
    distances: Array, weights: Array, size: int, rng: np.random.RandomState
) -> Index:
    """Draw `size` of n weighted components, whose distances (n, n) are known."""
    n_trials = 2 + int(np.log(size))
    chosen = [rng.choice(len(weights), p=weights)]
    nearest = distances[chosen[0]]
    for _ in range(1, size):
        potential = weights * nearest
        if not potential.any():
            # All mass is at a chosen component, so any of the others will do.
            potential = np.where(np.isin(range(len(weights)), chosen), 0.0, 1.0)
        drawn = rng.choice(len(weights), n_trials, p=potential / potential.sum())
        nearest_with = np.minimum(nearest, distances[drawn])
        best = int((nearest_with @ weights).argmin())
        chosen.append(drawn[best])
        nearest = nearest_with[best]
    return np.array(chosen)
