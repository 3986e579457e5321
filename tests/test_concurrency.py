"""The same bits in threads and processes as alone, and no deadlock.

A watchdog shows the stacks of a test that hangs, and ends it.
"""

import multiprocessing
import os
import signal
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from distributed import Client, LocalCluster
from joblib import Parallel, delayed
from numpy.testing import assert_array_equal

from skwot import WassersteinUnmixer
from skwot.datasets import make_unmixing
from tests.concurrency import (
    N_PROCESSES,
    N_THREADS,
    fit,
    threads_and_forks,
    watchdog,
)

# To fork beside threads is what is tried here; Python 3.12 and newer warn of it.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


@pytest.fixture(autouse=True)
def watched():
    with watchdog():
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


@pytest.fixture(scope="module")
def cluster():
    with (
        warnings.catch_warnings(),
        watchdog(),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as made,
        Client(made) as client,
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
                with open(os.path.join(self.folder, str(number)), "x"):
                    os.kill(os.getpid(), signal.SIGKILL)
        return abs(u - v).sum()


@pytest.fixture
def targets():
    X, y, _ = make_unmixing(n_source_samples=8, n_target_samples=12, random_state=0)
    return X, y, X[y == -1], np.arange(12) % 3


def test_what_a_killed_worker_had_is_computed_again(cluster, targets, tmp_path):
    X, y, new, groups = targets
    harmless = WassersteinUnmixer(metric=Deadly(tmp_path, 0)).fit(X, y)
    expected = harmless.unmix(new, groups=groups)
    deadly = WassersteinUnmixer(metric=Deadly(tmp_path, 1)).fit(X, y)
    with joblib.parallel_config(backend="dask"):
        found = deadly.unmix(new, groups=groups)
    assert len(os.listdir(tmp_path)) == 1
    assert_array_equal(found, expected)
