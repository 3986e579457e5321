"""Unmixing problems whose costs tie, as those of categories, counts and grids do."""

import numpy as np

from skwot._ot.measures import canonical_measure, stack_measures
from skwot._unmixing.problem import Problem


def weighted_rows(rng, points, n_sources):
    """Sources and a target with random masses on the same points."""
    sources = [(points, rng.gamma(0.3, size=len(points))) for _ in range(n_sources)]
    return sources, (points, rng.gamma(0.3, size=len(points)))


def mixed_rows(rng, draw, n, n_sources):
    """Sources drawn from K distributions, and a target from a mixture of them."""
    each = max(2, n // n_sources)
    sources = [(draw(rng, k, each), None) for k in range(n_sources)]
    counts = rng.multinomial(n, rng.dirichlet(np.ones(n_sources)))
    target = np.vstack([draw(rng, k, c) for k, c in enumerate(counts) if c])
    return sources, (target, None)


def one_hot(rng, n, n_sources):
    return (*weighted_rows(rng, np.eye(n), n_sources), "euclidean")


def zero_one(rng, n, n_sources):
    points = np.arange(n, dtype=float)[:, None]
    return (*weighted_rows(rng, points, n_sources), "hamming")


def binary(metric):
    def make(rng, n, n_sources):
        chances = rng.beta(1, 1, size=(n_sources, 30))

        def draw(rng, k, size):
            return (rng.random((size, 30)) < chances[k]).astype(float)

        return (*mixed_rows(rng, draw, n, n_sources), metric)

    return make


def counts(rng, n, n_sources):
    rates = rng.gamma(1, 3, size=(n_sources, 6))

    def draw(rng, k, size):
        return rng.poisson(rates[k], (size, 6)).astype(float)

    return (*mixed_rows(rng, draw, n, n_sources), "cityblock")


def continuous(rng, n, n_sources):
    means = rng.normal(size=(n_sources, 3))

    def draw(rng, k, size):
        return means[k] + rng.normal(size=(size, 3))

    return (*mixed_rows(rng, draw, n, n_sources), "euclidean")


def grid(rng, n, n_sources):
    side = int(np.ceil(np.sqrt(n)))
    points = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2)
    return (*weighted_rows(rng, points[:n].astype(float), n_sources), "cityblock")


def images(rng, n, n_sources):
    shapes = rng.integers(0, 5, size=(n_sources, 64))

    def draw(rng, k, size):
        noise = rng.integers(-1, 2, size=(size, 64)) * (rng.random((size, 64)) < 0.3)
        return np.clip(shapes[k] + noise, 0, 4).astype(float)

    return (*mixed_rows(rng, draw, n, n_sources), "sqeuclidean")


def spectra(rng, n, n_sources):
    bins = np.arange(n, dtype=float)[:, None]

    def spectrum():
        centres, widths = rng.uniform(0, n, 12), rng.uniform(1, max(2, n / 50), 12)
        peaks = np.exp(-(((np.arange(n)[:, None] - centres) / widths) ** 2))
        return peaks @ rng.gamma(1, size=12) + 1e-6

    sources = [(bins, spectrum()) for _ in range(n_sources)]
    noise = rng.gamma(5, 0.2, n)
    mixture = sum(masses / masses.sum() for _, masses in sources) * noise
    return sources, (bins, mixture), "euclidean"


def noisy_spectra(rng, n, n_sources):
    return (*spectra(rng, n, n_sources), n / 50)


KINDS = {
    "one-hot": one_hot,
    "0/1 cost": zero_one,
    "Hamming": binary("hamming"),
    "binary": binary("euclidean"),
    "counts": counts,
    "continuous": continuous,
    "grid": grid,
    "images": images,
    "spectra": spectra,
    "spectra, outliers": noisy_spectra,
}


def draw_problem(kind, rng, n, n_sources):
    """A problem of a kind, with about n points a side."""
    sources, target, metric, *outlier_cost = KINDS[kind](rng, n, n_sources)
    stacked = stack_measures([canonical_measure(*source) for source in sources])
    return Problem(stacked, canonical_measure(*target), metric, *outlier_cost)
