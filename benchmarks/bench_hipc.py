"""Cell-type proportions in flow cytometry: HIPC T-cell panel, Stanford.

    python benchmarks/bench_hipc.py --data hipc_stanford.npz [--exact N ...]

31,342 cells of one patient in ten gated types against 33,992 cells of another, seven
markers, clipped at zero and scaled on the source [1]_. Prints time, peak memory and
the error of the proportions with `max_support`, and with ``--exact`` of exact
solves, without quantisation, on N cells of each patient, each in a process of its own.

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
from sklearn.preprocessing import MinMaxScaler

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

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


def fit(path, size, **parameters):
    sources, target, truth = cells(path, size)
    rows = stack_sources(sources, target)
    start = time.perf_counter()
    unmixer = WassersteinUnmixer(solver="lp", **parameters).fit(*rows)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    n_source = sum(len(source) for source in sources.values())
    print(
        f"{n_source} x {len(target)} cells, {parameters or 'exact'}: {seconds:.1f} s, "
        f"peak memory {peak:.2f} GiB, loss {unmixer.loss_:.8f}, relative gap "
        f"{unmixer.dual_gap_ / unmixer.loss_:.1e}, mean absolute error against "
        f"gating {abs(unmixer.weights_ - truth).mean():.4f}"
    )
    print("weights", *unmixer.weights_.round(5))


def run(path, size, max_support):
    command = [sys.executable, __file__, "--data", path, "--one", str(size)]
    if max_support:
        command += ["--max-support", str(max_support)]
    printed = subprocess.run(command, text=True, capture_output=True)
    if printed.returncode:
        print(printed.stderr, file=sys.stderr)
        raise SystemExit(f"the fit of {size} cells ended with {printed.returncode}")
    print(printed.stdout.strip(), flush=True)
    return np.array(printed.stdout.split("weights")[-1].split(), float)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--max-support", type=int, default=0)
    parser.add_argument("--exact", type=int, nargs="*", default=[8000])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not Path(options.data).is_file():
        raise SystemExit(f"--data: there is no file {options.data!r}")
    if options.one is not None:
        limit = {"max_support": options.max_support, "random_state": 0}
        chosen = limit if options.max_support else {}
        return fit(options.data, options.one or None, **chosen)
    max_support = options.max_support or 2000
    whole = run(options.data, 0, max_support)
    for size in options.exact:
        exact = run(options.data, size, 0)
        same = run(options.data, size, max_support)
        print(
            f"mean absolute difference to the exact solve on {size}: "
            f"{abs(same - exact).mean():.5f} for max_support={max_support} on the "
            f"same cells, {abs(whole - exact).mean():.5f} for all cells"
        )


if __name__ == "__main__":
    main()
