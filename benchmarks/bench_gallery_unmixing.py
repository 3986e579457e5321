"""The gallery's unmixing problem: POT's loop against the estimator, in one run.

    python -m benchmarks.bench_gallery_unmixing

Prints the weights, the loss, the certified gap, the number of exact transport
problems and the ratio of the times (medians of interleaved runs).
"""

import time
from statistics import median

from benchmarks.records import record
from skwot import WassersteinUnmixer, stack_sources
from tests.gallery import unmixing_data, unmixing_loop

REPEATS = 5


def timed(function):
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def main():
    data = unmixing_data()
    rows = stack_sources(*data)
    unmixer = WassersteinUnmixer(metric="sqeuclidean")
    loop_times, fit_times = [], []
    for _ in range(REPEATS):
        seconds, (weights, losses) = timed(lambda: unmixing_loop(*data))
        loop_times.append(seconds)
        seconds, _ = timed(lambda: unmixer.fit(*rows))
        fit_times.append(seconds)
    print("100 target points, 2 x 50 source points, squared Euclidean cost")
    print(
        f"loop     weights {weights.round(4)}  best loss {losses.min():.8f}  500 solves"
    )
    print(
        f"default  weights {unmixer.weights_.round(4)}  loss {unmixer.loss_:.8f}  "
        f"gap {unmixer.dual_gap_:.1e}  {unmixer.n_iter_} solves"
    )
    loop, fit = median(loop_times), median(fit_times)
    print(f"loop {loop:.3f} s, default {fit:.4f} s: {loop / fit:.0f} times faster")
    record(
        loop=loop,
        fit=fit,
        loop_loss=losses.min(),
        loss=unmixer.loss_,
        gap=unmixer.dual_gap_,
    )


if __name__ == "__main__":
    main()
