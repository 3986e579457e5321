"""Cell-type proportions in flow cytometry: HIPC T-cell panel, Stanford.

    python -m benchmarks.bench_hipc --data hipc_stanford.npz
        [--loss wasserstein] [--classifier] [--max-support 500 1000 2000] [--seeds 5]
        [--exact N ...]

31,342 cells of one patient in ten gated types against 33,992 cells of another, seven
markers, clipped at zero and scaled on the source [1]_. Prints time, peak memory and
the error of the proportions, in thousandths, with `max_support`, for several seeds of
its k-means and whether a second run gives the same bits; with ``--exact`` also of exact
solves, without quantisation, on N cells of each patient, where zero are all.
``--loss semirelaxed`` and ``--classifier``, a logistic regression, choose how. Each
solve is in a process of its own.

The file holds the arrays X_source, y_source, X_target and y_target; the data are in
CytOpT's repository, sistm/CytOpT-R, data/HIPC_Stanford.RData.

.. [1] P. Freulon, J. Bigot and B. P. Hejblum, "CytOpT: Optimal transport with domain
   adaptation for interpreting flow cytometry data" (2023).
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import MinMaxScaler

from benchmarks.records import record
from skwot import WassersteinUnmixer, stack_sources


def cells(path, size=None):
    """Sources, target, and the proportions in the target by manual gating."""
    with np.load(path, allow_pickle=False) as data:
        source, target = data["X_source"].clip(0), data["X_target"].clip(0)
        label, truth = data["y_source"].astype(int), data["y_target"].astype(int)
    scaler = MinMaxScaler().fit(source)
    source, target = scaler.transform(source), scaler.transform(target)
    if size is not None:
        rng = np.random.default_rng(0)
        rows = rng.permutation(len(source))[:size]
        columns = rng.permutation(len(target))[:size]
        source, label = source[rows], label[rows]
        target, truth = target[columns], truth[columns]
    names = np.unique(label)
    shares = (truth[:, None] == names).mean(axis=0)
    return {name: source[label == name] for name in names}, target, shares


def fit(path, size, loss, classifier, **parameters):
    sources, target, truth = cells(path, size)
    rows = stack_sources(sources, target)
    start = time.perf_counter()
    unmixer = WassersteinUnmixer(
        loss=loss,
        classifier=LogisticRegression(max_iter=5000) if classifier else None,
        **parameters,
    ).fit(*rows)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    n_source = sum(len(source) for source in sources.values())
    gap = unmixer.dual_gap_ / unmixer.loss_
    error = 1e3 * abs(unmixer.weights_ - truth).mean()
    print(
        f"{n_source} x {len(target)} cells, {parameters or 'exact'}: {seconds:.1f} s, "
        f"peak memory {peak:.2f} GiB, loss {unmixer.loss_:.8f}, relative gap "
        f"{gap:.1e}, mean absolute error against gating in thousandths {error:.1f}"
    )
    record(
        loss=loss,
        classifier=classifier,
        cells=[n_source, len(target)],
        max_support=parameters.get("max_support"),
        seed=parameters.get("random_state"),
        seconds=seconds,
        memory=peak,
        gap=gap,
        error=error,
    )
    # As many digits as it takes to compare bits.
    print("weights", *unmixer.weights_.tolist())


def run(how, size, max_support, seed=0):
    """Weights as another process prints them."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.bench_hipc",
        *how,
        "--one",
        str(size),
    ]
    if max_support:
        command += ["--max-support", str(max_support), "--seed", str(seed)]
    printed = subprocess.run(command, text=True, capture_output=True)
    if printed.returncode:
        print(printed.stderr, file=sys.stderr)
        raise SystemExit(f"the fit of {size} cells ended with {printed.returncode}")
    line, weights = printed.stdout.strip().split("\nweights")
    print(line, flush=True)
    return np.array(weights.split(), float)


def run_whole(path, how, max_support, n_seeds):
    """All cells, with several seeds and the first of them twice."""
    truth = cells(path)[2]
    found = np.array([run(how, 0, max_support, seed) for seed in range(n_seeds)])
    again = run(how, 0, max_support)
    errors = 1e3 * abs(found - truth).mean(axis=1)
    print(
        f"max_support={max_support}: mean absolute error {errors.mean():.1f} "
        f"({errors.min():.1f} to {errors.max():.1f}), mean standard deviation between "
        f"seeds {1e3 * found.std(axis=0).mean():.1f}, two runs bit-identical: "
        f"{np.array_equal(found[0], again)}\n"
        f"weights {found[0].round(5)}",
        flush=True,
    )
    return found[0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument(
        "--loss", default="wasserstein", choices=["wasserstein", "semirelaxed"]
    )
    parser.add_argument("--classifier", action="store_true")
    parser.add_argument("--max-support", type=int, nargs="*", default=[500, 1000, 2000])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--exact", type=int, nargs="*", default=[])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not Path(options.data).is_file():
        raise SystemExit(f"--data: there is no file {options.data!r}")
    if options.one is not None:
        chosen = {}
        if options.seed is not None:
            (max_support,) = options.max_support
            chosen = {"max_support": max_support, "random_state": options.seed}
        fit(
            options.data,
            options.one or None,
            options.loss,
            options.classifier,
            **chosen,
        )
        return
    how = ["--data", options.data, "--loss", options.loss]
    how += ["--classifier"] * options.classifier
    whole = {
        max_support: run_whole(options.data, how, max_support, options.seeds)
        for max_support in options.max_support
    }
    for size in options.exact:
        exact = run(how, size, 0)
        for max_support, weights in whole.items():
            same = run(how, size, max_support)
            print(
                f"mean absolute difference to the exact solve on {size}: "
                f"{1e3 * abs(same - exact).mean():.2f} for max_support={max_support} "
                f"on the same cells, {1e3 * abs(weights - exact).mean():.2f} for all"
            )


if __name__ == "__main__":
    main()
