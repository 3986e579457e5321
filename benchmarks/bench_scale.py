"""Samples that fit in no memory, and thousands of bags, on a cluster of dask.

    python -m benchmarks.bench_scale rows [--rows 50000000] [--kill 60]
    python -m benchmarks.bench_scale bags [--bags 2000] [--kill 3]

"rows" draws ten sources and a target of seven features in chunks, inside delayed
functions, so that they are never stored, and estimates the weights on two workers of
1.5 GB each. It prints the time, the peak memory of the workers, the errors of the
weights, how far they are from the answer in memory for the first two hundredths of each
sample, and the cost of moving all rows to their points, as reported and as measured
from the rows again.

"bags" writes bags to 50 partitions of parquet and estimates their weights with
intervals on one worker, on two, and in one process.

``--kill`` ends the process of a worker after so many seconds.
"""

import argparse
import os
import signal
import tempfile
import threading
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import dask
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster

from benchmarks.records import record
from skwot import WassersteinUnmixer, quantize, stack_sources

K, D = 10, 7
N_POINTS = 500
CHUNK = 250_000
MEMORY = "1.5GB"
FIELDS = [f"x{i}" for i in range(D)]


def setting(seed=0):
    """Centres and scales of the sources, and the weights in the target."""
    rng = np.random.default_rng(seed)
    centres = 1.5 * rng.normal(size=(K, D))
    return centres, rng.uniform(0.5, 1.5, size=(K, D)), rng.dirichlet(np.full(K, 2.0))


def draw(label, number, size):
    """Draw one chunk of a source, or of the target, whose label is K."""
    centres, scales, weights = setting()
    rng = np.random.default_rng([1, label, number])
    source = np.full(size, label)
    if label == K:
        source = np.repeat(np.arange(K), rng.multinomial(size, weights))
    return centres[source] + scales[source] * rng.normal(size=(size, D))


def chunks(label, n_rows, size=CHUNK):
    """Functions that draw the chunks of a sample, which dask may call."""
    sizes = [min(size, n_rows - start) for start in range(0, n_rows, size)]
    return [
        dask.delayed(partial(draw, label, number, one), pure=False)()
        for number, one in enumerate(sizes)
    ]


def true_shares(n_rows):
    """Shares of the sources among all rows of the target."""
    _, _, weights = setting()
    sizes = [min(CHUNK, n_rows - start) for start in range(0, n_rows, CHUNK)]
    counts = [
        np.random.default_rng([1, K, number]).multinomial(size, weights)
        for number, size in enumerate(sizes)
    ]
    return np.sum(counts, axis=0) / n_rows


