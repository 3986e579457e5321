"""Check a long list of generated problems.

    python -m tests.fuzz [N] [--flows M] [--jobs J] [--folder FOLDER]

It goes on where it was interrupted, by the logs in the folder. A case that fails, or
that takes more than two minutes, is written to tests/regressions, where the suite tries
it again for ever.
"""

import argparse
import signal
import sys
import time
import traceback
import warnings
from pathlib import Path

from joblib import Parallel, delayed

from tests.cases import FAMILIES, write_case

REGRESSIONS = Path(__file__).parent / "regressions"
LONGEST = 120  # seconds
CHUNK = 100  # cases of one task


class TooSlow(Exception):
    """A case takes too long."""


def _interrupt(signum, frame):
    raise TooSlow(f"more than {LONGEST} s")


def try_case(family, seed):
    """Check one case; return the seconds that it took, and what was wrong."""
    draw, check, _ = FAMILIES[family]
    case = draw(seed)
    signal.signal(signal.SIGALRM, _interrupt)
    signal.alarm(LONGEST)
    start = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check(case)
    except Exception:  # whatever fails is written down, and the rest still runs
        message = traceback.format_exc(limit=-3)
        write_case(REGRESSIONS / f"{family}-{seed}.json", family, case, message)
        return time.perf_counter() - start, message
    finally:
        signal.alarm(0)
    return time.perf_counter() - start, ""


def try_cases(family, seeds):
    """Check the cases of some seeds."""
    return [(seed, *try_case(family, seed)) for seed in seeds]


def run(family, size, jobs, folder):
    """Check the cases that the log does not have; return how many failed in all."""
    log = folder / f"{family}.log"
    log.touch()
    lines = [line.split() for line in log.read_text(encoding="utf-8").splitlines()]
    done = {int(seed): (float(seconds), verdict) for seed, seconds, verdict in lines}
    left = [seed for seed in range(size) if seed not in done]
    chunks = [left[i : i + CHUNK] for i in range(0, len(left), CHUNK)]
    tasks = (delayed(try_cases)(family, chunk) for chunk in chunks)
    for found in Parallel(n_jobs=jobs, return_as="generator_unordered")(tasks):
        with log.open("a", encoding="utf-8") as opened:
            for seed, seconds, message in found:
                verdict = "failed" if message else "passed"
                done[seed] = seconds, verdict
                opened.write(f"{seed} {seconds:.3f} {verdict}\n")
                if message:
                    print(f"{family} {seed} fails:\n{message}", flush=True)
    of_these = [done[seed] for seed in range(size)]
    failed = sum(verdict == "failed" for _, verdict in of_these)
    slowest = max((seconds for seconds, _ in of_these), default=0.0)
    print(
        f"{family}: {size} cases, {failed} failed; the slowest took {slowest:.1f} s "
        "with all its checks",
        flush=True,
    )
    return failed


def main():
    """Run both families."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("n_problems", type=int, nargs="?", default=20_000)
    parser.add_argument("--flows", type=int, help="a quarter of N, if not given")
    parser.add_argument("--jobs", type=int, default=-1)
    parser.add_argument("--folder", type=Path, default=Path("fuzz"))
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    flows = options.n_problems // 4 if options.flows is None else options.flows
    sizes = {"unmixing": options.n_problems, "flow": flows}
    failed = [
        run(family, size, options.jobs, options.folder)
        for family, size in sizes.items()
    ]
    sys.exit(any(failed))


if __name__ == "__main__":
    main()
