"""Warnings that point to the user's own line."""

import sys
import warnings

# Packages whose frames lie between the user's line and the place that warns.
_PASSED = frozenset({"contextlib", "joblib", "skwot", "sklearn", "threadpoolctl"})


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn at the innermost line that belongs to none of the packages in between.

    Parameters
    ----------
    message : str
    category : type of Warning
    """
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and _package(frame.f_globals) in _PASSED:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level + 1)


def _package(namespace: dict[str, object]) -> str:
    return str(namespace.get("__name__", "")).partition(".")[0]
