"""Unmixing problems as users give them, each with what is known of its answer."""

from typing import Any, NamedTuple

import numpy as np

from skwot import stack_sources
from tests.generators.measures import dirac_problem
from tests.generators.ties import KINDS as TIED

LOSSES = ["wasserstein", "semirelaxed", "sinkhorn"]
FAR = 1e3  # between clusters, whose sizes are of order one


class Unmixing(NamedTuple):
    """The arguments of an estimator, and what is known of the answer."""

    kind: str
    X: np.ndarray
    y: np.ndarray
    sample_weight: np.ndarray
    parameters: dict[str, Any]
    checks_units: bool = False
    weights: np.ndarray | None = None
    loss: float | None = None


def draw_unmixing(seed):
    """Draw a problem, and the parameters of the estimator that shall solve it."""
    rng = np.random.default_rng([7, seed])
    kind = list(MAKERS)[seed % len(MAKERS)]
    sources, target, metric, *known = MAKERS[kind](rng)
    X, y, masses = stack_sources(sources, target)
    parameters, moved = _parameters(rng, metric, X)
    answer = known[0] if known and not moved else {}
    if parameters["metric"] != metric:
        answer = {}
    # It costs a second fit. Some kinds have digits, or parameters, of one unit only.
    has_units = kind == "offset" or "outlier_cost" in parameters
    checks_units = not has_units and bool(rng.random() < 0.3)
    return Unmixing(kind, X, y, masses, parameters, checks_units, **answer)


def _parameters(rng, metric, X):
    """Draw the rest of the parameters; say whether they change the problem."""
    loss = rng.choice(LOSSES, p=[0.65, 0.25, 0.1])
    parameters = {"loss": str(loss), "metric": metric, "random_state": 0}
    if loss == "sinkhorn":
        # A metric with a positive definite kernel.
        parameters |= {"metric": "euclidean", "tol": 1e-2, "max_iter": 100}
        return parameters, True
    if loss == "semirelaxed":
        parameters["solver"] = str(rng.choice(["auto", "pgd"]))
        parameters["debias"] = bool(rng.integers(2))
        return parameters, True
    parameters["solver"] = str(rng.choice(["auto", "auto", "lp", "pgd"]))
    changed = False
    if rng.random() < 0.15:
        parameters["outlier_cost"] = float(rng.choice([0.3, 1.0, 3.0]) * X.std())
        changed = True
    if rng.random() < 0.15:
        parameters["debias"] = changed = True
    return parameters, changed


def _sizes(rng, least=1, most=6):
    n_sources, n_features = int(rng.integers(least, most)), int(rng.integers(1, 4))
    return n_sources, n_features, rng.integers(2, 9, n_sources)


def _clusters(rng, unit=1.0):
    """Sources of a few points each, far from each other, and weights."""
    n_sources, n_features, sizes = _sizes(rng)
    centres = np.zeros((n_sources, n_features))
    centres[:, 0] = FAR * np.arange(n_sources)
    sources = [
        (
            unit * (centre + rng.normal(size=(size, n_features))),
            rng.uniform(0.5, 2, size),
        )
        for centre, size in zip(centres, sizes, strict=True)
    ]
    return sources, rng.dirichlet(np.ones(n_sources))


def _mixture(sources, weights):
    masses = [w * m / m.sum() for w, (_, m) in zip(weights, sources, strict=True)]
    return np.concatenate([points for points, _ in sources]), np.concatenate(masses)


def reweighted(rng):
    """The target is a mixture of far sources."""
    sources, weights = _clusters(rng)
    answer = {"weights": weights, "loss": 0.0}
    return sources, _mixture(sources, weights), "euclidean", answer


def tiny_units(rng):
    """The same in a unit of 1e-9."""
    sources, weights = _clusters(rng, 1e-9)
    answer = {"weights": weights, "loss": 0.0}
    return sources, _mixture(sources, weights), "sqeuclidean", answer


def offset(rng):
    """The same far from the origin, where differences have seven digits."""
    sources, weights = _clusters(rng)
    sources = [(np.round(points, 3) + 1e9, masses) for points, masses in sources]
    answer = {"weights": weights, "loss": 0.0}
    return sources, _mixture(sources, weights), "euclidean", answer


def translated(rng):
    """Everything moves by one vector, which is short beside the way to the others."""
    sources, weights = _clusters(rng)
    shift = rng.normal(size=sources[0][0].shape[1])
    points, masses = _mixture(sources, weights)
    answer = {"weights": weights, "loss": float(shift @ shift)}
    return sources, (points + shift, masses), "sqeuclidean", answer


