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
from skwot._unmixing.solve import Settings, solve
from tests.generators.ties import KINDS, draw_problem


def solved_by(solver):
    return Settings("wasserstein", solver, "auto", 500, 1e-9, "auto", None)


def timed(function, *arguments):
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def measure(kind, n, n_sources, solver, seed=0):
    """Seconds of the solver and of one emd2, and the solution."""
    rng = np.random.default_rng(seed)
    problem = draw_problem(kind, rng, n, n_sources)
    stacked, target, metric = problem.sources, problem.target, problem.metric
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
