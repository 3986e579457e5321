"""Whether cross-validation by bags chooses a setting that is good on other bags.

    OMP_NUM_THREADS=1 python -m benchmarks.bench_selection [--draws 50] [--seed 0]

On digits, breast cancer and wine: half of the rows go to ``GridSearchCV`` with
``PrevalenceShiftSplit``, over two losses and three metrics in a ``Pipeline`` with a
scaler. Then every setting is fitted to that half, and estimates bags of 200 rows from
the other half, with prevalences from Dirichlet(1). Prints the setting chosen, its mean
absolute error in thousandths of a prevalence, and that of every setting.
"""

import argparse

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, ParameterGrid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.bench_prevalence import LOADERS, draw
from benchmarks.records import record
from skwot import WassersteinUnmixer
from skwot.model_selection import PrevalenceShiftSplit

GRID = {
    "wassersteinunmixer__loss": ["wasserstein", "semirelaxed"],
    "wassersteinunmixer__metric": ["auto", "euclidean", "sqeuclidean"],
}


def name_of(setting):
    return ", ".join(setting[name] for name in GRID)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name, load in LOADERS.items():
        X, y = load(return_X_y=True)
        rng = np.random.default_rng(options.seed)
        first, rest = np.split(rng.permutation(len(X)), [len(X) // 2])
        pipeline = make_pipeline(StandardScaler(), WassersteinUnmixer())
        splits = PrevalenceShiftSplit(50, random_state=0)
        search = GridSearchCV(pipeline, GRID, cv=splits).fit(X[first], y[first])
        bags = [draw(y[rest], y.max() + 1, rng) for _ in range(options.draws)]
        errors = {}
        for setting in ParameterGrid(GRID):
            fitted = clone(pipeline).set_params(**setting).fit(X[first], y[first])
            found = [
                fitted[-1].unmix(fitted[:-1].transform(X[rest][rows]))
                for rows, _ in bags
            ]
            truths = [truth for _, truth in bags]
            errors[name_of(setting)] = 1e3 * abs(np.subtract(found, truths)).mean()
        chosen = name_of(search.best_params_)
        print(
            f"{name}: chosen {chosen}, error {errors[chosen]:.1f}, "
            f"{errors[chosen] / min(errors.values()):.2f} times the least of",
            {key: round(float(error), 1) for key, error in errors.items()},
            flush=True,
        )
        record(set=name, chosen=chosen, errors=errors, bags=options.draws)


if __name__ == "__main__":
    main()
