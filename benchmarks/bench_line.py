"""Unmixing of spectra: a million rows on the line.

    python -m benchmarks.bench_line [--target 1000000] [--source 100000]

Ten sources of 100,000 rows each against a target of a million rows. Prints the time
of the whole fit, the peak memory of the process, the certified gap and the error.
"""

import argparse
import resource
import time

import numpy as np

from benchmarks.records import record
from skwot import WassersteinUnmixer, stack_sources


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", type=int, default=1_000_000)
    parser.add_argument("--source", type=int, default=100_000)
    parser.add_argument("--sources", type=int, default=10)
    sizes = parser.parse_args()
    rng = np.random.default_rng(0)
    sources = [
        rng.normal(k, 0.5 + 0.1 * k, size=(sizes.source, 1))
        for k in range(sizes.sources)
    ]
    weights = rng.dirichlet(np.ones(sizes.sources))
    label = rng.choice(sizes.sources, size=sizes.target, p=weights)
    target = rng.normal(label, 0.5 + 0.1 * label)[:, None]
    rows = stack_sources(sources, target)
    print(f"{sizes.sources} sources of {sizes.source} rows, {sizes.target} target rows")
    for metric in ("euclidean", "sqeuclidean"):
        start = time.perf_counter()
        unmixer = WassersteinUnmixer(metric=metric).fit(*rows)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        truth = np.bincount(label, minlength=sizes.sources) / sizes.target
        gap = unmixer.dual_gap_ / unmixer.loss_
        error = 1e3 * abs(unmixer.weights_ - truth).mean()
        print(
            f"{metric:12s} {seconds:5.1f} s, peak memory {peak:.2f} GiB, "
            f"{unmixer.n_iter_} evaluations, relative gap {gap:.1e}, mean absolute "
            f"error in thousandths {error:.2f}"
        )
        record(
            metric=metric,
            sizes=vars(sizes),
            seconds=seconds,
            memory=peak,
            gap=gap,
            error=error,
        )


if __name__ == "__main__":
    main()
