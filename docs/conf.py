import re
import sys
import tomllib
from importlib.metadata import version as installed_version
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

HERE = Path(__file__).parent
# Sphinx runs this file from anywhere, so that its own modules are on no path before.
sys.path.insert(0, str(HERE / "_ext"))

import gallery_pictures  # noqa: E402
import inventories  # noqa: E402

project = "skwot"
author = "skwot developers"
copyright = "skwot developers"
release = version = installed_version("skwot")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # formulas can be read without a network
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["_build"]
templates_path = ["_templates"]
default_role = "code"
smartquotes = False  # "auto" in quotes is a value to copy

nitpicky = True  # a reference that leads nowhere is a warning, hence an error

autosummary_generate = True
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 88
numpydoc_show_class_members = False
# The same checks as in tests/test_docstrings.py.
project_file = (HERE.parent / "pyproject.toml").read_text(encoding="utf-8")
validation = tomllib.loads(project_file)["tool"]["numpydoc_validation"]
numpydoc_validation_checks = set(validation["checks"])
numpydoc_validation_exclude = set(validation["exclude"])

# No other site is reached: what is linked to stands in the table.
intersphinx_mapping = inventories.write(
    HERE / "inventories.toml", HERE / "_build" / "inventories"
)

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"(__init__|demo)\.py",
    "doc_module": ("skwot",),
    "backreferences_dir": "generated/backreferences",
    "image_scrapers": ("gallery_pictures.scrape",),
    "reference_url": {"skwot": None},
    "remove_config_comments": True,
    "capture_repr": ("_repr_html_",),  # tables of frames, diagrams of estimators
    "show_api_usage": False,
    "show_memory": False,
    "show_signature": False,
    "abort_on_example_error": True,
    "download_all_examples": False,
    "plot_gallery": True,
    "write_computation_times": False,  # its page loads scripts from elsewhere
}

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = "skwot"
html_static_path = ["_static"]
html_css_files = ["skwot.css"]
html_js_files = [("skwot.js", {"defer": "defer"})]
html_sidebars = {"index": [], "changelog": []}
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_show_sourcelink = False


# Types are not reStructuredText: it reads "n_iter_" in "ndarray of shape (n_iter_,)" as
# a link, and a star as emphasis.
TYPE_LINE = re.compile(r"^(\s*\w+ : )(.*(?:\w_\b|\*).*)$")
ROLE = re.compile(r":(?:py:)?(?:ref|term|\w{3,5}):`~?([^`<]+?)(?:\s*<([^>]*)>)?`")
LINKED = inventories.names(HERE / "inventories.toml")


def plain_unless_linked(match):
    """Leave a reference of another project's docstring if the table knows where to."""
    text, target = match.groups()
    return match[0] if (target or text) in LINKED else text


def prepare_docstring(app, what, name, obj, options, lines):
    inherited = (getattr(obj, "__module__", None) or "").startswith("sklearn.")
    text = "\n".join(lines)
    if inherited:
        text = ROLE.sub(plain_unless_linked, text)
    for number, line in enumerate(text.split("\n")):
        parts = TYPE_LINE.match(line)
        if parts:
            line = parts[1] + re.sub(r"((?<=\w)_(?!\w)|\*)", r"\\\1", parts[2])
        lines[number] = line


def setup(app):
    # Before numpydoc, which reads the same docstrings.
    app.connect("autodoc-process-docstring", prepare_docstring, priority=1)
    app.connect("doctree-resolved", gallery_pictures.describe_thumbnails)
