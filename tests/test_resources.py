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

# Rows of the sources and of the target, and what may be added to the memory that a
# small problem takes, in MB. "What needs memory" in the guide states these bounds:
# 8,000 or 500 bytes for each row, 56 bytes for each pair of a source row and a target
# row, or 48 bytes for each pair of any rows, and some 30 MB. With the environment
# variable SKWOT_RESOURCES the problems are larger, and there are more.
LONG = bool(os.environ.get("SKWOT_RESOURCES"))


def of_rows(n, m):
    return 30 + 8e-3 * (n + m)


def of_classes(n, m):
    return 40 + 500e-6 * (n + m)


def of_pairs(n, m):
    return 30 + 56e-6 * n * m


def of_all_pairs(n, m):
    return 30 + 48e-6 * (n + m) ** 2


BOUNDS = [
    ({}, "fit", (6000, 1500), (20_000, 2000), of_rows),
    ({"loss": "semirelaxed"}, "fit", None, (60_000, 20_000), of_classes),
    ({"loss": "semirelaxed"}, "bootstrap", None, (20_000, 15_000), of_classes),
    ({"solver": "pgd", "max_iter": 3}, "fit", (1500, 1000), (5000, 3000), of_pairs),
    ({"max_iter": 3}, "bootstrap", None, (2500, 2000), of_pairs),
    (
        {"loss": "sinkhorn", "max_iter": 2},
        "fit",
        (600, 600),
        (2500, 2000),
        of_all_pairs,
    ),
    (
        {"loss": "sinkhorn", "max_iter": 2},
        "bootstrap",
        None,
        (1500, 1500),
        of_all_pairs,
    ),
]
SCRIPT = """
import resource
import sys
import warnings
import numpy as np
from skwot import WassersteinUnmixer

def run(n, m):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2, -1], [n // 3, n // 3, n - 2 * (n // 3), m])
    X = rng.normal(size=(len(y), 2)) + 3.0 * (y[:, None] % 3)
    unmixer = WassersteinUnmixer(**eval(sys.argv[1])).fit(X, y)
    if sys.argv[2] == "bootstrap":
        unmixer.bootstrap(n_resamples=3, random_state=0)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 * 1.048576

warnings.simplefilter("ignore")
run(60, 50)  # what is imported or compiled at first use
before = peak()
if len(sys.argv) > 5:
    resource.setrlimit(resource.RLIMIT_AS, 2 * (int(sys.argv[5]),))
try:
    run(*map(int, sys.argv[3:5]))
except MemoryError as error:
    print(error)
print(peak() - before)
"""


def run(*arguments):
    """The lines that the script writes in a process of its own."""
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="units of ru_maxrss differ")
@pytest.mark.parametrize(("parameters", "verb", "small", "large", "bound"), BOUNDS)
def test_memory_is_within_its_bound(parameters, verb, small, large, bound):
    size = large if LONG else small
    if size is None:
        pytest.skip("SKWOT_RESOURCES is not set")
    (found,) = run(parameters, verb, *size)
    assert float(found) <= bound(*size)


@pytest.mark.skipif(sys.platform != "linux", reason="units of ru_maxrss differ")
@pytest.mark.parametrize(
    "parameters", [{"solver": "pgd"}, {"loss": "sinkhorn"}][: 1 + LONG]
)
def test_what_does_not_fit_a_limit_says_so_before_it_allocates(parameters):
    message, found = run(parameters, "fit", 12_000, 12_000, 6 * 10**9)
    assert "max_support" in message
    assert float(found) <= of_rows(12_000, 12_000)


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
