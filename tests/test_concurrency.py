"""The same bits in threads and processes as alone, and no deadlock.

A watchdog shows the stacks of a test that hangs, and ends it. With the environment
variable SKWOT_FAULTS more is tried on a cluster whose workers die.
"""

import multiprocessing
import os
import signal
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import is_dataclass

import dask
import joblib
import numpy as np
import pytest
import threadpoolctl
from distributed import KilledWorker
from joblib import Parallel, delayed
from numpy.testing import assert_array_equal
from sklearn.utils.parallel import delayed as delayed_by_sklearn

from skwot import WassersteinUnmixer
from skwot._callbacks import run_tasks
from skwot.datasets import make_unmixing
from tests.concurrency import (
    N_PROCESSES,
    N_THREADS,
    fit,
    fork,
    receive,
    threads_and_forks,
    watchdog,
)
from tests.workers import two_workers

LONG = bool(os.environ.get("SKWOT_FAULTS"))

# To fork beside threads is what is tried here; Python 3.12 and newer warn of it.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


@pytest.fixture(autouse=True)
def watched(capfd):
    """Show the stacks where they are seen: pytest drops what an ended test wrote."""
    with capfd.disabled():
        shown = os.fdopen(os.dup(sys.__stderr__.fileno()), "w")
    with shown, watchdog(file=shown):
        yield


@pytest.fixture(scope="module")
def alone():
    return [fit(number) for number in range(N_THREADS)]


def test_fits_in_threads(alone):
    with ThreadPoolExecutor(N_THREADS) as pool:
        assert list(pool.map(fit, range(N_THREADS))) == alone


def test_fits_in_threads_and_forks_at_once(alone):
    in_threads, in_processes = threads_and_forks()
    assert in_threads == alone
    assert in_processes == alone[:N_PROCESSES]


@pytest.mark.skipif(
    not hasattr(threadpoolctl, "_CACHE_LOCK"), reason="there is no such lock"
)
def test_a_fork_does_not_wait_for_the_lock_of_threadpoolctl(alone):
    threadpoolctl.reset_cached_controller()
    with threadpoolctl._CACHE_LOCK:  # as another thread may hold it
        process = fork(0)
    assert receive(*process) == alone[0]


def test_fits_in_spawned_processes(alone):
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        assert list(pool.map(fit, range(N_PROCESSES))) == alone[:N_PROCESSES]


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_fits_within_joblib(backend, alone):
    calls = (delayed(fit)(number) for number in range(N_PROCESSES))
    found = Parallel(n_jobs=2, backend=backend)(calls)
    assert found == alone[:N_PROCESSES]


# A cluster whose workers die


@pytest.fixture
def cluster():
    """Two processes; a task with which more than one has died is an error.

    Each test has its own, as a worker that dies soon after it was replaced may not be
    replaced again. With a single worker joblib would do everything in its own process.
    """
    with (
        warnings.catch_warnings(),
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        two_workers() as client,
    ):
        warnings.simplefilter("ignore")
        yield client


def test_fits_on_dask(cluster, alone):
    found = cluster.gather(cluster.map(fit, range(N_PROCESSES), pure=False))
    assert found == alone[:N_PROCESSES]


class Deadly:
    """A metric that ends the process of the worker which computes it.

    Parameters
    ----------
    folder : path
        Where each death leaves a file.
    most : int
        Deaths.
    """

    def __init__(self, folder, most):
        self.folder, self.most = str(folder), most

    def __call__(self, u, v):
        if multiprocessing.parent_process() is not None:
            number = len(os.listdir(self.folder))
            if number < self.most:
                with open(os.path.join(self.folder, f"{number} {os.getpid()}"), "x"):
                    os.kill(os.getpid(), signal.SIGKILL)
        return abs(u - v).sum()