def peak_memory():
    """Largest memory of this process so far, in GB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024 / 1e9


@contextmanager
def workers(number, memory=MEMORY, kill=None):
    """Start workers, one thread each; end the process of one after some seconds."""
    with (
        LocalCluster(
            n_workers=number,
            threads_per_worker=1,
            memory_limit=memory,
            dashboard_address=":0",
        ) as cluster,
        Client(cluster) as client,
    ):
        # What a worker imports at its first task is not what is measured.
        client.run(setting)
        timer = None
        if kill is not None:
            (victim, *_) = client.run(os.getpid).values()
            timer = threading.Timer(kill, os.kill, (victim, signal.SIGKILL))
            timer.start()
        yield client
        if timer is not None:
            print(f"a worker was killed after {kill} s: {not timer.is_alive()}")


def estimate(samples, target):
    """Move all samples to common points, and find the weights."""
    firsts = [sample[0] for sample in [*samples, target]]
    points = quantize(firsts, N_POINTS, random_state=0).points
    *sources, moved = [quantize(one, points=points) for one in [*samples, target]]
    return WassersteinUnmixer().fit(*stack_sources(sources, moved)), points


def cost_of_rows(rows, points):
    """Cost of moving rows to the nearest points, from all distances, by blocks."""
    total = 0.0
    for part in np.array_split(rows, -(-len(rows) // 10_000)):
        squares = (part**2).sum(axis=1)[:, None] + (points**2).sum(axis=1)
        squares -= 2 * part @ points.T
        nearest = points[squares.argmin(axis=1)]
        total += np.linalg.norm(part - nearest, axis=1).sum()
    return total, len(rows)


def run_rows(n_rows, kill):
    """Fit to sources and a target that are drawn on the workers."""
    n_target, n_source = n_rows // 2, n_rows // (2 * K)
    truth = true_shares(n_target)
    with workers(2, kill=kill) as client:
        start = time.perf_counter()
        samples = [chunks(k, n_source) for k in range(K)]
        unmixer, points = estimate(samples, chunks(K, n_target))
        seconds = time.perf_counter() - start
        memory = max(client.run(peak_memory).values())
        print(
            f"{n_rows} rows, {D} features, {K} sources, {N_POINTS} points: "
            f"{seconds:.0f} s, {memory:.2f} GB in the largest worker"
        )
        start = time.perf_counter()
        target = quantize(chunks(K, n_target), N_POINTS, random_state=0)
        lazy = dask.delayed(cost_of_rows, pure=False)
        calls = [
            lazy(one, p) for p in (points, target.points) for one in chunks(K, n_target)
        ]
        costs = np.array(dask.compute(*calls)).reshape(2, -1, 2).sum(axis=1)
        given, free = costs[:, 0] / costs[:, 1]
        reported = quantize(chunks(K, n_target), points=points).error
        again = time.perf_counter() - start
    error = 1e3 * abs(unmixer.weights_ - truth).mean()
    print(f"mean absolute error of the weights, in thousandths: {error:.3f}")
    print(
        f"target to common points: {reported:.6f} reported, {given:.6f} measured\n"
        f"target to centres of its own, chunk by chunk: {target.error:.4f} reported as "
        f"a bound, {free:.4f} measured ({again:.0f} s)"
    )
    in_memory = [
        np.concatenate(dask.compute(*chunks(k, n, size=CHUNK), scheduler="sync"))
        for k, n in [*((k, n_source // 50) for k in range(K)), (K, n_target // 50)]
    ]
    fewer, _ = estimate([[one] for one in in_memory[:K]], [in_memory[K]])
    apart = 1e3 * abs(fewer.weights_ - unmixer.weights_).mean()
    print(f"in memory, {n_rows // 50} rows: {apart:.3f} thousandths from that")
    record(
        rows=n_rows,
        features=D,
        points=N_POINTS,
        seconds=seconds,
        memory=memory,
        error=error,
        reported=[reported, target.error],
        measured=[given, free],
        apart=apart,
        killed=kill is not None,
    )
    print("weights", " ".join(map(float.hex, unmixer.weights_.tolist())))


def make_bags(n_bags, n_rows=500, seed=2):
    """Draw bags with proportions of their own, in a frame."""
    centres, scales, _ = setting()
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(K), size=n_bags)
    source = np.concatenate([rng.choice(K, size=n_rows, p=p) for p in shares])
    rows = centres[source] + scales[source] * rng.normal(size=(len(source), D))
    frame = pd.DataFrame(rows, columns=FIELDS)
    frame["patient"] = np.repeat(np.arange(n_bags), n_rows)
    return frame, shares


def estimate_bags(part, unmixer):
    """Weights of the patients of one partition."""
    found = unmixer.unmix(part[FIELDS].to_numpy(), groups=part["patient"])
    names = [f"w{k}" for k in range(K)]
    return pd.DataFrame(found, index=np.unique(part["patient"]), columns=names)


def fit_sources():
    rows = stack_sources([draw(k, 0, 2000) for k in range(K)])
    return WassersteinUnmixer(max_support=100, random_state=0).fit(*rows)


def run_bags(n_bags, kill):
    """Estimate the weights of bags in partitions of parquet."""
    import dask.dataframe as dd

    frame, shares = make_bags(n_bags)
    unmixer = fit_sources()
    meta = estimate_bags(frame[frame["patient"] < 1], unmixer)
    start = time.perf_counter()
    expected = unmixer.unmix(frame[FIELDS].to_numpy(), groups=frame["patient"])
    alone = time.perf_counter() - start
    error = 1e3 * abs(expected - shares).mean()
    print(f"{n_bags} bags of 500 rows in one process: {alone:.1f} s, error {error:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        part = n_bags // 50
        for number in range(50):
            own = frame[frame["patient"] // part == number]
            own.to_parquet(Path(folder) / f"{number:02d}.parquet")
        times = {}
        for number in (1, 2):
            with workers(number, kill=kill if number == 2 else None):
                start = time.perf_counter()
                bags = dd.read_parquet(folder)
                sent = dask.delayed(unmixer)
                table = bags.map_partitions(estimate_bags, sent, meta=meta).compute()
                times[number] = time.perf_counter() - start
                same = np.array_equal(table.sort_index().to_numpy(), expected)
                print(f"{number} workers: {times[number]:.1f} s, same bits: {same}")
    gain = times[1] / times[2]
    print(f"two workers are {gain:.2f} times as fast as one")
    record(bags=n_bags, alone=alone, times=list(times.values()), gain=gain, same=same)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["rows", "bags"])
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--bags", type=int, default=2000)
    parser.add_argument("--kill", type=float)
    options = parser.parse_args()
    if options.what == "rows":
        run_rows(options.rows, options.kill)
    else:
        run_bags(options.bags, options.kill)


if __name__ == "__main__":
    main()
