"""Unmixing in several dimensions: both solvers against one ``ot.emd2``.

    OMP_NUM_THREADS=1 python -m benchmarks.bench_unmixing [PART ...]

Parts, all by default: ratios, loop, memory, table. Times are medians of interleaved
runs in one process; ``ot.emd2`` has the cost matrix given, the solvers compute
theirs. ``--steps`` is how many of the 500 steps of the gallery's loop are run.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import ot
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from benchmarks.records import record
from skwot import WassersteinUnmixer, stack_sources
from skwot._ot.measures import canonical_measure, stack_measures
from skwot._unmixing.problem import Problem
from skwot._unmixing.solve import Settings
from skwot._unmixing.solve import solve as solve_problem
from tests.gallery import unmixing_loop

METRICS = ("euclidean", "sqeuclidean")
PARTS = ("ratios", "loop", "memory", "table")


def gaussians(n, n_sources, n_features, *, seed=0, spread=1.5):
    """Gaussian sources, and a target whose weights come from a Dirichlet."""
    rng = np.random.default_rng(seed)
    means = spread * rng.normal(size=(n_sources, n_features))
    label = np.arange(n) % n_sources
    points = means[label] + rng.normal(size=(n, n_features))
    drawn = rng.choice(n_sources, n, p=rng.dirichlet(np.ones(n_sources)))
    target = means[drawn] + rng.normal(size=(n, n_features))
    return [points[label == k] for k in range(n_sources)], target


def digits(seed=0):
    """898 source images and 200 target ones, 20 principal components of the sources."""
    images, label = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(images))
    train, rest = order[:898], order[898:]
    scaler = StandardScaler().fit(images[train])
    pca = PCA(20, random_state=0).fit(scaler.transform(images[train]))
    points = pca.transform(scaler.transform(images))
    counts = rng.multinomial(200, rng.dirichlet(np.ones(10)))
    chosen = [
        rng.choice(own, c, replace=c > len(own))
        for c, own in ((c, rest[label[rest] == k]) for k, c in enumerate(counts))
    ]
    sources = [points[train[label[train] == k]] for k in range(10)]
    return sources, points[np.concatenate(chosen)]


def timed(function, *args, **kwargs):
    start = time.perf_counter()
    result = function(*args, **kwargs)
    return time.perf_counter() - start, result


def measures(problem):
    sources, target = problem
    stacked = stack_measures([canonical_measure(source) for source in sources])
    return stacked, canonical_measure(target)


def solve(problem, metric, solver, tol):
    settings = Settings("wasserstein", solver, "auto", 500, tol, "auto", None)
    return solve_problem(Problem(*problem, metric), settings)


def emd2_problem(problem, metric, weights):
    """Arguments of one ``ot.emd2`` at given weights, for the mixture's atoms."""
    sources, target = problem
    mixture = sources.masses @ weights
    kept = mixture > 0
    cost = cdist(sources.points[kept], target.points, metric)
    return mixture[kept], target.masses, cost / cost.mean()


def compare(problem, metric, repeats, pgd_tol=None):
    """Median times of lp and one emd2, interleaved; the fits."""
    exact = solve(problem, metric, "lp", 1e-9)  # warms up
    arguments = emd2_problem(problem, metric, exact.weights)
    lp_times, emd_times = [], []
    for _ in range(repeats):
        emd_times.append(timed(ot.emd2, *arguments, numItermax=10**9)[0])
        lp_times.append(timed(solve, problem, metric, "lp", 1e-9)[0])
    pgd = (np.nan, None)
    if pgd_tol is not None:
        pgd = timed(solve, problem, metric, "pgd", pgd_tol)
    return median(lp_times), median(emd_times), exact, pgd


def print_ratio(name, problem, metric, repeats, pgd_tol=None):
    lp, emd, exact, (seconds, found) = compare(problem, metric, repeats, pgd_tol)
    line = (
        f"{name:28s} {metric:11s} lp {lp:6.3f} s, emd2 {emd:6.3f} s, ratio "
        f"{lp / emd:5.2f}, gap {exact.relative_gap:.1e}"
    )
    if found is not None:
        line += (
            f"; pgd to {found.relative_gap:.1e}: {len(found.curve)} solves, "
            f"{seconds:.2f} s"
        )
    print(line, flush=True)


