"""Results as data frames of pandas or polars."""

import importlib
from typing import Any

from numpy.typing import NDArray

from skwot._compat import get_output_config
from skwot._typing import Array


def output_library(estimator: Any) -> str:
    """Library that an estimator's results shall come from.

    Parameters
    ----------
    estimator : estimator

    Returns
    -------
    str
        "pandas", "polars", or "default" for NumPy, by ``set_output`` or
        :func:`sklearn.set_config`.
    """
    return str(get_output_config("transform", estimator)["dense"])


def library_of(frame: Any) -> str:
    """Name of the library that a data frame is from."""
    return str(type(frame).__module__.partition(".")[0])


def frame_like(X: Any, points: Array, estimator: Any) -> Any:
    """Make a frame of points that stand for the rows of `X`.

    Parameters
    ----------
    X : array-like or data frame of shape (n_samples, n_features)
    points : ndarray of shape (n_samples, n_features)
    estimator : estimator
        With `feature_names_in_`, if they are known.

    Returns
    -------
    ndarray or data frame of shape (n_samples, n_features)
        Of the library that the estimator is set to. If it is set to none, a frame if
        `X` is one.
    """
    library = output_library(estimator)
    if library == "default":
        if not hasattr(X, "columns"):
            return points
        library = library_of(X)
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        names = [f"x{i}" for i in range(points.shape[1])]
    columns = list(X.columns) if hasattr(X, "columns") else list(names)
    module = importlib.import_module(library)
    if library == "polars":
        return module.DataFrame(points, schema=columns)
    index = X.index if hasattr(X, "columns") and hasattr(X, "index") else None
    return module.DataFrame(points, columns=columns, index=index)


def frame_of_groups(
    library: str, values: Array, columns: NDArray[Any], groups: NDArray[Any], name: str
) -> Any:
    """Make a frame with one row a group.

    Parameters
    ----------
    library : {"pandas", "polars"}
    values : ndarray of shape (n_groups, n_columns)
    columns : ndarray of shape (n_columns,)
    groups : ndarray of shape (n_groups,)
    name : str
        What a group is.

    Returns
    -------
    data frame
        Of pandas, with the groups as index; of polars, which has none and only knows
        names that are strings, with the groups as first column.
    """
    module = importlib.import_module(library)
    if library == "polars":
        frame = module.DataFrame(values, schema=[str(label) for label in columns])
        named = module.Series(name, groups.tolist(), strict=False)
        return frame.insert_column(0, named)
    index = module.Index(groups.tolist(), name=name)
    return module.DataFrame(values, columns=columns.tolist(), index=index)
