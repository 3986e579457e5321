"""What GMM flows are used for: local minima, reduction and transport, against POT.

Run with one thread: ``OMP_NUM_THREADS=1 python -m benchmarks.bench_flow_uses``.
"""

import time
import warnings

import numpy as np
import ot
import torch
from sklearn.datasets import load_digits, load_sample_image
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from benchmarks.bench_flow import pot_loop, random_mixture
from benchmarks.records import record
from skwot import GMMFlowFitter
from skwot._gmm.flow import flow_mixture
from skwot._gmm.settings import Settings
from skwot.mixtures import mw2
from tests.gallery import pots_barycentre

N_PIXELS = 5000  # to estimate a mixture
N_PROBLEMS = 34  # of each of six sizes
SEEDS = range(5)  # of the targets' EM


def draw_pixels(name, n_pixels, seed=0):
    """Pixels of one of scikit-learn's images, with colours in [0, 1]."""
    pixels = load_sample_image(name).reshape(-1, 3) / 255.0
    rows = np.random.RandomState(seed).choice(len(pixels), n_pixels, replace=False)
    return pixels[rows]


def project_digits():
    """Ten principal components of the digits, in units of their overall spread."""
    scores = PCA(10, random_state=0).fit_transform(load_digits().data)
    return scores / scores.std()


def compare_reductions():
    print("reduction of 40 components to 8, from one start")
    samples = {
        "china.jpg": draw_pixels("china.jpg", N_PIXELS),
        "digits, PCA-10": project_digits(),
    }
    for name, X in samples.items():
        for seed in SEEDS:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                target = GaussianMixture(40, random_state=seed).fit(X)
            parameters = target.weights_, target.means_, target.covariances_
            report = f"{name}, GaussianMixture(40, random_state={seed}): MW2^2"
            found = {}
            for swaps in (False, True):
                flow = GMMFlowFitter(
                    8,
                    target=target,
                    solver="bures",
                    swaps=swaps,
                    max_iter=300,
                    random_state=0,
                )
                start = time.perf_counter()
                flow.fit(X)
                seconds = time.perf_counter() - start
                how = "with" if swaps else "without"
                found[how] = flow.loss_, seconds
                report += f" {flow.loss_:.5f} in {seconds:.2f} s {how} swaps,"
            if seed == SEEDS[0]:
                rng = np.random.default_rng(seed)
                rows = rng.choice(40, 8, replace=False)
                initial = np.full(8, 1 / 8), *(x[rows] for x in parameters[1:])
                start = time.perf_counter()
                losses = pot_loop(initial, parameters, 0.01, 100)
                seconds = time.perf_counter() - start
                report += f" POT's loop {min(losses):.5f} in {seconds:.1f} s"
                found["pot"] = min(losses), seconds
            print(report.rstrip(","), flush=True)
            record(part="reduction", data=name, seed=seed, **found)


def compare_barycentres():
    print("barycentres of three mixtures, relative to POT's fixed point from one start")
    ratios, speeds = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        size, n_features = 3 + seed % 4, [2, 5, 10][seed % 3]
        mixtures = [random_mixture(rng, size, n_features) for _ in range(3)]
        weights = rng.dirichlet(np.ones(3))
        initial = random_mixture(rng, size, n_features)

        start = time.perf_counter()
        found = pots_barycentre(mixtures, weights, initial, 100)
        seconds = time.perf_counter() - start
        reference = weights @ [mw2(found, other).value for other in mixtures]
        row, speed = [], []
        for options in (
            {"fixed_weights": True, "swaps": False},
            {"swaps": False},
            {"swaps": True},
        ):
            flow = GMMFlowFitter(
                size,
                target=mixtures,
                barycenter_weights=weights,
                init=initial,
                solver="bures",
                max_iter=1000,
                **options,
            )
            start = time.perf_counter()
            flow.fit()
            speed.append(seconds / (time.perf_counter() - start))
            row.append(flow.loss_ / reference)
        ratios.append(row)
        speeds.append(speed)
    names = ("fixed weights", "free weights", "free weights and swaps")
    for name, ratio, speed in zip(
        names, np.transpose(ratios), np.transpose(speeds), strict=True
    ):
        print(
            f"    {name}: {ratio.min():.3f} to {ratio.max():.3f} of its mean distance, "
            f"{np.median(speed):.0f} times faster (median)",
            flush=True,
        )
        record(part="barycentre", how=name, ratios=ratio, speed=np.median(speed))