def scaled(rng):
    """One source grows around the origin: the gradient of a convex function."""
    _, n_features, _ = _sizes(rng)
    points, masses = rng.normal(size=(9, n_features)), rng.uniform(0.5, 2, 9)
    s = rng.uniform(0.2, 5)
    loss = (s - 1) ** 2 * np.average(np.square(points).sum(1), weights=masses)
    answer = {"weights": np.ones(1), "loss": float(loss)}
    return [(points, masses)], (s * points, masses), "sqeuclidean", answer


def permuted(rng):
    """One source, whose rows are the target's in another order, moved a little."""
    n = int(rng.integers(2, 12))
    points = 3.0 * np.arange(n)[:, None] + np.zeros((n, 2))
    moved = points[rng.permutation(n)]
    moved = moved + np.where(rng.random((n, 1)) < 0.5, [[0.0, 1.0]], [[0.0, -1.0]])
    answer = {"weights": np.ones(1), "loss": 1.0}
    return [(points, np.ones(n))], (moved, np.ones(n)), "euclidean", answer


def quantiles(rng):
    """One source and one feature: the cost is that between sorted values."""
    n = int(rng.integers(2, 30))
    first, second = rng.normal(size=n), 2 + rng.standard_cauchy(size=n)
    loss = float(np.abs(np.sort(first) - np.sort(second)).mean())
    pairs = [(one[:, None], np.ones(n)) for one in (first, second)]
    return [pairs[0]], pairs[1], "euclidean", {"weights": np.ones(1), "loss": loss}


def diracs(rng):
    """Sources of one point, each with its own part of the target at one distance."""
    n_sources, distance = int(rng.integers(1, 7)), rng.uniform(0.1, 1)
    case = dirac_problem(rng, n_sources, distance, FAR)
    answer = {"weights": case.weights, "loss": float(distance)}
    return case.sources, case.target, "euclidean", answer


def nested(rng):
    """A source that is a mixture of others: the loss is zero, the weights are many."""
    sources, weights = _clusters(rng)
    mixed = _mixture(sources, weights)
    own = rng.dirichlet(np.ones(len(sources)))
    return [*sources, mixed], _mixture(sources, own), "euclidean", {"loss": 0.0}


def overlapping(rng):
    """Samples in no relation, of which rows repeat and some have no mass."""
    _, n_features, sizes = _sizes(rng, 1, 7)
    sources = []
    for size in sizes:
        points = rng.normal() + rng.normal(size=(size, n_features))
        masses = rng.uniform(0.5, 2, size) * (rng.random(size) < 0.8)
        masses[0] = 1.0
        sources.append((points[rng.integers(size, size=size)], masses))
    metric = str(rng.choice(["euclidean", "sqeuclidean", "cityblock", "chebyshev"]))
    return sources, (rng.normal(size=(15, n_features)), np.ones(15)), metric


def many_orders(rng):
    """Masses over twelve orders of magnitude."""
    sources, target, metric = overlapping(rng)
    sources = [
        (p, np.where(m > 0, 10 ** rng.uniform(-12, 0, len(m)), 0)) for p, m in sources
    ]
    return sources, (target[0], 10 ** rng.uniform(-12, 0, len(target[0]))), metric


def collinear(rng):
    """All points on a line in space."""
    sources, target, metric = overlapping(rng)
    direction = rng.normal(size=3)
    sources = [(points[:, :1] * direction, masses) for points, masses in sources]
    return sources, (target[0][:, :1] * direction, target[1]), metric


def histograms(rng):
    """Profiles over common bins, with empty ones."""
    n_sources, n_bins = int(rng.integers(1, 5)), int(rng.integers(3, 25))
    bins = np.arange(n_bins, dtype=float)[:, None]
    profiles = rng.poisson(2.0, (n_sources + 1, n_bins)).astype(float)
    profiles[:, 0] += 1
    *sources, target = [(bins, profile) for profile in profiles]
    return sources, target, "euclidean"


def _tied(kind):
    def make(rng):
        n, n_sources = int(rng.integers(5, 30)), int(rng.integers(1, 6))
        sources, target, metric, *_ = TIED[kind](rng, n, n_sources)
        return sources, target, metric

    return make


MAKERS = {
    maker.__name__: maker
    for maker in (
        reweighted,
        tiny_units,
        offset,
        translated,
        scaled,
        permuted,
        quantiles,
        diracs,
        nested,
        overlapping,
        many_orders,
        collinear,
        histograms,
    )
} | {kind: _tied(kind) for kind in TIED}
