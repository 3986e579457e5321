import warnings

import pytest

from skwot import WassersteinUnmixer
from skwot.exceptions import IdentifiabilityWarning


def test_the_warning_can_be_caught_and_silenced_by_its_class():
    X, y = [[0.0], [1.0], [0.0], [1.0], [5.0]], ["a", "a", "b", "b", "c"]
    with pytest.warns(UserWarning, match="'a' and 'b'"):
        WassersteinUnmixer().fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", IdentifiabilityWarning)
        WassersteinUnmixer().fit(X, y)
