"""The reference lists what is public, and every docstring of it is complete."""

import importlib
import inspect
import re
import tomllib
from pathlib import Path

import pytest
from numpydoc.validate import ERROR_MSGS, validate

ROOT = Path(__file__).parent.parent
CHECKS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "numpydoc_validation"
]["checks"]
STRICT = set(ERROR_MSGS) - set(CHECKS)
# An entry of autosummary: indented, alone on its line, and no option.
ENTRY = re.compile(r"^   ([A-Za-z]\w*(?:\.\w+)*)$", re.MULTILINE)
REFERENCE = (ROOT / "docs" / "api.rst").read_text(encoding="utf-8")
LISTED = [f"skwot.{name}" for name in ENTRY.findall(REFERENCE)]
MODULES = ["skwot", "skwot.datasets", "skwot.exceptions", "skwot.mixtures"]
MODULES += ["skwot.model_selection"]


def is_public(module, name):
    value = getattr(module, name)
    origin = getattr(value, "__module__", None) or ""
    documented = getattr(module, "__all__", None)
    own = origin == module.__name__ if documented is None else name in documented
    return own and not name.startswith("_")


PUBLIC = [
    f"{module}.{name}"
    for module in MODULES
    for name in vars(importlib.import_module(module))
    if is_public(importlib.import_module(module), name)
]


def look_up(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def look_up_member(path):
    parent, _, name = path.rpartition(".")
    return getattr(look_up(parent), name) if parent in LISTED else look_up(path)


def is_own(member):
    """Whether a member of a class is documented here, not by scikit-learn or Python."""
    function = member.fget if isinstance(member, property) else member
    return (getattr(function, "__module__", None) or "").startswith("skwot")


MEMBERS = [
    f"{path}.{name}"
    for path in LISTED
    if inspect.isclass(look_up(path))
    for name, member in inspect.getmembers(look_up(path))
    if not name.startswith("_") and is_own(member)
]
METHODS_WITH_EXAMPLES = [path for path in MEMBERS if "Display." not in path]


def errors(path):
    return dict(validate(path)["errors"])


def holds_fields(path):
    """Whether the parameters of a class are its attributes, and documented as these."""
    return hasattr(look_up(path), "_fields") or path.endswith("Result")


def test_the_reference_lists_every_public_object_once():
    assert sorted(LISTED) == sorted(PUBLIC)


@pytest.mark.parametrize("path", LISTED)
def test_docstring_is_complete(path):
    allowed = {"PR01"} if holds_fields(path) else set()
    found = errors(path)
    wanted = STRICT | {"EX01", "SA01"}
    assert not {code: found[code] for code in (wanted - allowed) & set(found)}


@pytest.mark.parametrize("path", MEMBERS)
def test_docstring_of_a_method_is_complete(path):
    found = errors(path)
    assert not {code: found[code] for code in STRICT & set(found)}


@pytest.mark.parametrize("path", [*LISTED, *METHODS_WITH_EXAMPLES])
def test_docstring_has_an_example_to_run(path):
    assert ">>> " in inspect.getdoc(inspect.unwrap(look_up_member(path)))
