"""Class prevalences: skwot beside the quantifiers that users would pick instead.

    python -m benchmarks.bench_prevalence [--data hipc_stanford.npz] [--draws 50]
        [--seed 0] [--sets digits ...] [--methods W1 EDx ...]

Digits, breast cancer and wine come with scikit-learn; with ``--data`` also cytometry.
Each draw splits anew: half of a set are sources, and the target is drawn from the
other half. Of cytometry, 200 cells of each class of the first patient are sources
(half, where a class has fewer than 400), and targets come from its other cells, or
from the second patient. The target has 200 rows, with prevalences from Dirichlet(1).
Features are standardised on the sources. Draws are the same for each method.

Prints the mean absolute error of the prevalences and its standard error, in thousandths
of a prevalence, its paired differences from those of EDx and EMQ with theirs, the
median time of an estimate on fitted sources in seconds, and the number of draws, which
is less for what is slow.

Other implementations, each where it is installed:

- QuaPy: EMQ, KDEyML, and EDx (which needs quadprog) with the Euclidean distance and
  with its default, Manhattan.
- POT's ``JCPOTTransport``. It is made for several source domains and raises for one, so
  two stratified halves are given. ``reg_e`` is absolute: features are divided so that
  the mean ground cost among sources is one. Its default, .1, has a row; .02 with the
  Euclidean distance is one of the two best of six values and two metrics on other
  draws. It makes at most 100 iterations, whatever ``max_iter`` is.
- POT's gallery loop: 500 steps of rate .002 on the transport cost, here of the
  Euclidean distance over its mean.
- CytOpT, by its recommended "minmax", with features scaled to [0, 1] on the sources.
  Its own scaling, of each sample by itself, did worse on other draws of three of four
  sets. It draws from NumPy's global state, which is seeded here.
"""

import argparse
import contextlib
import io
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import ot
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from benchmarks.records import record
from skwot import WassersteinUnmixer
from tests.gallery import unmixing_loop

try:
    from quapy.method.aggregative import EMQ, KDEyML
    from quapy.method.non_aggregative import EDx
except ImportError:
    EMQ = None
try:
    from CytOpT import CytOpT
except (ImportError, TypeError):
    # Where one of its own dependencies is missing, it fails in its error message.
    CytOpT = None

N_ROWS = 200
N_CELLS = 200
N_COMPONENTS = 20
SOME = 20
FEW = 5
LOADERS = {
    "digits": load_digits,
    "breast_cancer": load_breast_cancer,
    "wine": load_wine,
}
CYTOMETRY = ["HIPC same", "HIPC other"]


class Method(NamedTuple):
    """Features it sees, a function of sources that returns one of a target, draws."""

    features: str
    fit: Callable
    n_draws: float = np.inf


def classifier():
    return LogisticRegression(max_iter=5000)