def print_ratios():
    print("lp against one emd2 on the same cost, and pgd's solves to a gap of 1e-3")
    for metric in METRICS:
        for seed in range(3):
            problem = measures(digits(seed))
            print_ratio(f"digits, split {seed}", problem, metric, 7, 1e-3)
        for seed in range(2):
            problem = measures(gaussians(2000, 10, 10, seed=seed))
            name = f"2000 x 2000, K=10, d=10, #{seed}"
            print_ratio(name, problem, metric, 3, 1e-3)
        problem = measures(gaussians(2000, 26, 20, spread=0.7))
        print_ratio("2000 x 2000, K=26, d=20", problem, metric, 3, 1e-3)
        problem = measures(gaussians(5000, 10, 10))
        print_ratio("5000 x 5000, K=10, d=10", problem, metric, 3)


def print_loop(n_steps):
    sources, target = gaussians(2000, 10, 10)
    seconds, (_, losses) = timed(unmixing_loop, sources, target, n_steps=n_steps)
    problem = measures((sources, target))
    solve(problem, "sqeuclidean", "lp", 1e-9)
    fit, exact = timed(solve, problem, "sqeuclidean", "lp", 1e-9)
    total = seconds * 500 / n_steps
    print(
        f"gallery's loop, 2000 x 2000, K=10, d=10: {n_steps} steps in {seconds:.1f} s"
        f"{'' if n_steps == 500 else f', so 500 in {total:.0f} s'}, best loss "
        f"{losses.min():.8f}; lp {fit:.3f} s, loss {exact.value:.8f}, gap "
        f"{exact.relative_gap:.1e}: {total / fit:.0f} times faster",
        flush=True,
    )
    record(
        part="loop",
        steps=n_steps,
        loop=total,
        fit=fit,
        loop_loss=losses.min(),
        loss=exact.value,
    )


def print_memory(n):
    """Peak of a process of its own, less what it has after the imports."""
    for metric in METRICS:
        program = [sys.executable, "-m", "benchmarks.bench_unmixing"]
        command = [*program, "--memory-of", str(n), "--metric", metric]
        print(subprocess.check_output(command, text=True).strip(), flush=True)


def peak_memory():
    """Peak of this process in MiB; `getrusage` would count the parent's, too."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def print_own_memory(n, metric):
    warm_up = measures(gaussians(200, 10, 10))
    solve(warm_up, metric, "lp", 1e-9)
    problem = measures(gaussians(n, 10, 10))
    before = peak_memory()
    seconds, exact = timed(solve, problem, metric, "lp", 1e-9)
    peak = peak_memory() - before
    dense = 8 * n * n / 2**20
    print(
        f"{n} x {n}, K=10, d=10 {metric:11s} lp {seconds:.1f} s, gap "
        f"{exact.relative_gap:.1e}, peak memory {peak:.0f} MiB above the imports' "
        f"{before:.0f} MiB, dense matrix {dense:.0f} MiB: {peak / dense:.2f}"
    )
    record(part="memory", n=n, metric=metric, seconds=seconds, peak=peak, dense=dense)


def print_table():
    print("n, K, d, seconds: one emd2, lp to 1e-9, pgd to 1e-4, and pgd's solves")
    sizes = [
        *((n, 10, 10) for n in (200, 500, 1000, 2000, 5000)),
        *((2000, k, 10) for k in (2, 5, 20, 50)),
        *((2000, 10, d) for d in (2, 3, 5, 50)),
    ]
    for n, n_sources, n_features in sizes:
        problem = measures(gaussians(n, n_sources, n_features))
        tol = 1e-4 if n <= 2000 else None
        lp, emd, _, (seconds, found) = compare(problem, "euclidean", 3, tol)
        line = f"{n:6d} {n_sources:4d} {n_features:4d}   emd2 {emd:7.3f}  lp {lp:7.3f}"
        if found is not None:
            line += f"  pgd {seconds:7.2f} ({len(found.curve)} solves)"
        print(line, flush=True)
        record(
            part="table",
            size=[n, n_sources, n_features],
            emd=emd,
            lp=lp,
            pgd=seconds if found is not None else None,
            solves=len(found.curve) if found is not None else None,
        )


def check_public_result():
    """The estimator gives what is timed below."""
    rows = stack_sources(*gaussians(200, 5, 3))
    unmixer = WassersteinUnmixer(solver="lp").fit(*rows)
    assert unmixer.dual_gap_ <= 1e-9 * unmixer.loss_


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--memory-of", type=int)
    parser.add_argument("--metric", default="euclidean")
    options = parser.parse_args()
    if options.memory_of:
        return print_own_memory(options.memory_of, options.metric)
    check_public_result()
    parts = options.parts or PARTS
    if "ratios" in parts:
        print_ratios()
    if "loop" in parts:
        print_loop(options.steps)
    if "memory" in parts:
        print_memory(10_000)
    if "table" in parts:
        print_table()


if __name__ == "__main__":
    main()