class Noted:
    """A metric that leaves a file where a worker begins to compute it for a task.

    Parameters
    ----------
    folder : path
    """

    def __init__(self, folder):
        self.folder, self.is_noted = str(folder), False

    def __call__(self, u, v):
        if not self.is_noted and multiprocessing.parent_process() is not None:
            self.is_noted = True
            name = f"{time.monotonic_ns():020} {os.getpid()}"
            with open(os.path.join(self.folder, name), "x"):
                pass
        return abs(u - v).sum()


def kill_when_begun(folder, number):
    """Kill the worker that begins the task of this number; return its process."""
    while len(begun := sorted(os.listdir(folder))) < number:
        time.sleep(0.001)
    process = int(begun[number - 1].split()[1])
    os.kill(process, signal.SIGKILL)
    return process


@pytest.fixture
def targets():
    X, y, _ = make_unmixing(n_source_samples=8, n_target_samples=12, random_state=0)
    return X, y, X[y == -1], np.arange(12) % 3


VERBS = {
    "unmix": {},
    "bootstrap": {"n_resamples": 4, "random_state": 0},
    "goodness_of_fit": {"n_resamples": 4, "random_state": 0},
}


def arrays(found):
    """All that a result holds."""
    if is_dataclass(found):
        found = tuple(vars(found).values())
    if isinstance(found, tuple):
        return [one for part in found for one in arrays(part)]
    return [] if found is None else [found]


def assert_same(found, expected):
    for one, other in zip(arrays(found), arrays(expected), strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize("verb", VERBS if LONG else ["unmix", "bootstrap"])
def test_what_a_killed_worker_had_is_computed_again(verb, cluster, targets, tmp_path):
    X, y, new, groups = targets
    harmless = WassersteinUnmixer(metric=Deadly(tmp_path, 0)).fit(X, y)
    expected = getattr(harmless, verb)(new, groups=groups, **VERBS[verb])
    deadly = WassersteinUnmixer(metric=Deadly(tmp_path, 1)).fit(X, y)
    with joblib.parallel_config(backend="dask"):
        found = getattr(deadly, verb)(new, groups=groups, **VERBS[verb])
    assert len(os.listdir(tmp_path)) == 1
    assert_same(found, expected)


def test_a_worker_that_is_killed_amid_a_bootstrap(cluster, targets, tmp_path):
    X, y, new, groups = targets
    unmixer = WassersteinUnmixer(metric=Noted(tmp_path)).fit(X, y)
    options = {"groups": groups, "n_resamples": 60, "random_state": 0}
    expected = unmixer.bootstrap(new, **options)
    assert not os.listdir(tmp_path)
    processes = {pid: address for address, pid in cluster.run(os.getpid).items()}
    with ThreadPoolExecutor(1) as pool, joblib.parallel_config(backend="dask"):
        killed = pool.submit(kill_when_begun, tmp_path, 3)
        found = unmixer.bootstrap(new, **options)
        address = processes[killed.result()]
    (death,) = [
        event
        for _, event in cluster.get_events(address)
        if event["action"] == "remove-worker"
    ]
    assert death["processing-tasks"]
    assert_same(found, expected)


@pytest.mark.parametrize("verb", VERBS if LONG else ["bootstrap"])
def test_what_kills_each_worker_is_an_error(verb, cluster, targets, tmp_path):
    X, y, new, _ = targets
    deadly = WassersteinUnmixer(metric=Deadly(tmp_path, 10**6)).fit(X, y)
    with (
        joblib.parallel_config(backend="dask"),
        pytest.raises(KilledWorker, match="all those workers died"),
    ):
        getattr(deadly, verb)(new, **VERBS[verb])
    assert len(os.listdir(tmp_path)) >= 2


def die():
    assert multiprocessing.parent_process() is not None
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(not LONG, reason="SKWOT_FAULTS is not set")
def test_a_task_that_kills_is_no_error_of_the_next_call(cluster, alone):
    with joblib.parallel_config(backend="dask"):
        with pytest.raises(KilledWorker):
            run_tasks([delayed_by_sklearn(die)()], None)
        cluster.wait_for_workers(2)
        calls = [delayed_by_sklearn(fit)(number) for number in range(2)]
        assert run_tasks(calls, None) == alone[:2]