def unmixer(**parameters):
    def fit(X, y):
        # Only `unmix` is timed. With the Sinkhorn loss fit solves for its target even
        # if that is the sources: a small one, of all classes, keeps it short.
        few = X[:: len(X) // 20]
        rows, labels = np.append(X, few, axis=0), np.append(y, np.full(len(few), -1))
        return WassersteinUnmixer(random_state=0, **parameters).fit(rows, labels).unmix

    return fit


def quapy(make):
    def fit(X, y):
        return make().fit(X, y).predict

    return fit


def jcpot(reg_e, metric):
    def fit(X, y):
        mean = ot.dist(X, X, metric=metric).mean()
        scale = np.sqrt(mean) if metric == "sqeuclidean" else mean
        folds = StratifiedKFold(2, shuffle=True, random_state=0)
        domains = [(X[rows] / scale, y[rows]) for rows, _ in folds.split(X, y)]

        def estimate(target):
            method = ot.da.JCPOTTransport(reg_e=reg_e, metric=metric)
            with warnings.catch_warnings():
                # At 100 iterations, which are all that it can make.
                warnings.filterwarnings("ignore", "Algorithm did not converge")
                # It changes labels in place.
                sources, labels = zip(*[(X, y.copy()) for X, y in domains], strict=True)
                method.fit(list(sources), list(labels), target / scale)
            proportions, _ = method.proportions_
            return proportions

        return estimate

    return fit


def gallery_loop(X, y):
    scale = ot.dist(X, X, metric="euclidean").mean()
    sources = [X[y == k] / scale for k in range(y.max() + 1)]

    def estimate(target):
        return unmixing_loop(sources, target / scale, metric="euclidean")[0]

    return estimate


def cytopt(X, y):
    def estimate(target):
        np.random.seed(0)
        with contextlib.redirect_stdout(io.StringIO()):
            found = CytOpT(
                X,
                target,
                y,
                method="minmax",
                cont=False,
                minMaxScaler=False,
                thresholding=False,
            )
        return found["proportions"]["minmax"]

    return estimate


def methods():
    table = {
        "W1": Method("components", unmixer()),
        "W1, debias": Method("components", unmixer(debias=True)),
        "W2^2": Method("components", unmixer(metric="sqeuclidean")),
        "Sinkhorn .05": Method("components", unmixer(loss="sinkhorn"), SOME),
        "Sinkhorn .05, debias": Method(
            "components", unmixer(loss="sinkhorn", debias=True), SOME
        ),
        "W1, classifier": Method("all", unmixer(classifier=classifier())),
        "W2^2, classifier": Method(
            "all", unmixer(classifier=classifier(), metric="sqeuclidean")
        ),
        "W1, debias, classifier": Method(
            "all", unmixer(classifier=classifier(), debias=True)
        ),
        "Sinkhorn .05, classifier": Method(
            "all", unmixer(classifier=classifier(), loss="sinkhorn"), SOME
        ),
        "semirelaxed": Method("all", unmixer(loss="semirelaxed")),
        "semirelaxed, Euclidean": Method(
            "components", unmixer(loss="semirelaxed", metric="euclidean")
        ),
        "semirelaxed, classifier": Method(
            "all", unmixer(loss="semirelaxed", classifier=classifier())
        ),
        "JCPOT .1": Method("components", jcpot(0.1, "sqeuclidean")),
        "JCPOT .02, Euclidean": Method("components", jcpot(0.02, "euclidean")),
        "POT's gallery loop": Method("components", gallery_loop, FEW),
    }
    if CytOpT is not None:
        table["CytOpT"] = Method("minmax", cytopt)
    if EMQ is not None:
        table["EDx"] = Method("all", quapy(lambda: EDx(distance="euclidean")))
        table["EDx, Manhattan"] = Method("all", quapy(EDx))
        table["EMQ"] = Method("all", quapy(lambda: EMQ(classifier())))
        table["KDEyML"] = Method(
            "all", quapy(lambda: KDEyML(classifier(), random_state=0))
        )
    return table


def halves(name, pool, rng):
    """Source rows and labels, target rows and labels."""
    if name in CYTOMETRY:
        X, y = pool["X_source"].clip(0), pool["y_source"].astype(int)
        cells = [rng.permutation(np.flatnonzero(y == k)) for k in range(y.max() + 1)]
        first = np.concatenate([c[: min(N_CELLS, len(c) // 2)] for c in cells])
        if name == "HIPC other":
            target = pool["X_target"].clip(0), pool["y_target"].astype(int)
            return X[first], y[first], *target
        rest = np.setdiff1d(np.arange(len(X)), first)
    else:
        X, y = LOADERS[name](return_X_y=True)
        first, rest = np.split(rng.permutation(len(X)), [len(X) // 2])
    return X[first], y[first], X[rest], y[rest]


def draw(y, n_classes, rng):
    """Rows of a target, and its prevalences."""
    counts = rng.multinomial(N_ROWS, rng.dirichlet(np.ones(n_classes)))
    rows = [rng.choice(np.flatnonzero(y == k), count) for k, count in enumerate(counts)]
    return np.concatenate(rows), counts / N_ROWS


def views(X, target):
    """Features as the methods see them, of the sources and of the target."""
    standard, unit = StandardScaler().fit(X), MinMaxScaler().fit(X)
    scaled = standard.transform(X), standard.transform(target)
    pca = PCA(min(N_COMPONENTS, *X.shape), random_state=0).fit(scaled[0])
    return {
        "all": scaled,
        "components": (pca.transform(scaled[0]), pca.transform(scaled[1])),
        "minmax": (unit.transform(X), unit.transform(target)),
    }


def run(name, pool, table, n_draws, seed):
    """Errors and seconds of each method, one entry for each draw."""
    errors, seconds = ({method: [] for method in table} for _ in range(2))
    for number in range(n_draws):
        rng = np.random.default_rng([seed, number])
        X, y, others, labels = halves(name, pool, rng)
        rows, truth = draw(labels, y.max() + 1, rng)
        seen = views(X, others[rows])
        for method, (features, fit, limit) in table.items():
            slow = limit <= SOME and name in CYTOMETRY  # seconds for each target
            if number >= (FEW if slow else limit):
                continue
            sources, target = seen[features]
            estimate = fit(sources, y)
            start = time.perf_counter()
            found = np.asarray(estimate(target))
            seconds[method].append(time.perf_counter() - start)
            errors[method].append(abs(found - truth).mean())
    return {method: np.array(error) for method, error in errors.items()}, seconds


def mean_and_error(values, sign=""):
    """In thousandths of a prevalence."""
    values = 1e3 * values
    spread = values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():{sign}.1f} +- {spread:.1f}"


def report(name, errors, seconds):
    print(f"\n{name}: targets of {N_ROWS} rows, errors in thousandths")
    print(
        f"{'method':26s} {'MAE':>14s} {'minus EDx':>14s} {'minus EMQ':>14s} "
        f"{'s':>6s} draws"
    )
    for method, error in errors.items():
        against = [
            mean_and_error(error - errors[other][: len(error)], "+")
            if other in errors
            else ""
            for other in ("EDx", "EMQ")
        ]
        print(
            f"{method:26s} {mean_and_error(error):>14s} {against[0]:>14s} "
            f"{against[1]:>14s} {np.median(seconds[method]):6.3f} {len(error):5d}",
            flush=True,
        )
        record(
            set=name,
            method=method,
            errors=error.round(6),
            seconds=np.median(seconds[method]),
        )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path)
    parser.add_argument("--draws", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sets", nargs="+", choices=[*LOADERS, *CYTOMETRY])
    parser.add_argument("--methods", nargs="+", choices=list(methods()))
    options = parser.parse_args()
    names, pool = options.sets or [*LOADERS, *CYTOMETRY], None
    if options.data is None or not options.data.exists():
        print("Cytometry is left out: give its file as --data.")
        names = [name for name in names if name not in CYTOMETRY]
    else:
        with np.load(options.data, allow_pickle=False) as data:
            pool = {key: data[key] for key in data.files if key[:2] in ("X_", "y_")}
    if EMQ is None:
        print("QuaPy is not installed: EDx, EMQ and KDEyML are left out.")
    if CytOpT is None:
        print("CytOpT is not installed and left out.")
    table = methods()
    if options.methods:
        table = {name: table[name] for name in options.methods}
    for name in names:
        report(name, *run(name, pool, table, options.draws, options.seed))


if __name__ == "__main__":
    main()
