"""What both estimators have beyond scikit-learn's base class."""

from functools import cache
from importlib.metadata import metadata
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import NotFittedError

from skwot._warnings import warn_user
from skwot.exceptions import VersionWarning

_STAMP = "_skwot_version"


class Estimator(CallbackSupportMixin, BaseEstimator):
    """Estimator with callbacks, a stamp of the version, and a link to its page."""

    _doc_link_module = "skwot"

    @property
    def _doc_link_template(self) -> str:
        """Address of the page of a class; empty as long as the project has none."""
        home = documentation_home()
        return f"{home}/generated/skwot.{{estimator_name}}.html" if home else ""

    def __getattr__(self, name: str) -> Any:
        """Refuse fitted attributes that there are not, as in files of other versions.

        The error is an AttributeError, too.
        """
        kind = type(self).__name__
        if name.endswith("_") and not name.startswith("_"):
            raise NotFittedError(
                f"This {kind} has no {name!r}. Fit it first; or fit it again, if it "
                "was saved by another version of skwot."
            )
        raise AttributeError(f"{kind!r} object has no attribute {name!r}")

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), _STAMP: installed_version()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        saved = state.pop(_STAMP, "unknown")
        if saved != installed_version():
            warn_user(
                f"This {type(self).__name__} was saved by skwot {saved}, and is loaded "
                f"by skwot {installed_version()}, in which its attributes may mean "
                "something else. Fit it again, or load it with the version that saved "
                "it.",
                VersionWarning,
            )
        super().__setstate__(state)


@cache
def installed_version() -> str:
    """Version of skwot that is installed."""
    return metadata("skwot")["Version"]


@cache
def documentation_home() -> str:
    """Address of the documentation in the package's metadata, or an empty string."""
    for entry in metadata("skwot").get_all("Project-URL") or []:
        label, _, address = entry.partition(", ")
        if label == "Documentation":
            return address.rstrip("/")
    return ""
