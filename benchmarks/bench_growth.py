"""What each step costs as samples, sources, features and bags become more.

    python -m benchmarks.bench_growth [--only STEP ...]

Each case runs in a process of its own, on one thread, and prints the time of the step
and by how much the peak of the process's memory rose, in MiB. Of three
runs shorter than ten seconds the fastest counts.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import warnings

import numpy as np

from benchmarks.records import record

# The sizes that a case has unless it says otherwise: rows of each source and of the
# target, sources, features.
USUAL = {"n": 2000, "K": 5, "d": 5}
SHORT = 10  # seconds, below which a case runs three times

# What is measured, the size that varies, and its values.
SERIES = [
    ("wasserstein", "n", [1000, 2000, 4000, 8000]),
    ("wasserstein", "K", [2, 5, 20]),
    ("wasserstein", "d", [2, 5, 20, 100]),
    ("one feature", "n", [10_000, 100_000, 1_000_000]),
    ("semirelaxed", "n", [2000, 4000, 8000, 16_000]),
    ("semirelaxed", "K", [2, 5, 20]),
    ("semirelaxed", "d", [5, 20, 100]),
    ("sinkhorn", "n", [250, 500, 1000]),
    ("max_support", "n", [10_000, 100_000, 400_000]),
    ("quantize", "n", [1_000_000, 2_000_000, 4_000_000]),
    ("quantize", "points", [250, 500, 1000, 2000]),
    ("unmix", "bags", [50, 200, 800]),
    ("unmix, semirelaxed", "bags", [50, 200, 800]),
    ("bootstrap", "n", [100, 200, 400]),
    ("flow", "components", [20, 80, 320]),
    ("flow", "d", [5, 20, 80]),
]
FIXED = {
    "one feature": {"d": 1},
    "quantize": {"n": 1_000_000, "points": 500},
    "flow": {"components": 20},
}


def draw(n, K, d, seed=0):
    """Sources and a target of Gaussians, in rows with labels."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(K, d)) * 3 / np.sqrt(d)
    source = np.repeat(np.arange(K), n)
    target = rng.choice(K, size=n, p=rng.dirichlet(np.ones(K)))
    label = np.concatenate([source, target])
    rows = centres[label] + rng.normal(size=(len(label), d))
    return rows, np.concatenate([source, np.full(n, -1)])


def prepare(step, n, K, d, points=500, bags=0, components=0):
    """What is timed, as a function."""
    from skwot import GMMFlowFitter, WassersteinUnmixer, quantize
    from skwot.datasets import make_gaussian_mixtures

    if step == "flow":
        half = components // 2
        _, initial, target = make_gaussian_mixtures(
            half, d, n_target_components=components, random_state=0
        )
        flow = GMMFlowFitter(half, init=initial, target=target)
        return flow.fit
    X, y = draw(n, K, d)
    if step == "quantize":
        rows = np.ascontiguousarray(X[:n])
        centres = quantize(rows[:50_000], points, random_state=0).points
        return lambda: quantize(rows, points=centres)
    if step in ("unmix", "unmix, semirelaxed"):
        loss = "semirelaxed" if step.endswith("semirelaxed") else "wasserstein"
        unmixer = WassersteinUnmixer(loss=loss, max_support=100, random_state=0)
        unmixer.fit(X, y)
        rows = draw(100 * bags, K, d, seed=1)[0][: 500 * bags]
        groups = np.arange(len(rows)) % bags
        return lambda: unmixer.unmix(rows, groups=groups)
    if step == "bootstrap":
        unmixer = WassersteinUnmixer().fit(X, y)
        return lambda: unmixer.bootstrap(random_state=0)
    parameters = {
        "semirelaxed": {"loss": "semirelaxed"},
        "sinkhorn": {"loss": "sinkhorn"},
        "max_support": {"max_support": points, "random_state": 0},
    }.get(step, {})
    return lambda: WassersteinUnmixer(**parameters).fit(X, y)


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_case(step, sizes):
    """Time and memory of one case, as a line of JSON."""
    warnings.simplefilter("ignore")
    run = prepare(step, **sizes)
    times = []
    before = peak()
    for _ in range(3):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
        if len(times) == 1:
            risen = peak() - before
        if times[-1] > SHORT:
            break
    print(json.dumps({"seconds": min(times), "memory": risen}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", default=[step for step, *_ in SERIES])
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        run_case(*json.loads(options.case))
        return
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for step, varies, values in SERIES:
        if step not in options.only:
            continue
        for value in values:
            sizes = USUAL | FIXED.get(step, {}) | {varies: value}
            command = [sys.executable, "-m", "benchmarks.bench_growth", "--case"]
            found = subprocess.run(
                [*command, json.dumps([step, sizes])],
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            measured = json.loads(found.stdout)
            print(
                f"{step:20s} {varies:10s} {value:8d} {measured['seconds']:8.3f} s "
                f"{measured['memory']:7.0f} MiB"
            )
            record(step=step, varies=varies, sizes=sizes, **measured)


if __name__ == "__main__":
    main()
