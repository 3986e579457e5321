"""Costs with ties, on which a linear programme can stall, against one ``ot.emd2``.

    OMP_NUM_THREADS=1 python -m benchmarks.bench_stalls [--sizes 300 1000 3000]
        [--sources 2 6 20] [--kinds one-hot images ...] [--solver auto]

Each row is one problem: the time of ``WassersteinUnmixer.fit``'s solver, the time of
computing the matrix of costs once, that of one ``ot.emd2`` on this matrix at the
weights found, the ratio of what the solver takes beyond the matrix to the ``emd2``, the
relative gap, and the number of problems solved. A row is marked where the solver takes
more than ten times the ``emd2`` and more than a second beyond the matrix, or where its
gap is above 1e-9. Kinds: one-hot rows, a cost of 0 or 1, Hamming distances, binary
rows, integer counts, points on a grid in the plane, images of few grey levels, and
spectra on one grid, with one feature and with an outlier cost.
"""

import argparse
import time

import numpy as np
import ot

from skwot._ot.ground_costs import ground_cost
from skwot._ot.measures import canonical_measure, stack_measures
from skwot._unmixing.problem import Problem
from skwot._unmixing.solve import Settings, solve


def unequal(u, v):
    return float((u != v).any())


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
    points = np.arange(n, dtype=float)[:, None] * np.ones(2)
    return (*weighted_rows(rng, points, n_sources), unequal)


def hamming(u, v):
    return float((u != v).mean())


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
        centres, widths = rng.uniform(0, n, 12), rng.uniform(1, n / 50, 12)
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
    "Hamming": binary(hamming),
    "binary": binary("euclidean"),
    "counts": counts,
    "grid": grid,
    "images": images,
    "spectra": spectra,
    "spectra, outliers": noisy_spectra,
}


def solved_by(solver):
    return Settings("wasserstein", solver, "auto", 500, 1e-9, "auto", None)


def timed(function, *arguments):
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def measure(kind, n, n_sources, solver, seed=0):
    """Seconds of the solver and of one emd2, and the solution."""
    rng = np.random.default_rng(seed)
    sources, target, metric, *outlier_cost = KINDS[kind](rng, n, n_sources)
    stacked = stack_measures([canonical_measure(*source) for source in sources])
    target = canonical_measure(*target)
    problem = Problem(stacked, target, metric, *outlier_cost)
    seconds, found = timed(solve, problem, solved_by(solver))
    matrix, cost = timed(ground_cost, stacked.points, target.points, metric)
    mixture = stacked.masses @ found.weights[: stacked.masses.shape[1]]
    kept = mixture > 0
    cost = np.ascontiguousarray(cost[kept]) / cost.mean()
    arguments = mixture[kept] / mixture.sum(), target.masses, cost
    emd, _ = timed(lambda: ot.emd2(*arguments, numItermax=10**9))
    return seconds, matrix, emd, found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[300, 1000, 3000])
    parser.add_argument("--sources", type=int, nargs="+", default=[2, 6, 20])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--solver", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for kind in options.kinds:
        for n in options.sizes:
            for n_sources in options.sources:
                seconds, matrix, emd, found = measure(
                    kind, n, n_sources, options.solver, options.seed
                )
                beyond = seconds - matrix
                slow = beyond > max(1.0, 10 * emd)
                mark = " SLOW" * slow + " GAP" * (not found.relative_gap <= 1e-9)
                print(
                    f"{kind:17s} {n:5d} rows, K={n_sources:2d}: {seconds:7.3f} s, "
                    f"matrix {matrix:6.3f} s, emd2 {emd:6.3f} s, ratio "
                    f"{beyond / emd:6.1f}, gap "
                    f"{found.relative_gap:8.1e}, {len(found.curve):3d} solves{mark}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
