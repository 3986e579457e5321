"""What both estimators demand of arrays, beyond what scikit-learn checks."""

from typing import Any

import numpy as np

_IN_MEMORY = (
    "Call its compute(), or move it to fewer points by skwot.quantize if it does not "
    "fit in memory."
)


def is_lazy(value: Any) -> bool:
    """Whether a value is dask's: a collection, a Delayed, or a Future."""
    return hasattr(value, "__dask_graph__") or (
        type(value).__module__.partition(".")[0] == "distributed"
    )


def is_single(value: Any) -> bool:
    """Whether a value is a Delayed or a Future, of which nothing is known."""
    parents = {parent.__name__ for parent in type(value).__mro__}
    return is_lazy(value) and not parents.isdisjoint({"Delayed", "Future"})


def refuse_unreadable(**arrays: Any) -> None:
    """Refuse masked entries, which NumPy would read as if they were not masked.

    And what is dask's and not an array or a frame, which it could not read.

    Parameters
    ----------
    **arrays : array-like or None
        By the name of the parameter.

    Raises
    ------
    ValueError
        Which names the parameter.
    """
    for name, array in arrays.items():
        if is_single(array):
            refuse_lazy(name, array)
        if np.ma.is_masked(array):
            raise ValueError(
                f"{name} must have no masked entries; got {np.ma.count_masked(array)}. "
                "Leave out these rows, or fill them in."
            )


def refuse_lazy(name: str, value: Any) -> None:
    """Refuse everything that is dask's.

    Parameters
    ----------
    name : str
        What it is.
    value : object

    Raises
    ------
    ValueError
    """
    if is_lazy(value):
        raise ValueError(
            f"{name} must be in memory; got dask's {type(value).__name__}. {_IN_MEMORY}"
        )
