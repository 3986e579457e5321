"""Warnings of skwot's own."""


class IdentifiabilityWarning(UserWarning):
    """Some sources are, or nearly are, mixtures of each other.

    No method can then tell their weights apart, however well the transport cost is
    minimised. The message names the sources.

    See Also
    --------
    skwot.WassersteinUnmixer : Has the numbers in its attribute `identifiability_`.

    Examples
    --------
    >>> import warnings
    >>> from skwot import WassersteinUnmixer
    >>> from skwot.exceptions import IdentifiabilityWarning
    >>> X, y = [[0], [1], [0], [1], [5]], ["a", "a", "b", "b", "c"]
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     unmixer = WassersteinUnmixer().fit(X, y)
    >>> [warning.category for warning in caught] == [IdentifiabilityWarning]
    True
    >>> unmixer.identifiability_.round(3)
    array([0.   , 0.   , 0.944])
    """


class VersionWarning(UserWarning):
    """An estimator was saved by another version of skwot than the one that loads it.

    Its attributes may be named otherwise, or mean something else. Fit it again, or
    load it with the version that saved it, which the message names.

    See Also
    --------
    skwot.GMMFlowFitter : Warns when a saved one is loaded.
    skwot.WassersteinUnmixer : Likewise.

    Examples
    --------
    >>> import warnings
    >>> from skwot import GMMFlowFitter
    >>> from skwot.exceptions import VersionWarning
    >>> state = GMMFlowFitter().__getstate__() | {"_skwot_version": "0.0"}
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     GMMFlowFitter().__setstate__(state)
    >>> [warning.category for warning in caught] == [VersionWarning]
    True
    """
