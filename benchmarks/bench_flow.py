"""GMM flow against POT: cost of a loss with its gradient, and time to accuracy.

Run with one thread: ``OMP_NUM_THREADS=1 python -m benchmarks.bench_flow``. Ratios
are medians over flows that alternate between the two. ``--memory NAME K D`` prints
the growth of the peak memory of each at one size, in processes of their own.
"""

import argparse
import subprocess
import sys
import time

import numpy as np
import ot
import torch

from benchmarks.records import record
from skwot._gmm.flow import flow_mixture
from skwot._gmm.mixtures import Mixture, prepare_target
from skwot._gmm.mw2 import mw2
from skwot._gmm.pair_costs import pair_costs
from skwot._gmm.settings import Settings

SIZES = [(3, 2), (10, 10), (20, 20), (50, 20), (50, 64)]
N_STEPS = 50
LEARNING_RATE = 0.03
SEED = 0


def random_mixture(rng, n_components, n_features, weights=None):
    """Standard normal means, Wishart covariances plus a tenth of the identity."""
    factors = rng.normal(size=(n_components, n_features, n_features))
    covariances = factors @ factors.swapaxes(1, 2) / n_features
    if weights is None:
        weights = rng.dirichlet(np.ones(n_components))
    means = rng.normal(size=(n_components, n_features))
    return Mixture(weights, means, covariances + 0.1 * np.eye(n_features))


def pot_loss(target):
    w, m, c = map(torch.as_tensor, target)

    def loss(weights, means, covariances):
        return ot.gmm.gmm_ot_loss(means, m, covariances, c, weights, w)

    return loss


def our_loss(target):
    costs = pair_costs(prepare_target(target))

    def loss(weights, means, covariances):
        return mw2(weights, means, covariances, costs)[0]

    return loss


def differentiate(loss, parameters):
    leaves = [x.detach().clone().requires_grad_() for x in parameters]
    logits, means, covariances = leaves
    value = loss(torch.softmax(logits, 0), means, covariances)
    value.backward()
    return value.item(), [x.grad for x in leaves]


def follow_flow(initial, target, n_steps):
    """Adam as in POT's gallery, with both losses differentiated at each step.

    The mixtures on the way, and the largest relative difference of the values and
    of the gradients.
    """
    ours, pots = our_loss(target), pot_loss(target)
    parameters = [
        torch.tensor(x, requires_grad=True)
        for x in (np.log(initial.weights), *initial[1:])
    ]
    rates = [LEARNING_RATE, 2 * LEARNING_RATE, LEARNING_RATE]
    optimizer = torch.optim.Adam(
        [{"params": x, "lr": r} for x, r in zip(parameters, rates, strict=True)]
    )
    path, differences = [], []
    for _ in range(n_steps):
        path.append([x.detach().clone() for x in parameters])
        value, gradients = differentiate(ours, parameters)
        expected, expected_gradients = differentiate(pots, parameters)
        pairs = zip(gradients, expected_gradients, strict=True)
        worst = max(float((a - b).norm() / b.norm()) for a, b in pairs)
        differences.append((abs(value / expected - 1), worst))
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
        with torch.no_grad():
            covariances = parameters[2]
            covariances.copy_(ot.utils.proj_SDP(covariances, vmin=1e-6))
    return path, np.max(differences, axis=0)


def time_flow(make_loss, target, path):
    """Milliseconds of a loss and its gradient, all that a new flow needs included."""
    start = time.perf_counter()
    loss = make_loss(target)
    for parameters in path:
        differentiate(loss, parameters)
    return (time.perf_counter() - start) / len(path) * 1e3


def compare_losses():
    print(f"loss + gradient over a flow of {N_STEPS} steps: POT / skwot, ms")
    for n_components, n_features in SIZES:
        rng = np.random.default_rng(SEED)
        initial, target = (
            random_mixture(rng, n_components, n_features) for _ in range(2)
        )
        path, differences = follow_flow(initial, target, N_STEPS)
        n_repetitions = 15 if n_components < 20 else 5 if n_features < 64 else 1
        times = [
            [time_flow(make, target, path) for make in (pot_loss, our_loss)]
            for _ in range(n_repetitions)
        ]
        pots, ours = np.median(times, axis=0)
        ratios = np.divide(*np.transpose(times))
        print(
            f"({n_components}, {n_features}): {pots:.3f} / {ours:.3f} = "
            f"{np.median(ratios):.1f}; values equal to {differences[0]:.1e}, "
            f"gradients to {differences[1]:.1e}",
            flush=True,
        )
        record(
            part="loss",
            size=[n_components, n_features],
            pot=pots / 1e3,
            seconds=ours / 1e3,
            ratio=np.median(ratios),
            differences=differences,
        )


