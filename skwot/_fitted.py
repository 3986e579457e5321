"""Fitted attributes that change as a whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any


@contextmanager
def fresh_fit(estimator: Any) -> Iterator[MappingProxyType[str, Any]]:
    """Fit an estimator as if it had never been fitted, or leave it as it was.

    The attributes of the last fit are removed, so that none of them outlives a fit
    with other parameters. If an exception leaves the block, an interruption by the
    keyboard included, every attribute is again what it was before.

    Parameters
    ----------
    estimator : estimator
        Its fitted attributes are those whose names end with an underscore, as
        :func:`sklearn.utils.validation.check_is_fitted` has it.

    Yields
    ------
    mapping from str
        The fitted attributes of the last fit, for a warm start; empty if there was
        none.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> estimator = SimpleNamespace(alpha=1.0, mean_=0.5, n_iter_=7)
    >>> with fresh_fit(estimator) as last_fit:
    ...     estimator.mean_ = last_fit["mean_"] + 1
    >>> estimator
    namespace(alpha=1.0, mean_=1.5)
    """
    attributes = vars(estimator)
    before = dict(attributes)
    last_fit = {name: before[name] for name in before if _is_fitted(name)}
    try:
        for name in last_fit:
            del attributes[name]
        yield MappingProxyType(last_fit)
    except BaseException:
        attributes.clear()
        attributes.update(before)
        raise


def _is_fitted(name: str) -> bool:
    return name.endswith("_") and not name.startswith("__")
