"""Flows between Gaussian mixtures as users ask for them, and what is known of them."""

from typing import Any, NamedTuple

import numpy as np

from skwot._gmm.mixtures import Mixture
from tests.generators.gaussians import dilate, random_mixture, translate

TYPES = ["full", "tied", "diag", "spherical"]


class FlowCase(NamedTuple):
    """The arguments of an estimator, and the loss of its start, if it is known."""

    kind: str
    parameters: dict[str, Any]
    unit: float = 1.0
    first_loss: float | None = None


def draw_flow(seed):
    """Draw two mixtures, and the parameters of the flow from one to the other."""
    rng = np.random.default_rng([8, seed])
    kind = list(MAKERS)[seed % len(MAKERS)]
    initial, target, *known = MAKERS[kind](rng)
    unit = float(10.0 ** rng.integers(-6, 7)) if rng.random() < 0.2 else 1.0
    initial = initial if isinstance(initial, str) else rescaled(initial, unit)
    several = isinstance(target, list)
    target = (
        [rescaled(one, unit) for one in target] if several else rescaled(target, unit)
    )
    parameters = {"init": initial, "target": target, "random_state": 0}
    if isinstance(initial, str):
        parameters["n_components"] = int(rng.integers(1, len(target.weights)))
    else:
        parameters["n_components"] = len(initial.weights)
    parameters["covariance_type"] = str(rng.choice(TYPES, p=[0.7, 0.1, 0.1, 0.1]))
    parameters["fixed_weights"] = bool(rng.random() < 0.3)
    parameters["solver"] = str(rng.choice(["pgd", "bures"]))
    parameters["record_path"] = bool(rng.random() < 0.8)
    if rng.random() < 0.1 and unit == 1:
        parameters |= {"solver": "pgd", "learning_rate": 0.05, "max_iter": 20}
    first = known[0] * unit**2 if known else None
    if parameters["covariance_type"] != "full":
        first = None  # the start is changed
    return FlowCase(kind, parameters, unit, first)


def rescaled(mixture, unit):
    """The same mixture, where a unit of the data is so much."""
    return Mixture(mixture.weights, unit * mixture.means, unit**2 * mixture.covariances)


def _size(rng):
    return int(rng.integers(1, 6)), int(rng.integers(1, 5))


def unrelated(rng):
    """Two random mixtures."""
    (n, d), (m, _) = _size(rng), _size(rng)
    return random_mixture(rng, n, d), random_mixture(rng, m, d)


def translated(rng):
    """A mixture and its translation."""
    problem = translate(rng, random_mixture(rng, *_size(rng)))
    return problem.source, problem.target, float(problem.value)


def dilated(rng):
    """A mixture and its dilation."""
    problem = dilate(random_mixture(rng, *_size(rng)), rng.uniform(0.2, 5))
    return problem.source, problem.target, float(problem.value)


def equal(rng):
    """A mixture and itself."""
    source = random_mixture(rng, *_size(rng))
    return source, source, 0.0


def divided(rng):
    """A mixture, and the same with every component in two parts."""
    source = random_mixture(rng, *_size(rng))
    share = rng.uniform(0.1, 0.9, len(source.weights))
    weights = np.concatenate([share, 1 - share]) * np.tile(source.weights, 2)
    means, covariances = (np.concatenate([x, x]) for x in source[1:])
    return source, Mixture(weights, means, covariances), 0.0


def points(rng):
    """Mixtures of points: the loss is a transport problem between these."""
    source, target = unrelated(rng)
    return tuple(m._replace(covariances=0 * m.covariances) for m in (source, target))


def flat(rng):
    """A target whose covariances have rank one."""
    source, target = unrelated(rng)
    directions = rng.normal(size=target.means.shape)
    ranks = directions[:, :, None] * directions[:, None, :]
    return source, target._replace(covariances=ranks)


def light(rng):
    """Components of next to no weight."""
    source, target = unrelated(rng)
    return tuple(
        m._replace(weights=(w := m.weights ** rng.integers(1, 9)) / w.sum())
        for m in (source, target)
    )


def raw(rng):
    """Features in units from 1e-4 to 1e4: conditions up to 1e16."""
    source, target = unrelated(rng)
    units = 10.0 ** rng.uniform(-4, 4, source.means.shape[1])
    return tuple(
        Mixture(m.weights, units * m.means, np.outer(units, units) * m.covariances)
        for m in (source, target)
    )


def diagonal(rng):
    """Diagonal covariances, some of them multiples of the identity."""
    source, target = unrelated(rng)
    eye = np.eye(source.means.shape[1])
    target = target._replace(covariances=target.covariances[:, :1, :1] * eye)
    return source._replace(covariances=source.covariances * eye), target


def reduced(rng):
    """A reduction, which starts from components of the target."""
    _, d = _size(rng)
    return "k-means++", random_mixture(rng, int(rng.integers(2, 9)), d)


def several(rng):
    """Several targets."""
    (n, d), size = _size(rng), int(rng.integers(2, 4))
    targets = [random_mixture(rng, _size(rng)[0], d) for _ in range(size)]
    return random_mixture(rng, n, d), targets


MAKERS = {
    maker.__name__: maker
    for maker in (
        unrelated,
        translated,
        dilated,
        equal,
        divided,
        points,
        flat,
        light,
        raw,
        diagonal,
        reduced,
        several,
    )
}
