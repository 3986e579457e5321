"""The script that looks at the documentation says what it lacks."""

import importlib.util
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parent.parent / "tools" / "screenshots.py"
SPECIFICATION = importlib.util.spec_from_file_location("screenshots", TOOL)
screenshots = importlib.util.module_from_spec(SPECIFICATION)
SPECIFICATION.loader.exec_module(screenshots)


def test_a_browser_is_found_by_its_path(monkeypatch):
    monkeypatch.setenv("CHROMIUM", sys.executable)
    assert screenshots.find_browser() == sys.executable


def test_a_missing_browser_is_explained(monkeypatch, tmp_path):
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=r"looked for chromium, .*apt-get install"):
        screenshots.find_browser()


def test_a_browser_that_was_named_is_not_replaced(monkeypatch, tmp_path):
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "chromium"))
    with pytest.raises(
        SystemExit, match=r"No browser was found: looked for .*chromium"
    ):
        screenshots.find_browser()


def test_pages_that_are_not_built_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(screenshots, "BUILD", tmp_path)
    monkeypatch.setattr(sys, "argv", ["screenshots.py", "index.html"])
    with pytest.raises(SystemExit, match=r"not built .*\['index'\]"):
        screenshots.main()
