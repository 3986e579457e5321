"""What a display reads from an estimator and from its arguments."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted


def fitted_step(estimator: Any, kind: type) -> Any:
    """Fitted estimator of a class: the one given, or the last step of a pipeline.

    Parameters
    ----------
    estimator : estimator or Pipeline
    kind : type
        The class that it must have.

    Returns
    -------
    estimator

    Raises
    ------
    TypeError
        If it is of another class.
    NotFittedError
        If it is not fitted.
    """
    is_pipeline = isinstance(estimator, Pipeline)
    step = estimator.steps[-1][1] if is_pipeline else estimator
    if not isinstance(step, kind):
        raise TypeError(
            f"estimator must be a fitted {kind.__name__}, or a Pipeline whose last "
            f"step is one; got {_describe(estimator, step)}."
        )
    check_is_fitted(step)
    return step


def _describe(estimator: Any, step: Any) -> str:
    name = type(step).__name__
    if isinstance(step, type):
        return f"the class {step.__name__} itself"
    if estimator is not step:
        return f"a Pipeline whose last step is a {name}"
    if hasattr(step, "best_estimator_"):
        return f"a {name}, whose best_estimator_ can be given instead"
    return f"a {name}"


def given_names(estimator: Any, step: Any) -> Sequence[str] | None:
    """Names of the features that a step was given.

    Parameters
    ----------
    estimator : estimator or Pipeline
    step : estimator
        The estimator itself, or the last step of the pipeline.

    Returns
    -------
    sequence of str, or None
        Its own, or else those that the steps before it give to what they return. None
        if there are none, or none but numbers.
    """
    own = getattr(step, "feature_names_in_", None)
    if own is not None or estimator is step or len(estimator.steps) < 2:
        return own
    try:
        names = [str(name) for name in estimator[:-1].get_feature_names_out()]
    except (AttributeError, ValueError):  # a step without names, or not fitted here
        return None
    return None if names == [f"x{index}" for index in range(len(names))] else names


def feature_labels(names: Sequence[str] | None, n_features: int) -> list[str]:
    """Names of the features, for the axes.

    Parameters
    ----------
    names : sequence of str, or None
    n_features : int

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If there are not as many names as features.
    """
    if names is None:
        return [f"Feature {index}" for index in range(n_features)]
    if len(names) != n_features:
        raise ValueError(
            f"feature_names must be {n_features}, one a feature; got {len(names)}."
        )
    return [str(name) for name in names]


def pick_features(features: Any, names: Sequence[str]) -> list[int]:
    """Columns to draw.

    Parameters
    ----------
    features : int, str, or sequence of one or two of these, or None
        None means the first two, or the only one.
    names : sequence of str
        Names of all features.

    Returns
    -------
    list of one or two int

    Raises
    ------
    ValueError
        If there is no such feature, or there are more than two.
    """
    if features is None:
        return list(range(min(2, len(names))))
    several = [features] if isinstance(features, str | Integral) else list(features)
    if len(several) not in (1, 2):
        raise ValueError(
            f"features must be one or two; got {len(several)}: {features!r}."
        )
    return [_find_feature(feature, names) for feature in several]


def _find_feature(feature: Any, names: Sequence[str]) -> int:
    if isinstance(feature, Integral) and 0 <= int(feature) < len(names):
        return int(feature)
    if isinstance(feature, str) and feature in names:
        return list(names).index(feature)
    listed = ", ".join(map(repr, names[:20])) + (", ..." if len(names) > 20 else "")
    raise ValueError(
        f"features must be among the names {listed}, or an index from 0 to "
        f"{len(names) - 1}; got {feature!r}."
    )