def peak_memory():
    """Of this process, in kB. getrusage's includes the parent's, on Linux."""
    with open("/proc/self/status") as status:
        return next(int(x.split()[1]) for x in status if x.startswith("VmHWM"))


def print_memory_growth(name, n_components, n_features):
    rng = np.random.default_rng(SEED)
    initial, target = (random_mixture(rng, n_components, n_features) for _ in range(2))
    warm = [random_mixture(rng, 3, 2) for _ in range(2)]
    make = {"POT": pot_loss, "skwot": our_loss}[name]
    as_leaves = [torch.as_tensor(x) for x in (np.log(warm[0].weights), *warm[0][1:])]
    differentiate(make(warm[1]), as_leaves)
    before = peak_memory()
    loss = make(target)
    parameters = [torch.as_tensor(x) for x in (np.log(initial.weights), *initial[1:])]
    for _ in range(N_STEPS if name == "skwot" else 2):
        gradients = differentiate(loss, parameters)[1]
        parameters[1:] = [
            x - 0.03 * g.sign()
            for x, g in zip(parameters[1:], gradients[1:], strict=True)
        ]
        parameters[2] = ot.utils.proj_SDP(parameters[2], vmin=1e-6)
    growth = (peak_memory() - before) / 1024
    print(f"peak memory at ({n_components}, {n_features}): {name} {growth:.0f} MB")
    record(part="memory", name=name, size=[n_components, n_features], growth=growth)


def pot_loop(initial, target, learning_rate, n_steps):
    """POT's gallery loop; the loss at each step."""
    logits, means, covariances = (
        torch.tensor(x, requires_grad=True) for x in (np.log(initial[0]), *initial[1:])
    )
    optimizer = torch.optim.Adam(
        [
            {"params": means, "lr": 2 * learning_rate},
            {"params": [covariances, logits], "lr": learning_rate},
        ]
    )
    loss, losses = pot_loss(target), []
    for _ in range(n_steps):
        optimizer.zero_grad()
        value = loss(torch.softmax(logits, 0), means, covariances)
        value.backward()
        losses.append(value.item())
        optimizer.step()
        with torch.no_grad():
            covariances.copy_(ot.utils.proj_SDP(covariances, vmin=1e-6))
    return losses


def compare_accuracy():
    print("time to 1e-10 of the first loss, d = 20, uniform weights")
    for size, n_steps in ((20, 100), (50, 40)):
        rng = np.random.default_rng(SEED)
        uniform = np.full(size, 1 / size)
        pair = [random_mixture(rng, size, 20, uniform) for _ in range(2)]
        start = time.perf_counter()
        losses = pot_loop(*pair, LEARNING_RATE, n_steps)
        seconds = time.perf_counter() - start
        print(
            f"{size} -> {size}: POT's {n_steps} steps {seconds:.2f} s, "
            f"{losses[0]:.2f} -> {losses[-1]:.2e}"
        )
        for solver in ("pgd", "bures"):
            for fixed in (True, False):
                settings = Settings(solver=solver, fixed_weights=fixed, max_iter=500)
                print_accuracy(pair, settings, seconds, losses)


def print_accuracy(pair, settings, pot_seconds, pot_losses):
    runs = []
    for _ in range(3):
        start = time.perf_counter()
        flow = flow_mixture(*pair, settings)
        runs.append(time.perf_counter() - start)
    relative = flow.losses.min() / flow.losses[0]
    print(
        f"    {settings.solver}, {'fixed' if settings.fixed_weights else 'free'} "
        f"weights: {np.median(runs):.4f} s, {len(flow.losses) - 1} steps to rest, "
        f"{relative:.1e} of the first loss, {pot_seconds / np.median(runs):.0f} times "
        "faster",
        flush=True,
    )
    record(
        part="accuracy",
        components=len(pair[0].weights),
        solver=settings.solver,
        fixed_weights=settings.fixed_weights,
        seconds=np.median(runs),
        steps=len(flow.losses) - 1,
        relative=relative,
        pot=pot_seconds,
        pot_steps=len(pot_losses),
        pot_relative=pot_losses[-1] / pot_losses[0],
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--memory", nargs=3, metavar=("NAME", "K", "D"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.memory:
        name, *size = arguments.memory
        print_memory_growth(name, *map(int, size))
        return
    compare_losses()
    compare_accuracy()
    for name in ("POT", "skwot"):
        command = [
            sys.executable,
            "-m",
            "benchmarks.bench_flow",
            "--memory",
            name,
            "50",
            "64",
        ]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