def count_local_minima():
    print("random problems that end above 1e-6 of the first loss")
    for size in (3, 5, 10):
        for n_features in (2, 5):
            stuck, seconds = np.zeros(2, dtype=int), np.zeros(2)
            for seed in range(N_PROBLEMS):
                rng = np.random.default_rng([seed, size, n_features])
                pair = [random_mixture(rng, size, n_features) for _ in range(2)]
                for column, swaps in enumerate((False, True)):
                    start = time.perf_counter()
                    losses = flow_mixture(*pair, Settings(swaps=swaps)).losses
                    seconds[column] += time.perf_counter() - start
                    stuck[column] += losses[-1] > 1e-6 * losses[0]
            milliseconds = 1e3 * seconds / N_PROBLEMS
            print(
                f"{size} components, {n_features} features: {stuck[0]} of {N_PROBLEMS} "
                f"without swaps ({milliseconds[0]:.0f} ms each), {stuck[1]} with "
                f"({milliseconds[1]:.0f} ms)",
                flush=True,
            )
            record(
                part="minima",
                size=[size, n_features],
                problems=N_PROBLEMS,
                stuck=stuck,
                seconds=seconds / N_PROBLEMS,
            )


def compare_expansion():
    """From 5 components to 50: the same start for both, then our own."""
    rng = np.random.default_rng(0)
    initial, target = (
        random_mixture(rng, size, 10, np.full(size, 1 / size)) for size in (5, 50)
    )
    losses = pot_loop(initial, target, 0.03, 100)
    X = np.zeros((2, 10))
    results = {}
    for solver in ("pgd", "bures"):
        flow = GMMFlowFitter(5, init=initial, target=target, solver=solver)
        results[f"{solver}, same start"] = flow.set_params(max_iter=300).fit(X).loss_
    drawn = GMMFlowFitter(5, target=target, n_init=20, max_iter=300, random_state=0)
    results["20 starts by k-means++"] = drawn.fit(X).loss_
    print(f"5 -> 50, d = 10: POT's loop {min(losses):.4f}")
    for name, loss in results.items():
        print(f"    {name}: {loss:.4f}")
    record(part="expansion", pot=min(losses), **results)


def compare_transport():
    """Palette of one picture to another: time, and W2 to held-out pixels."""
    source, target = (
        draw_pixels(name, N_PIXELS) for name in ("china.jpg", "flower.jpg")
    )
    initial = GaussianMixture(10, random_state=0).fit(source)
    flow = GMMFlowFitter(
        10,
        init=initial,
        target=GaussianMixture(10, random_state=0).fit(target),
        random_state=0,
    ).fit(target)
    held_out = [draw_pixels(n, 2000, seed=1) for n in ("china.jpg", "flower.jpg")]
    many = draw_pixels("china.jpg", 100_000, seed=2)
    ends = [*flow._ends()]
    arguments = [x for pair in zip(*ends, strict=True) for x in pair]
    weights = arguments[:2]
    for method, pots in (("barycentric", "bary"), ("random", "rand")):
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            flow.transport(many, method=method)
            seconds.append(time.perf_counter() - start)
        ours = flow.transport(held_out[0], method=method)
        start = time.perf_counter()
        theirs = ot.gmm.gmm_ot_apply_map(
            held_out[0], *arguments[2:], *weights, method=pots, seed=0
        )
        pot_seconds = time.perf_counter() - start
        distances = [w2(x, held_out[1]) for x in (ours, theirs)]
        print(
            f"transport of 100,000 pixels, K = 10, {method}: "
            f"{np.median(seconds):.3f} s (POT, 2,000 pixels: {pot_seconds:.2f} s); "
            f"held-out W2 {distances[0]:.4f}, POT {distances[1]:.4f}",
            flush=True,
        )
        record(
            part="transport",
            method=method,
            seconds=np.median(seconds) / len(many),
            pot=pot_seconds / len(held_out[0]),
            distances=distances,
        )


def w2(X, Y):
    return np.sqrt(ot.emd2([], [], ot.dist(X, Y), numItermax=10**7))


if __name__ == "__main__":
    torch.set_num_threads(1)
    compare_transport()
    compare_expansion()
    count_local_minima()
    compare_barycentres()
    compare_reductions()
