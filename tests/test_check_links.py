"""The link checker finds what it is to find, and nothing else."""

import importlib.util
from pathlib import Path

import pytest

TOOL = Path(__file__).parent.parent / "tools" / "check_links.py"
SPECIFICATION = importlib.util.spec_from_file_location("check_links", TOOL)
check_links = importlib.util.module_from_spec(SPECIFICATION)
SPECIFICATION.loader.exec_module(check_links)

GOOD = """
<link rel="canonical" href="https://example.org/index.html">
<a href="other.html#here">there</a> <a href="https://example.org">elsewhere</a>
<a href="#top" id="top">up</a> <img src="plot_loss.png" alt="Loss against step">
"""


@pytest.fixture
def site(tmp_path):
    (tmp_path / "other.html").write_text("<h1 id=here>Here</h1>")
    (tmp_path / "plot_loss.png").write_bytes(b"")

    def problems(html, style=""):
        (tmp_path / "index.html").write_text(html)
        (tmp_path / "style.css").write_text(style)
        return check_links.check(tmp_path)

    return problems


def test_a_page_in_order_has_no_problem(site):
    assert site(GOOD, "p { background: url(plot_loss.png) }") == []


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ("<a href=missing.html>x</a>", "no such file: missing.html"),
        ("<a href=other.html#there>x</a>", "no such anchor: other.html#there"),
        ("<a href=#there>x</a>", "no such anchor: #there"),
        ("<script src=https://a.b/c.js></script>", "elsewhere: https://a.b/c.js"),
        ("<script src=//a.b/c.js></script>", "elsewhere: //a.b/c.js"),
        ("<link rel=stylesheet href=https://a.b/c.css>", "https://a.b/c.css"),
        ("<img src=gone.png alt=text>", "no such file: gone.png"),
        ("<img src=plot_loss.png>", "without a text: plot_loss.png"),
        ("<img src=plot_loss.png alt='plot loss'>", "file's name: plot_loss.png"),
    ],
)
def test_each_fault_is_named(site, html, problem):
    (found,) = site(html)
    assert found.startswith("index.html: ")
    assert found.endswith(problem)


def test_styles_from_elsewhere_are_named(site):
    (found,) = site(GOOD, "@import 'https://a.b/font.css';")
    assert found == "style.css: loads from elsewhere: https://a.b/font.css"


def test_an_empty_folder_is_no_documentation(tmp_path):
    (found,) = check_links.check(tmp_path)
    assert found.startswith("no pages")
