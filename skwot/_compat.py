"""Names of other packages that they do not promise to keep.

This is the only module that imports them, so that an upgrade which removes one of them
breaks one file, and `tests/test_compat.py` says what to do.

POT's public :func:`ot.emd` could replace the two compiled functions, at a price that
``benchmarks/bench_compat.py`` prints. A problem of 10 x 10, which is what the flow
solves, would take five times as long, for its checks; one of 40 x 900 would take 5 %
longer. On sparse costs it ignores the potentials to start from, with which the column
generation solves 2,000 x 2,000 points on 12,560 arcs in less than half the time.
"""

from collections.abc import Callable
from typing import Any

import highspy
import joblib
from ot.lp.emd_wrap import emd_c, emd_c_sparse
from sklearn.base import _fit_context as fit_context
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_params,
)
from sklearn.utils._set_output import _get_output_config as get_output_config
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

__all__ = [
    "HasMethods",
    "Interval",
    "QuietHighs",
    "StrOptions",
    "check_matplotlib_support",
    "check_sample_weight",
    "emd_c",
    "emd_c_sparse",
    "fit_context",
    "get_output_config",
    "hear_of_deaths",
    "safe_indexing",
    "validate_params",
]


class QuietHighs(highspy.Highs):
    """HiGHS that never writes to the standard output.

    The constructor of highspy 1.16 and later enables callbacks before an option can be
    set, and HiGHS logs that, below a banner. Both come after the logging is off here.
    """

    def enableCallbacks(self) -> Any:
        """Turn the logging off first."""
        self.silent()
        return super().enableCallbacks()


def hear_of_deaths(parallel: joblib.Parallel) -> None:
    """Let joblib raise the error of a task whose workers died, on a Dask cluster.

    Dask gives such a task up, after some attempts. joblib 1.6 and earlier put that into
    the future that the backend returns, which nobody reads, and do not call back: the
    call would wait for ever. What is called back with an exception raises it.

    Parameters
    ----------
    parallel : joblib.Parallel
        Its backend is changed, unless it has been or is another one.
    """
    backend = getattr(parallel, "_backend", None)
    name = "submit" if hasattr(backend, "submit") else "apply_async"  # joblib 1.4
    if type(backend).__module__ != "joblib._dask" or name in vars(backend):
        return
    submit = getattr(backend, name)

    def submit_and_hear(func: Any, callback: Callable[[Any], None]) -> Any:
        def hear(done: Any) -> None:
            if done.exception() is not None:
                callback(done.exception())

        future = submit(func, callback)
        future.add_done_callback(hear)
        return future

    setattr(backend, name, submit_and_hear)
