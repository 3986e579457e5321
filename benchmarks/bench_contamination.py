"""Targets that hold something foreign: what `outlier_cost` saves, and what it costs.

    python -m benchmarks.bench_contamination [--draws 50] [--splits 4] [--seed 0]

Two problems, each with and without foreign material:

- Spectra. Five isotope envelopes (Poisson intensities, peaks one unit of m/z apart)
  that overlap, in proportions from Dirichlet(1). "Apart": two of them share their
  positions; "one grid": all do, which leaves nothing but shapes to tell them apart, and
  each fit warns that the weights are hardly determined. A tenth of the target's
  intensity is in fifty noise peaks of random position and intensity. The other peaks
  are where they should be, or off by .01 (standard deviation). `outlier_cost` is three
  times that, .03, and for comparison .2.
- Digits, half of them sources: standardised, 20 principal components. The target has
  200 rows, with prevalences from Dirichlet(1). Each class in turn is held out of the
  sources and makes up 20 % of the target. ``outlier_cost="auto"``.

Prints the mean absolute error of the weights (of the known sources, which sum to one)
in thousandths beside that of the balanced estimate, their ratio, `unexplained_`, and
"clean", the error of a balanced estimate on the target without what is foreign in it.
"""

import argparse
import warnings

import numpy as np
from scipy.stats import poisson
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from benchmarks.records import record
from skwot import WassersteinUnmixer, stack_sources
from skwot.exceptions import IdentifiabilityWarning

N_ROWS = 200
N_FOREIGN = 40
N_PEAKS = 15
N_NOISE_PEAKS = 50
MEANS = [1.0, 4.0, 2.5, 3.0, 2.0]
FIRST_PEAKS = {
    "apart": [500.0, 500.3, 501.0, 501.6, 502.2],
    "one grid": [500.0, 501.0, 502.0, 503.0, 504.0],
}
# First peaks, share of noise, jitter of the peaks, outlier cost.
SPECTRA = [
    ("apart", 0.1, 0, 0.03),
    ("apart", 0.1, 0.01, 0.03),
    ("apart", 0.1, 0.01, 0.2),
    ("apart", 0, 0.01, 0.03),
    ("one grid", 0.1, 0.01, 0.03),
]


def envelopes(first_peaks):
    """Positions and intensities of the peaks of five compounds."""
    peaks = np.arange(N_PEAKS)
    return [
        ((first + peaks)[:, None], poisson.pmf(peaks, mean))
        for first, mean in zip(first_peaks, MEANS, strict=True)
    ]


def spectrum(sources, weights, noise, jitter, rng):
    """Peaks of the mixture, moved a little, and noise peaks."""
    mz = np.concatenate([positions for positions, _ in sources])
    signal = np.concatenate(
        [w * y / y.sum() for w, (_, y) in zip(weights, sources, strict=True)]
    )
    random = rng.uniform(mz.min() - 2, mz.max() + 2, (N_NOISE_PEAKS, 1))
    intensity = noise * rng.dirichlet(np.ones(N_NOISE_PEAKS))
    mz = mz + jitter * rng.standard_normal(mz.shape)
    return np.concatenate([mz, random]), np.append((1 - noise) * signal, intensity)


def compare(rows, foreign, truth, outlier_cost):
    """Errors balanced, with outliers, and on clean data, and what is unexplained."""
    balanced = WassersteinUnmixer().fit(*rows)
    other = WassersteinUnmixer(outlier_cost=outlier_cost, random_state=0).fit(*rows)
    clean = WassersteinUnmixer().fit(*(array[~foreign] for array in rows))
    errors = (abs(fit.weights_ - truth).mean() for fit in (balanced, other, clean))
    return *errors, other.unexplained_


def spectra(case, n_draws, seed):
    first_peaks, noise, jitter, outlier_cost = case
    sources = envelopes(FIRST_PEAKS[first_peaks])
    found = []
    for number in range(n_draws):
        rng = np.random.default_rng([seed, number])
        weights = rng.dirichlet(np.ones(len(sources)))
        rows = stack_sources(sources, spectrum(sources, weights, noise, jitter, rng))
        foreign = np.arange(len(rows[0])) >= len(rows[0]) - N_NOISE_PEAKS
        found.append(compare(rows, foreign, weights, outlier_cost))
    return np.array(found)


def without(held, n_foreign, rng):
    """Rows, of which those of class `held` are in the target only, and the truth."""
    X, y = load_digits(return_X_y=True)
    first, rest = np.split(rng.permutation(len(X)), [len(X) // 2])
    counts = rng.multinomial(N_ROWS - n_foreign, rng.dirichlet(np.ones(9)))
    sizes = np.insert(counts, held, n_foreign)
    drawn = [rng.choice(rest[y[rest] == k], size) for k, size in enumerate(sizes)]
    known = first[y[first] != held]
    scaler = StandardScaler().fit(X[known])
    pca = PCA(20, random_state=0).fit(scaler.transform(X[known]))
    chosen = np.concatenate([known, *drawn])
    rows = pca.transform(scaler.transform(X[chosen]))
    labels = np.append(y[known], np.full(N_ROWS, -1))
    return (rows, labels), y[chosen] == held, counts / counts.sum()


def digits(n_foreign, n_splits, seed):
    found = []
    for split in range(n_splits):
        for held in range(10):
            rng = np.random.default_rng([seed, split, held])
            found.append(compare(*without(held, n_foreign, rng), "auto"))
    return np.array(found)


def report(name, found):
    balanced, other, clean, unexplained = 1e3 * found.T
    print(
        f"{name:53s} {len(found):5d} {balanced.mean():8.2f} {other.mean():8.2f} "
        f"{other.max():8.2f} {other.mean() / balanced.mean():6.3f} {clean.mean():8.2f} "
        f"{unexplained.mean():8.0f} +- {unexplained.std(ddof=1):.0f}",
        flush=True,
    )
    record(
        target=name,
        draws=len(found),
        balanced=balanced.mean(),
        error=other.mean(),
        largest=other.max(),
        clean=clean.mean(),
        unexplained=unexplained.mean(),
        spread=unexplained.std(ddof=1),
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=50)
    parser.add_argument("--splits", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    # Expected of the spectra on one grid, in each fit.
    warnings.simplefilter("ignore", IdentifiabilityWarning)
    print(
        f"{'target':53s} {'draws':>5s} {'balanced':>8s} {'MAE':>8s} {'largest':>8s} "
        f"{'ratio':>6s} {'clean':>8s} unexplained, standard deviation"
    )
    for case in SPECTRA:
        name = "spectra, {}, {:.0%} noise, jitter {:g}, cost {:g}".format(*case)
        report(name, spectra(case, options.draws, options.seed))
    for n_foreign in (N_FOREIGN, 0):
        name = f"digits, {n_foreign / N_ROWS:.0%} of a class without source"
        report(name, digits(n_foreign, options.splits, options.seed))


if __name__ == "__main__":
    main()
