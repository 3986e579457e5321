"""Fits at the same time in threads, and in processes that are forked meanwhile.

``python -m tests.concurrency 100`` does that so many times, and fails if a fit differs
from one that ran alone, or if anything hangs: then the stacks of all threads are shown.
"""

import faulthandler
import multiprocessing
import os
import pickle
import signal
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from skwot import GMMFlowFitter, WassersteinUnmixer

N_THREADS, N_PROCESSES = 24, 8
LIMIT = 120  # seconds, after which something hangs


def data(number):
    rng = np.random.default_rng(number % 4)
    X = rng.normal(size=(40, 2)) + np.repeat([[0, 0], [2, 1], [1, 0], [1, 1]], 10, 0)
    return X, np.repeat([0, 1, -1, -1], 10)


def fit(number):
    """The attributes of one fit out of eight, as bytes."""
    X, y = data(number)
    estimators = [
        WassersteinUnmixer(),
        WassersteinUnmixer(solver="pgd"),
        WassersteinUnmixer(loss="sinkhorn"),
        WassersteinUnmixer(loss="semirelaxed"),
        GMMFlowFitter(2, n_target_components=3, random_state=0),
    ]
    with_labels = number % 5 < 4
    fitted = estimators[number % 5].fit(X, y if with_labels else None)
    # One by one, as what is shared between them is not the same after a journey.
    return {name: pickle.dumps(value) for name, value in sorted(vars(fitted).items())}


@contextmanager
def watchdog(limit=LIMIT, file=None):
    """Show the stacks of all threads and end the process, if this takes too long.

    They are written to the standard error, or to a file if one is given.
    """
    faulthandler.dump_traceback_later(limit, exit=True, file=file or sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def fit_in_child(number, connection):
    """Fit in a forked process.

    It has no watchdog: in a fork of a process that has one, starting another waits for
    ever for the first one, whose thread was not copied. A signal shows the stacks.
    """
    connection.send(fit(number))
    connection.close()


def fork(number):
    """Start a process that fits; return it with the end of a pipe."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=fit_in_child, args=(number, sender))
    process.start()
    sender.close()
    return process, receiver


def receive(process, receiver):
    """Take what a process sends, or show its stacks and end it if it sends nothing."""
    if not receiver.poll(LIMIT / 4):
        os.kill(process.pid, signal.SIGUSR1)
        process.join(1)
        process.kill()
        raise TimeoutError(f"The forked process {process.pid} hangs: see its stacks.")
    found = receiver.recv()
    process.join()
    assert process.exitcode == 0
    return found


def threads_and_forks():
    """Fit in threads, and fork processes that fit, at the same time."""
    with watchdog(), ThreadPoolExecutor(N_THREADS) as pool:
        in_threads = [pool.submit(fit, number) for number in range(N_THREADS)]
        faulthandler.register(signal.SIGUSR1, all_threads=True, file=sys.__stderr__)
        processes = [fork(number) for number in range(N_PROCESSES)]
        received = [receive(*process) for process in processes]
        return [one.result() for one in in_threads], received


def repeat(times):
    """Do it so many times, and compare with fits alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Python 3.12, that forks threads
        first = threads_and_forks()  # before anything else ran in this process
        alone = [fit(number) for number in range(N_THREADS)]
        for number in range(times):
            found = threads_and_forks() if number else first
            assert found[0] == alone
            assert found[1] == alone[:N_PROCESSES]
            print(f"{number + 1} of {times}", flush=True)


if __name__ == "__main__":
    repeat(int(sys.argv[1]))
    print(f"{sys.argv[1]} times {N_THREADS} threads and {N_PROCESSES} forks: all equal")
