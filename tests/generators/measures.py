"""Unmixing problems with their answers."""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from skwot import stack_sources
from skwot._ot.measures import canonical_measure, stack_measures
from skwot._unmixing.problem import Problem, StoppingRule
from skwot._unmixing.solve import Settings


def measure(points, masses=None):
    """Canonical measure of numbers, or of rows."""
    points = np.asarray(points, dtype=float)
    return canonical_measure(points.reshape(len(points), -1), masses)


def rule(max_iter, tol):
    """Stop at the tolerance at which a result has converged."""
    return StoppingRule(max_iter, tol, tol)


def settings(**changed):
    """Settings of an estimator with its defaults, but with descent as the solver."""
    default = Settings("wasserstein", "pgd", "auto", 500, 1e-4, "auto", None)
    return default._replace(**changed)


class UnmixingCase(NamedTuple):
    """Sources and a target, as pairs of points and masses, and what is known."""

    sources: list
    target: tuple
    weights: np.ndarray | None
    loss: float | None

    @property
    def rows(self):
        """The arguments of ``fit``."""
        return stack_sources(self.sources, self.target)

    @property
    def measures(self):
        """Sources and target in canonical form."""
        sources = [canonical_measure(*source) for source in self.sources]
        return stack_measures(sources), canonical_measure(*self.target)

    def problem(self, metric="euclidean", **parameters):
        """The problem, with an outlier cost or surcharges if they are given."""
        return Problem(*self.measures, metric, **parameters)


def weighted_sample(rng, size, n_features, centre):
    points = centre + rng.normal(size=(size, n_features))
    return points, rng.uniform(0.5, 2, size)


@st.composite
def reweighted_sources(draw):
    """A target that is exactly a mixture of the sources: loss 0, weights known."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n_sources, n_features = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    sources = [
        weighted_sample(rng, draw(st.integers(2, 8)), n_features, 2 * k)
        for k in range(n_sources)
    ]
    weights = rng.dirichlet(np.ones(n_sources))
    masses = [
        w * mass / mass.sum() for w, (_, mass) in zip(weights, sources, strict=True)
    ]
    target = np.concatenate([p for p, _ in sources]), np.concatenate(masses)
    return UnmixingCase(sources, target, weights, 0.0)


def dirac_problem(rng, n_sources, distance, apart):
    """One-point sources, each with its target rows at one distance from it.

    The sources are so far apart that no mass moves between them, so the weights are
    the masses of the target near each source and the loss is that distance.
    """
    centres = apart * np.arange(n_sources, dtype=float)[:, None]
    counts = rng.integers(1, 6, n_sources)
    near = np.repeat(centres, counts, axis=0)
    masses = rng.uniform(0.5, 2, len(near))
    shares = np.bincount(np.repeat(np.arange(n_sources), counts), masses)
    sources = [(centre[None], np.ones(1)) for centre in centres]
    target = near + distance * rng.choice([-1, 1], size=(len(near), 1)), masses
    return UnmixingCase(sources, target, shares / shares.sum(), distance)


@st.composite
def far_apart_diracs(draw):
    """Sources of one point."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    return dirac_problem(rng, draw(st.integers(1, 6)), draw(st.floats(0.1, 1.0)), 100.0)


def overlapping_sources(seed, *, n_sources=None, repeated=False):
    """Random weighted sources that overlap; the answer is the linear programme's."""
    rng = np.random.default_rng(seed)
    n_sources = n_sources or int(rng.integers(1, 9))
    n_features = int(rng.integers(1, 4))
    sources = [
        weighted_sample(rng, int(rng.integers(2, 9)), n_features, rng.normal())
        for _ in range(n_sources)
    ]
    if repeated:
        sources.append(sources[0])
    target = weighted_sample(rng, 15, n_features, 0.0)
    return UnmixingCase(sources, target, None, None)


def gaussians(n, *, n_sources=5, n_features=4, seed=0):
    """Sources and a target, n points each, that overlap."""
    rng = np.random.default_rng(seed)
    means = 1.5 * rng.normal(size=(n_sources, n_features))
    noise = rng.normal(size=(n_sources, n // n_sources, n_features))
    sources = [canonical_measure(m + x) for m, x in zip(means, noise, strict=True)]
    label = rng.choice(n_sources, n, p=rng.dirichlet(np.ones(n_sources)))
    target = canonical_measure(means[label] + rng.normal(size=(n, n_features)))
    return stack_measures(sources), target
