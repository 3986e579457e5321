"""Bootstrap intervals of prevalences: coverage, width and time, beside QuaPy's EMQ.

    OMP_NUM_THREADS=1 python -m benchmarks.bench_intervals [--draws 200] [--minutes 8]

Each draw splits a set anew: half of it are the sources, standardised by themselves,
and a target of 200 rows comes from the rest. Its prevalences w are drawn from
Dirichlet(1), and its counts from w; rows are repeated only where a class has not
enough of them. An interval covers if it contains the w of its class: the prevalence
in the population, not the share in the sample. The draws are the same for each method.
As many are made as fit into the minutes given to each set.

By transport (W1), rows are compared by 20 principal components, also with ``debias``,
or by the probabilities of a logistic regression; by the semi-relaxed loss by all
features, also with such probabilities. What plain resampling makes of rows whose
classes are known shows how much is left to any method.

Prints the share of intervals that cover, at a nominal 95 %, with its standard error
over draws, both in per cent, their mean width in thousandths of a prevalence, the ratio
of that to EMQ's, and the time of an interval without that of fitting.

QuaPy is used where it is installed: ``AggregativeBootstrap`` with its defaults, which
draws 500 samples of the target's rows and none of the sources'.
"""

import argparse
import time

import joblib
import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from benchmarks.records import record
from skwot import WassersteinUnmixer

try:
    from quapy.method.aggregative import EMQ
    from quapy.method.confidence import AggregativeBootstrap
except ImportError:
    EMQ = None

N_ROWS = 200
LOADERS = {"breast_cancer": load_breast_cancer, "digits": load_digits}
CASES = [
    "W1, components",
    "W1, debiased",
    "W1, classifier",
    "semirelaxed",
    "semirelaxed, classifier",
]
REFERENCE = "EMQ, QuaPy"


def draw(X, y, rng):
    """Source rows and labels, target rows, and the prevalences to be covered."""
    first, rest = np.split(rng.permutation(len(X)), [len(X) // 2])
    scaler = StandardScaler().fit(X[first])
    prevalences = rng.dirichlet(np.ones(y.max() + 1))
    counts = rng.multinomial(N_ROWS, prevalences)
    rows = [
        np.resize(rng.permutation(rest[y[rest] == k]), n) for k, n in enumerate(counts)
    ]
    target = scaler.transform(X[np.concatenate(rows)])
    return scaler.transform(X[first]), y[first], target, counts, prevalences


def components(X, target):
    pca = PCA(min(20, *X.shape), random_state=0).fit(X)
    return pca.transform(X), pca.transform(target)


def classifier():
    return LogisticRegression(max_iter=5000)


def skwot_intervals(unmixer, X, y, target, n_resamples):
    """Ends by method, and seconds."""
    unmixer.fit(X, y)
    start = time.perf_counter()
    result = unmixer.bootstrap(target, n_resamples=n_resamples, random_state=0)
    seconds = time.perf_counter() - start
    # The same seed draws the same replicates, so "basic" need not draw them again.
    low, high = result.confidence_interval
    estimate = unmixer.unmix(target)
    reflected = np.clip([2 * estimate - high, 2 * estimate - low], 0, 1)
    return {"percentile": (low, high), "basic": reflected}, seconds


def quapy_intervals(X, y, target):
    quantifier = AggregativeBootstrap(EMQ(classifier()), random_state=0)
    # QuaPy asks for all processors; one thread is compared with one.
    with joblib.parallel_config(backend="sequential"):
        quantifier.fit(X, y)
        start = time.perf_counter()
        _, region = quantifier.predict_conf(target)
        seconds = time.perf_counter() - start
    return (region.I_low, region.I_high), seconds


def known_intervals(counts, n_resamples):
    """Percentiles of the plain bootstrap of rows whose classes are known."""
    rng = np.random.default_rng(0)
    shares = rng.multinomial(N_ROWS, counts / N_ROWS, size=n_resamples) / N_ROWS
    return np.quantile(shares, [0.025, 0.975], axis=0)


def intervals(X, y, target, counts, chosen, n_resamples):
    """Yield the name of a method, the ends of its intervals, and seconds."""
    yield "classes known, plain", known_intervals(counts, n_resamples), 0.0
    if EMQ is not None:
        yield REFERENCE, *quapy_intervals(X, y, target)
    cases = {
        "W1, components": (WassersteinUnmixer(), *components(X, target)),
        "W1, debiased": (WassersteinUnmixer(debias=True), *components(X, target)),
        "W1, classifier": (WassersteinUnmixer(classifier=classifier()), X, target),
        "semirelaxed": (WassersteinUnmixer(loss="semirelaxed"), X, target),
        "semirelaxed, classifier": (
            WassersteinUnmixer(loss="semirelaxed", classifier=classifier()),
            X,
            target,
        ),
    }
    for name in chosen:
        unmixer, rows, target_rows = cases[name]
        ends, seconds = skwot_intervals(unmixer, rows, y, target_rows, n_resamples)
        for method, pair in ends.items():
            yield f"{name}, {method}", pair, seconds


def run(name, options):
    """Whether each interval covers, (n_draws, K); widths; seconds; by method."""
    X, y = LOADERS[name](return_X_y=True)
    covers, widths, seconds = {}, {}, {}
    end = time.perf_counter() + 60 * options.minutes
    for i in range(options.draws):
        if time.perf_counter() > end:
            break
        *rows, truth = draw(X, y, np.random.default_rng([options.seed, i]))
        for method, (low, high), taken in intervals(
            *rows, options.cases, options.resamples
        ):
            covers.setdefault(method, []).append((low <= truth) & (truth <= high))
            widths.setdefault(method, []).append(high - low)
            seconds.setdefault(method, []).append(taken)
    return covers, widths, seconds


def report(name, n_resamples, covers, widths, seconds):
    n = len(next(iter(covers.values())))
    print(f"\n{name}: {n} draws of {N_ROWS} rows, {n_resamples} replicates")
    print(f"{'method':33s} {'coverage':>12s} {'width':>6s} {'/ EMQ':>6s} {'s':>6s}")
    for method, covered in covers.items():
        shares = np.mean(covered, axis=1)
        error = 1e2 * shares.std() / n**0.5
        width = np.mean(widths[method])
        ratio = width / np.mean(widths[REFERENCE]) if REFERENCE in widths else np.nan
        print(
            f"{method:33s} {1e2 * shares.mean():5.1f} +- {error:.1f} "
            f"{1e3 * width:6.0f} {ratio:6.2f} {np.median(seconds[method]):6.2f}",
            flush=True,
        )
        record(
            set=name,
            method=method,
            draws=n,
            coverage=1e2 * shares.mean(),
            coverage_error=error,
            width=1e3 * width,
            ratio=ratio,
            seconds=np.median(seconds[method]),
        )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", nargs="+", choices=LOADERS, default=list(LOADERS))
    parser.add_argument("--cases", nargs="*", choices=CASES, default=CASES)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--resamples", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if EMQ is None:
        print("QuaPy is not installed: EMQ is left out.")
    for name in options.sets:
        report(name, options.resamples, *run(name, options))


if __name__ == "__main__":
    main()
