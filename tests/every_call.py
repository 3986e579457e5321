"""Every solver and loss of both estimators, and what they do once fitted.

Run in a process of its own by `test_side_effects.py`. The exit status is not zero where
matplotlib was imported or a global random state was moved.
"""

import sys

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from skwot import GMMFlowFitter, WassersteinUnmixer
from skwot.datasets import make_gaussian_mixtures, make_unmixing

PLANE, LINE = 2, 1  # numbers of features
UNMIXERS = [
    (PLANE, {}),
    (LINE, {}),
    (PLANE, {"metric": "sqeuclidean"}),
    (PLANE, {"metric": "chebyshev"}),
    (PLANE, {"metric": lambda x, y: float(abs(x - y).sum())}),
    (PLANE, {"learning_rate": 0.01, "max_iter": 50, "tol": 1.0}),
    (PLANE, {"loss": "sinkhorn", "device": "cpu"}),
    (PLANE, {"loss": "sinkhorn", "debias": True, "random_state": 0}),
    (PLANE, {"debias": True, "outlier_cost": "auto", "random_state": 0}),
    (PLANE, {"max_support": 10, "random_state": 0}),
    (PLANE, {"loss": "semirelaxed", "outlier_cost": "auto"}),
    (LINE, {"loss": "semirelaxed", "solver": "pgd"}),
    (PLANE, {"classifier": LogisticRegression()}),
    (PLANE, {"solver": "pgd"}),
    (LINE, {"solver": "pgd", "metric": "sqeuclidean"}),
    (PLANE, {"solver": "lp", "metric": "cityblock", "outlier_cost": 2.0}),
    (PLANE, {"solver": "lp", "debias": True, "random_state": 0}),
]
FLOWS = [
    {"solver": solver, "covariance_type": kind, "n_target_components": 4}
    for solver in ("pgd", "bures")
    for kind in ("full", "tied", "diag", "spherical")
]
FLOWS += [
    {"learning_rate": 0.05, "max_iter": 3, "tol": 1.0},
    {"init": "kmeans", "n_init": 2},
    {"fixed_weights": True},
]


def use_unmixer(n_features, options):
    X, y, _ = make_unmixing(
        n_features=n_features,
        n_source_samples=10,
        n_target_samples=20,
        random_state=0,
    )
    target = X[y == -1]
    unmixer = WassersteinUnmixer(**options).fit(X, y)
    unmixer.transform(target)
    unmixer.predict(target)
    unmixer.unmix(target, groups=np.arange(len(target)) % 2)
    unmixer.bootstrap(n_resamples=2, random_state=0)
    if options.get("loss") == "semirelaxed":
        unmixer.goodness_of_fit(target, n_resamples=2, random_state=0)


def use_flow(options):
    X, _, _ = make_gaussian_mixtures(random_state=0)
    flow = GMMFlowFitter(2, random_state=0, **options).fit(X)
    flow.transform(X)
    flow.score(X)
    flow.sample(3)
    flow.transport(X)
    flow.interpolate(0.5)
    flow.to_sklearn()


def main():
    # The keys of NumPy's generator change once in 624 numbers, the position always.
    keys, position = np.random.get_state()[1:3]
    before = keys.copy(), position, torch.get_rng_state()
    for n_features, options in UNMIXERS:
        use_unmixer(n_features, options)
    for options in FLOWS:
        use_flow(options)
    if "matplotlib" in sys.modules:
        sys.exit("matplotlib was imported")
    keys, position = np.random.get_state()[1:3]
    if not (
        np.array_equal(before[0], keys)
        and before[1] == position
        and torch.equal(before[2], torch.get_rng_state())
    ):
        sys.exit("a global random state was moved")


if __name__ == "__main__":
    main()
