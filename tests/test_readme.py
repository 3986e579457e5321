"""The examples in the README print what they say they print."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
# A block of Python followed at once by a block with its output.
BLOCK = re.compile(r"```python\n(.*?)```\n+```text\n(.*?)```", re.DOTALL)


def run(code):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})
    return printed.getvalue()


def test_the_figures_of_the_readme_are_there():
    figures = re.findall(r"!\[[^]]+\]\((docs/[^)]+)\)", README)
    assert len(figures) == 2
    assert all((ROOT / figure).is_file() for figure in figures)


@pytest.mark.parametrize(("code", "output"), BLOCK.findall(README))
def test_readme_prints_its_output(code, output):
    assert run(code) == output


def test_every_python_block_of_the_readme_is_run():
    assert README.count("```python") == len(BLOCK.findall(README)) >= 2
