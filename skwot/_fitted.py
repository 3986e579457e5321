"""Fitted attributes that change as a whole or not at all."""

from types import MappingProxyType
from typing import Any


class fresh_fit:
    """Fit an estimator as if it had never been fitted, or leave it as it was.

    The attributes of the last fit are removed, so that none of them outlives a fit
    with other parameters. If an exception leaves the block, an interruption by the
    keyboard included, every attribute is again what it was before.

    It is a class, because a generator may be interrupted between its own end and that
    of the block. It would then wait, unfinished, for the garbage collector, and undo a
    later fit when that comes.

    Parameters
    ----------
    estimator : estimator
        Its fitted attributes are those whose names end with an underscore, as
        :func:`sklearn.utils.validation.check_is_fitted` has it.

    Examples
    --------
    The block is given the fitted attributes of the last fit, for a warm start; there
    are none if there was no fit.

    >>> from types import SimpleNamespace
    >>> estimator = SimpleNamespace(alpha=1.0, mean_=0.5, n_iter_=7)
    >>> with fresh_fit(estimator) as last_fit:
    ...     estimator.mean_ = last_fit["mean_"] + 1
    >>> estimator
    namespace(alpha=1.0, mean_=1.5)
    """

    def __init__(self, estimator: Any) -> None:
        self._attributes = vars(estimator)
        self._before = dict(self._attributes)

    def __enter__(self) -> MappingProxyType[str, Any]:
        before = self._before
        last_fit = {name: before[name] for name in before if _is_fitted(name)}
        try:
            for name in last_fit:
                del self._attributes[name]
            return MappingProxyType(last_fit)
        except BaseException:
            self._restore()
            raise

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            return
        try:
            self._restore()
        except BaseException:  # interrupted between its two lines
            self._restore()
            raise

    def _restore(self) -> None:
        self._attributes.clear()
        self._attributes.update(self._before)


def _is_fitted(name: str) -> bool:
    return name.endswith("_") and not name.startswith("__")
