import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils import estimator_html_repr

import skwot
from skwot import GMMFlowFitter, WassersteinUnmixer, _estimator
from skwot.exceptions import VersionWarning

ESTIMATORS = [WassersteinUnmixer(), GMMFlowFitter()]


@pytest.fixture
def with_address(monkeypatch):
    address = "https://example.org/skwot"
    monkeypatch.setattr(_estimator, "documentation_home", lambda: address)
    return address


def test_the_installed_version_is_the_source_version():
    assert _estimator.installed_version() == skwot.__version__


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_the_diagram_links_to_our_own_page(estimator, with_address):
    page = f"{with_address}/generated/skwot.{type(estimator).__name__}.html"
    html = estimator_html_repr(estimator)
    assert f'href="{page}"' in html
    assert 'href="https://scikit-learn' not in html


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_the_diagram_has_no_link_without_an_address(estimator, monkeypatch):
    monkeypatch.setattr(_estimator, "documentation_home", lambda: "")
    assert estimator._get_doc_link() == ""
    assert 'href="http' not in estimator_html_repr(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_what_another_version_saved_is_loaded_with_a_warning(estimator, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(_estimator, "installed_version", lambda: "0.0.9")
        saved = pickle.dumps(estimator)
    with pytest.warns(VersionWarning, match="saved by skwot 0.0.9, and is loaded by"):
        pickle.loads(saved)
    state = estimator.__getstate__()
    del state["_skwot_version"]
    with pytest.warns(VersionWarning, match="saved by skwot unknown"):
        clone(estimator).__setstate__(state)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_the_same_version_loads_in_silence(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = pickle.loads(pickle.dumps(estimator))
    assert vars(again) == vars(estimator)
    assert np.all([not name.endswith("version") for name in vars(again)])
