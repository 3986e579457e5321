"""Goodness of fit: p-values of targets that are mixtures, and power against others.

    OMP_NUM_THREADS=1 python -m benchmarks.bench_goodness [--draws 200] [--seed 0]
        [--metric auto]

Each draw splits digits anew, of which 900 rows are the sources, or draws 100 rows of
each of three Gaussians in five dimensions. Targets have 200 rows with prevalences from
Dirichlet(1). Prints, for targets that are mixtures, the share of p-values up to .05 and
the p-value of Kolmogorov and Smirnov's test that they are uniform; and the power at
level .05 against digits of which 15 % are of a class without a source, against blends
of 30 % of a row of one class and 70 % of one of another, and against a shift of every
pixel by 5 % of its range.
"""

import argparse

import numpy as np
from scipy.stats import kstest
from sklearn.datasets import load_digits

from benchmarks.records import record
from skwot import WassersteinUnmixer

N_ROWS = 200


def pvalue(X, y, target, metric):
    unmixer = WassersteinUnmixer(loss="semirelaxed", metric=metric).fit(X, y)
    return unmixer.goodness_of_fit(target, random_state=0).pvalue


def take(rows, y, labels, rng):
    """One row of each label, none twice as long as there are others."""
    left = {k: list(rng.permutation(rows[y[rows] == k])) for k in np.unique(labels)}
    return np.array(
        [
            left[k].pop() if left[k] else rng.choice(rows[y[rows] == k])
            for k in labels.tolist()
        ]
    )


def digits(rng, number, metric):
    """P-values of a mixture, and of what is none."""
    X, y = load_digits(return_X_y=True)
    X = X / 16
    sources, rest = np.split(rng.permutation(len(X)), [900])
    labels = rng.choice(10, N_ROWS, p=rng.dirichlet(np.ones(10)))
    mixture = X[take(rest, y, labels, rng)]
    held, other = number % 10, (number + 3) % 10
    known = sources[y[sources] != held]
    labels = rng.choice(np.delete(np.arange(10), held), 170)
    foreign = np.append(labels, np.full(30, held))
    first, second = (take(rest, y, np.full(N_ROWS, k), rng) for k in (held, other))
    cases = {
        "mixture": (sources, mixture),
        "foreign class": (known, X[take(rest, y, foreign, rng)]),
        "blends": (sources, 0.3 * X[first] + 0.7 * X[second]),
        "shift": (sources, mixture + 0.05),
    }
    return {
        name: pvalue(X[rows], y[rows], target, metric)
        for name, (rows, target) in cases.items()
    }


def gaussians(rng, number, metric):
    means = 1.5 * rng.normal(size=(3, 5))
    scales = np.array([0.5, 1.0, 1.5])
    y = np.repeat(np.arange(3), 100)
    labels = rng.choice(3, N_ROWS, p=rng.dirichlet(np.ones(3)))
    X, target = (
        means[k] + scales[k, None] * rng.normal(size=(len(k), 5)) for k in (y, labels)
    )
    return {"mixture": pvalue(X, y, target, metric)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--metric", default="auto", choices=["auto", "euclidean"])
    options = parser.parse_args()
    for draw in (gaussians, digits):
        found = [
            draw(np.random.default_rng([options.seed, number]), number, options.metric)
            for number in range(options.draws)
        ]
        for name in found[0]:
            values = np.array([one[name] for one in found])
            share = (values <= 0.05).mean()
            uniform = kstest(values, "uniform").pvalue
            test = f", uniform: p = {uniform:.3f}" if name == "mixture" else ""
            print(
                f"{draw.__name__}, {name}: {share:.3f} of {len(values)} p-values are "
                f"at most .05{test}",
                flush=True,
            )
            record(
                metric=options.metric,
                sources=draw.__name__,
                target=name,
                draws=len(values),
                share=share,
                uniform=uniform,
            )


if __name__ == "__main__":
    main()
