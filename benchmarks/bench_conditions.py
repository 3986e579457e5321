"""Digits that ill-conditioned covariances leave, against 100 digits of mpmath.

    python -m benchmarks.bench_conditions [--features 2 6 12 30]

Prints, for pairs of covariances with eigenvalues from one down to the inverse of the
condition, the relative error of the squared Bures distance and the error of the optimal
map, whitened by both covariances: with random rotations, for a covariance and itself,
and where the condition comes from the units of the features.
"""

import argparse

import numpy as np

from benchmarks.records import record
from tests._gmm.test_gaussians import errors, with_condition


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--features", type=int, nargs="+", default=[2, 6, 12, 30])
    options = parser.parse_args()
    print("condition, features: distance and map of rotated, equal, rescaled pairs")
    for d in options.features:
        for exponent in range(0, 15, 2):
            rng = np.random.default_rng(0)
            condition = 10.0**exponent
            units = rng.permutation(np.geomspace(1, condition**-0.5, d))
            first, second = (with_condition(condition, d, rng) for _ in range(2))
            scaled = [
                units * with_condition(10, d, rng) * units[:, None] for _ in range(2)
            ]
            found = [
                errors(*pair) for pair in ((first, second), (first, first), scaled)
            ]
            cells = ["{:.0e} {:.0e}".format(*pair) for pair in found]
            print(f"1e{exponent:02d}, {d:2d}:", ", ".join(cells), flush=True)
            record(exponent=exponent, features=d, errors=np.array(found, float))


if __name__ == "__main__":
    main()
