"""Class prevalences: skwot beside the quantifiers that users would pick instead.

    python benchmarks/bench_prevalence.py [--data hipc_stanford.npz] [--draws 50]

Digits, breast cancer and wine come with scikit-learn; with ``--data`` also cytometry
(sources: 2,000 cells of the first patient; targets from its other cells, and from the
second patient). Otherwise half of each set are sources; they are standardised by
themselves. Each target has 200 rows with prevalences from Dirichlet(1), drawn from
the rest; the draws are spread over five splits and are the same for each method. Prints
the mean absolute error of the prevalences, its paired difference from that of EDx with
its standard error, and the time of an estimate without that of fitting.

QuaPy (EMQ, KDEyML, EDx, for which it needs quadprog) is used where it is installed.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from skwot import WassersteinUnmixer

try:
    from quapy.method.aggregative import EMQ, KDEyML
    from quapy.method.non_aggregative import EDx
except ImportError:
    EMQ = None

N_ROWS = 200
N_SPLITS = 5
LOADERS = {
    "digits": load_digits,
    "breast_cancer": load_breast_cancer,
    "wine": load_wine,
}


def classifier():
    return LogisticRegression(max_iter=5000)


def unmixer(**parameters):
    """Fit on sources only: new targets are then estimated by ``unmix``."""

    def fit(X, y):
        return WassersteinUnmixer(**parameters).fit(X, y).unmix

    return fit


def quapy(make):
    def fit(X, y):
        return make().fit(X, y).predict

    return fit


def methods():
    """Name, whether on principal components, and a function that fits."""
    table = {
        "W1": (True, unmixer()),
        "W1, lp": (True, unmixer(solver="lp")),
        "W2^2": (True, unmixer(metric="sqeuclidean")),
        "Sinkhorn divergence .05": (True, unmixer(reg=0.05)),
        "W1, classifier": (False, unmixer(classifier=classifier())),
        "Sinkhorn .05, classifier": (
            False,
            unmixer(classifier=classifier(), reg=0.05),
        ),
    }
    if EMQ is not None:
        table["EDx"] = (False, quapy(EDx))
        table["EMQ"] = (False, quapy(lambda: EMQ(classifier())))
        table["KDEyML"] = (False, quapy(lambda: KDEyML(classifier(), random_state=0)))
    return table


def halves(name, data, rng):
    """Source rows and labels, target rows and labels."""
    if name.startswith("HIPC"):
        pool = np.load(data, allow_pickle=True)
        X, y = pool["X_source"].clip(0), pool["y_source"]
        chosen = rng.permutation(len(X))
        first, rest = chosen[:2000], chosen[2000:]
        if name == "HIPC, same patient":
            return X[first], y[first], X[rest], y[rest]
        return X[first], y[first], pool["X_target"].clip(0), pool["y_target"]
    X, y = LOADERS[name](return_X_y=True)
    chosen = rng.permutation(len(X))
    first, rest = np.split(chosen, [len(X) // 2])
    return X[first], y[first], X[rest], y[rest]


def draw(y, n_classes, rng):
    """Rows of a target, and its prevalences."""
    counts = rng.multinomial(N_ROWS, rng.dirichlet(np.ones(n_classes)))
    rows = [rng.choice(np.flatnonzero(y == k), count) for k, count in enumerate(counts)]
    return np.concatenate(rows), counts / N_ROWS


def run(name, data, n_draws, seed):
    errors, seconds = {}, {}
    for split in range(N_SPLITS):
        rng = np.random.default_rng([seed, split])
        X, y, pool, labels = halves(name, data, rng)
        scaler = StandardScaler().fit(X)
        X, pool = scaler.transform(X), scaler.transform(pool)
        n_components = min(20, *X.shape)
        pca = PCA(n_components, random_state=0).fit(X)
        projected = pca.transform(X), pca.transform(pool)
        fitted = {
            method: (on_components, fit(projected[0] if on_components else X, y))
            for method, (on_components, fit) in methods().items()
        }
        for _ in range(n_draws // N_SPLITS):
            rows, truth = draw(labels, y.max() + 1, rng)
            for method, (on_components, estimate) in fitted.items():
                target = projected[1][rows] if on_components else pool[rows]
                start = time.perf_counter()
                found = np.asarray(estimate(target))
                seconds.setdefault(method, []).append(time.perf_counter() - start)
                errors.setdefault(method, []).append(abs(found - truth).mean())
    return {m: np.array(e) for m, e in errors.items()}, seconds


def report(name, errors, seconds):
    n = len(next(iter(errors.values())))
    print(f"\n{name}: {n} draws of {N_ROWS} rows")
    print(f"{'method':26s} {'MAE':>7s} {'minus EDx':>18s} {'s':>7s}")
    for method, error in errors.items():
        against = ""
        if "EDx" in errors:
            difference = error - errors["EDx"]
            spread = difference.std(ddof=1) / np.sqrt(n)
            against = f"{difference.mean():+.4f} +- {spread:.4f}"
        print(
            f"{method:26s} {error.mean():7.4f} {against:>18s} "
            f"{np.mean(seconds[method]):7.3f}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path)
    parser.add_argument("--draws", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    names = list(LOADERS)
    if options.data is None or not options.data.exists():
        print("Cytometry is left out: give its file as --data.")
    else:
        names += ["HIPC, same patient", "HIPC, other patient"]
    if EMQ is None:
        print("QuaPy is not installed: EDx, EMQ and KDEyML are left out.")
    for name in names:
        report(name, *run(name, options.data, options.draws, options.seed))


if __name__ == "__main__":
    main()
