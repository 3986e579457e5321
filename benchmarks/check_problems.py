"""Check the solvers on many generated problems; the first 300 are in the tests, too.

    OMP_NUM_THREADS=1 python -m benchmarks.check_problems [N] [--first SEED]

Prints the seeds of problems on which a check fails or that take more than five seconds,
and how many there were. Continuous and tied costs of all kinds, by both solvers, each
against a dense linear programme.
"""

import argparse
import time
import traceback

from tests._unmixing.checks import check_problem


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("n_problems", type=int, nargs="?", default=5000)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    failed, slowest = 0, 0.0
    for seed in range(options.first, options.first + options.n_problems):
        start = time.perf_counter()
        try:
            check_problem(seed)
        except Exception:  # whatever fails is counted, and the rest still runs
            failed += 1
            print(f"seed {seed} fails:\n{traceback.format_exc(limit=-2)}", flush=True)
        seconds = time.perf_counter() - start
        slowest = max(slowest, seconds)
        if seconds > 5:
            print(f"seed {seed} takes {seconds:.1f} s", flush=True)
    print(
        f"{options.n_problems} problems, {failed} failed; the slowest took "
        f"{slowest:.2f} s with all its checks"
    )


if __name__ == "__main__":
    main()
