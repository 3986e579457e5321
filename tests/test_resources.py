"""Memory: within a stated bound, and what cannot fit says so before it allocates."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from skwot import WassersteinUnmixer
from skwot._ot import ground_costs

ROOT = Path(__file__).parent.parent

# Three sources of 2,000 rows each and a target of 1,500: a matrix of their costs takes
# 72 MB, and a solver on dense matrices holds three. With the environment variable
# SKWOT_RESOURCES it is 20,000 x 2,000 rows, where a matrix takes 320 MB.
N_ROWS, BOUND_MB = (2000, 1500), 72
if os.environ.get("SKWOT_RESOURCES"):
    N_ROWS, BOUND_MB = (6667, 2000), 200
SCRIPT = """
import resource
import sys
import numpy as np
from skwot import WassersteinUnmixer

def fit(n, m):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2, -1], [n, n, n, m])
    X = rng.normal(size=(len(y), 2)) + 3.0 * (y[:, None] % 3)
    return WassersteinUnmixer().fit(X, y)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

fit(50, 50)  # what is imported or compiled at first use
before = peak()
fit(*map(int, sys.argv[1:]))
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="units of ru_maxrss differ")
def test_a_large_fit_holds_no_matrix_of_costs():
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SCRIPT, *map(str, N_ROWS)]
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert float(result.stdout) <= BOUND_MB


@pytest.fixture
def little_memory(monkeypatch):
    """Less memory than 300 x 300 costs, and what is computed from them, take."""
    monkeypatch.setattr(ground_costs, "_usable_memory", lambda: 1e6)


def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(600, 2)), np.repeat([0, -1], 300)


@pytest.mark.parametrize(
    "parameters",
    [
        {"solver": "pgd"},
        {"learning_rate": 0.1},
        {"loss": "sinkhorn"},
        {"loss": "sinkhorn", "debias": True, "random_state": 0},
        {"solver": "pgd", "debias": True, "random_state": 0},
        {"loss": "sinkhorn", "max_support": 250, "random_state": 0},
    ],
    ids=repr,
)
def test_what_cannot_fit_says_so(little_memory, parameters):
    with pytest.raises(MemoryError, match="max_support"):
        WassersteinUnmixer(**parameters).fit(*rows())


@pytest.mark.parametrize("verb", ["bootstrap", "unmix"])
def test_what_cannot_fit_says_so_after_fitting(little_memory, verb):
    X, y = rows()
    unmixer = WassersteinUnmixer().fit(X, y)
    if verb == "unmix":
        unmixer.set_params(solver="pgd")
    with pytest.raises(MemoryError, match="max_support"):
        getattr(unmixer, verb)(X)


@pytest.mark.parametrize("loss", ["wasserstein", "semirelaxed"])
def test_what_holds_no_matrix_needs_no_memory_for_it(little_memory, loss):
    X, y = rows()
    unmixer = WassersteinUnmixer(loss=loss).fit(X, y)
    unmixer.unmix(X)
    assert unmixer.goodness_of_fit(n_resamples=1, random_state=0).pvalue > 0


def test_max_support_makes_it_fit(little_memory):
    unmixer = WassersteinUnmixer(solver="pgd", max_support=50, random_state=0)
    assert unmixer.fit(*rows()).converged_


def test_covariances_that_cannot_fit_say_so(little_memory):
    with pytest.raises(MemoryError, match=r"covariances_ .* 1000 features"):
        WassersteinUnmixer().fit(np.eye(4, 1000), [0, 0, 1, -1])


def test_the_limit_of_the_process_counts(monkeypatch):
    resource = pytest.importorskip("resource")
    limits = {resource.RLIMIT_AS: (10**6, 10**6)}
    unlimited = resource.RLIM_INFINITY
    monkeypatch.setattr(
        resource, "getrlimit", lambda which: limits.get(which, (unlimited, unlimited))
    )
    with pytest.raises(MemoryError, match="300 x 300"):
        ground_costs.check_memory(300, 300)
    limits.clear()
    ground_costs.check_memory(300, 300)
