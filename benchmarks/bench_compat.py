"""POT's compiled network simplex against the public function around it.

    OMP_NUM_THREADS=1 python -m benchmarks.bench_compat [--repeats 200]

``skwot._compat`` imports ``emd_c`` and ``emd_c_sparse``, which POT keeps to itself.
This prints how many times longer :func:`ot.emd` takes for the same problems with the
same result, by medians of interleaved runs. On sparse costs ``ot.emd`` takes no
potentials to start from, so its runs are cold; the compiled function is timed both
ways.
"""

import argparse
import time
import warnings
from statistics import median

import numpy as np
import ot
from scipy import sparse
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from skwot._compat import emd_c, emd_c_sparse

PIVOTS = 10**12
OPTIMAL = 1


def medians(repeats, functions):
    times = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
    return {name: median(own) for name, own in times.items()}


def problem(n, m, seed=0):
    rng = np.random.default_rng(seed)
    points, target = rng.normal(size=(n, 2)), rng.normal(size=(m, 2)) + 0.5
    return points, target, rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))


def potentials(cost, beta, rng):
    """Feasible potentials near optimal ones, as the solvers have them to start from."""
    beta = beta + 1e-3 * rng.normal(size=len(beta))
    return (cost - beta).min(axis=1), beta


def call_public(a, b, cost, start=None):
    plan, log = ot.emd(
        a,
        b,
        cost,
        numItermax=PIVOTS,
        log=True,
        center_dual=False,
        check_marginals=False,
        potentials_init=start,
    )
    assert log["result_code"] == OPTIMAL
    return plan, log["cost"]


def compare_dense(n, m, repeats):
    points, target, a, b = problem(n, m)
    cost = cdist(points, target)
    found = emd_c(a, b, cost, PIVOTS, 1, None, None)
    np.testing.assert_allclose(call_public(a, b, cost)[1], found[1])
    start = potentials(cost, found[3], np.random.default_rng(1))
    timed = medians(
        repeats,
        {
            "compiled": lambda: emd_c(a, b, cost, PIVOTS, 1, None, None),
            "public": lambda: call_public(a, b, cost),
            "compiled, warm": lambda: emd_c(a, b, cost, PIVOTS, 1, *start),
            "public, warm": lambda: call_public(a, b, cost, start),
        },
    )
    report(f"dense {n} x {m}", timed, ["public", "compiled, warm", "public, warm"])


def few_arcs(points, target, per_point):
    """Arcs of each point to its nearest on the other side, and a ground node.

    The ground node takes a unit of mass on both sides, and its arcs cost more than
    most others, as in the solver "lp".
    """
    n, m = len(points), len(target)
    _, near = KDTree(target).query(points, per_point)
    _, back = KDTree(points).query(target, per_point)
    source = np.concatenate([np.repeat(np.arange(n), per_point), back.ravel()])
    end = np.concatenate([near.ravel(), np.repeat(np.arange(m), per_point)])
    source, end = np.unique(np.stack([source, end]), axis=1)
    cost = np.linalg.norm(points[source] - target[end], axis=1)
    ground = np.full(n + m, 1.0)
    return (
        np.concatenate([source, np.arange(n), np.full(m, n), [n]]),
        np.concatenate([end, np.full(n, m), np.arange(m), [m]]),
        np.concatenate([cost, ground, [0.0]]),
    )


def compare_sparse(n, m, per_point, repeats):
    points, target, a, b = problem(n, m)
    source, end, cost = few_arcs(points, target, per_point)
    a, b = np.append(a, 1.0), np.append(b, 1.0)
    source, end = source.astype(np.uint64), end.astype(np.uint64)
    matrix = sparse.coo_array(
        (cost, (source.astype(np.int64), end.astype(np.int64))), shape=(n + 1, m + 1)
    )
    found = emd_c_sparse(a, b, source, end, cost, PIVOTS)
    np.testing.assert_allclose(call_public(a, b, matrix)[1], found[3])
    rng = np.random.default_rng(1)
    alpha, beta = (x + 1e-3 * rng.normal(size=len(x)) for x in found[4:6])
    timed = medians(
        repeats,
        {
            "compiled, warm": lambda: emd_c_sparse(
                a, b, source, end, cost, PIVOTS, alpha, beta
            ),
            "compiled": lambda: emd_c_sparse(a, b, source, end, cost, PIVOTS),
            "public": lambda: call_public(a, b, matrix),
            "public, potentials given": lambda: call_public(
                a, b, matrix, (alpha, beta)
            ),
        },
    )
    name = f"sparse {n} x {m}, {len(cost)} arcs"
    report(name, timed, ["compiled", "public", "public, potentials given"])


def report(name, timed, others):
    first = next(iter(timed))
    print(f"{name}: {first} {1e3 * timed[first]:.3f} ms")
    for other in others:
        print(f"  {other:25s} {timed[other] / timed[first]:6.2f} times that")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=200)
    repeats = parser.parse_args().repeats
    warnings.simplefilter("error")
    for n, m in [(3, 4), (10, 10), (20, 20), (40, 900)]:
        compare_dense(n, m, repeats)
    for n, m in [(200, 200), (2000, 2000)]:
        compare_sparse(n, m, 3, max(3, repeats // 10))


if __name__ == "__main__":
    main()
