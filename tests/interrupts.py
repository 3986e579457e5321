"""An interruption by the keyboard at a random line of the package.

``python -m tests.interrupts 1000`` runs so many of them and says what it found; see
`tests/test_interrupts.py`. A number after that is the seed to begin with.
"""

import os
import pickle
import sys
import threading
import warnings
from pathlib import Path

import numpy as np

import skwot
from skwot import GMMFlowFitter, WassersteinUnmixer

PACKAGE = str(Path(skwot.__file__).parent)


class Interrupter:
    """Raises KeyboardInterrupt at the n-th line of the package, or counts them all.

    Parameters
    ----------
    stop : int or None
    """

    def __init__(self, stop):
        self.stop, self.lines = stop, 0

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_):
        sys.settrace(self.before)

    def _enter(self, frame, event, argument):
        inside = frame.f_code.co_filename.startswith(PACKAGE)
        return self._line if inside else None

    def _line(self, frame, event, argument):
        if event == "line":
            self.lines += 1
            if self.lines == self.stop:
                raise KeyboardInterrupt
        return self._line


def unmixing_data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 2)) + np.repeat([[0, 0], [2, 1], [1, 0]], 10, axis=0)
    return X, np.repeat([0, 1, -1], 10)


def flow_data():
    return np.random.default_rng(1).normal(size=(25, 2)), None


def unmix(estimator, X):
    return estimator.unmix(X, groups=np.arange(len(X)) % 2, return_result=True)


def bootstrap(estimator, X):
    return estimator.bootstrap(X, n_resamples=2, random_state=0)


def refit(estimator, X, y):
    """Fit to other rows than those of the fit before."""
    return estimator.fit(X[::-1], None if y is None else y[::-1])


UNMIXERS = [
    {},
    {"solver": "pgd"},
    {"loss": "sinkhorn"},
    {"loss": "semirelaxed"},
    {"max_support": 5, "random_state": 0},
    {"outlier_cost": "auto", "random_state": 0},
]
FLOWS = [
    {"random_state": 0},
    {"random_state": 0, "learning_rate": 0.05, "max_iter": 3},
    {"random_state": 0, "warm_start": True},
    {"n_components": 2, "n_target_components": 3, "random_state": 0},
]


def cases():
    """Names, makers of fitted estimators, and calls on these."""
    X, y = unmixing_data()
    for parameters in UNMIXERS:
        for verb in (unmix, bootstrap):
            yield (
                f"{verb.__name__} {parameters}",
                lambda p=parameters: WassersteinUnmixer(**p).fit(X, y),
                lambda one, verb=verb: verb(one, X[y < 0] + 0.1),
            )
        yield (
            f"fit {parameters}",
            lambda p=parameters: WassersteinUnmixer(**p).fit(X, y),
            lambda one: refit(one, X, y) and None,
        )
    points, _ = flow_data()
    for parameters in FLOWS:
        yield (
            f"flow {parameters}",
            lambda p=parameters: GMMFlowFitter(**p).fit(points),
            lambda one: refit(one, points, None) and None,
        )


def bits(value):
    return pickle.dumps(value)


def files_open():
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0


class Rehearsed:
    """A case, how many lines it takes, and what comes out of it undisturbed."""

    def __init__(self, name, make, call):
        self.name, self.make, self.call = name, make, call
        estimator = make()
        self.before = bits(vars(estimator))
        call(make())  # what is cached by the first call is not a line of later ones
        with Interrupter(None) as counted:
            result = call(estimator)
        self.lines = counted.lines
        self.after, self.result = bits(vars(estimator)), bits(result)

    def interrupt(self, line):
        """Interrupt at a line; return a complaint, or None.

        The traceback is kept until the end, as the shells do.
        """
        estimator, kept = self.make(), None
        threads, files = threading.active_count(), files_open()
        try:
            with Interrupter(line):
                self.call(estimator)
        except KeyboardInterrupt as interrupt:
            kept = interrupt
        if kept is None:
            return f"{self.name}: not interrupted at line {line}"
        state = bits(vars(estimator))
        # An interruption after the last attribute was set finds a new fit, and a
        # complete one.
        if state not in (self.before, self.after):
            return f"{self.name}: changed by an interruption at line {line}"
        if state == self.after:
            estimator = self.make()
        result = self.call(estimator)
        # What waits for the traceback's end, such as a generator, must undo nothing.
        kept = None
        if bits(vars(estimator)) != self.after or bits(result) != self.result:
            return f"{self.name}: not the same after an interruption at line {line}"
        if (threading.active_count(), files_open()) != (threads, files):
            return f"{self.name}: leaves threads or files, interrupted at line {line}"
        return None


def interrupt_at_random(times, seed=0):
    """Interrupt the cases in turn, each at a random line; yield the complaints."""
    rng = np.random.default_rng(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rehearsed = [Rehearsed(*case) for case in cases()]
        for number in range(times):
            case = rehearsed[number % len(rehearsed)]
            # One in four within the last lines, where attributes are set.
            last = min(60, case.lines) if number % 4 == 0 else case.lines
            yield case.interrupt(int(case.lines - rng.integers(last)))


if __name__ == "__main__":
    times = int(sys.argv[1])
    found = list(interrupt_at_random(times, *map(int, sys.argv[2:3])))
    complaints = [one for one in found if one is not None]
    print(*complaints, sep="\n")
    print(f"{len(found)} interruptions, {len(complaints)} complaints")
    sys.exit(bool(complaints))
