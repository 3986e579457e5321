import re
from importlib.metadata import version as installed_version

import matplotlib

matplotlib.use("Agg")

project = "skwot"
author = "skwot developers"
copyright = "skwot developers"
release = version = installed_version("skwot")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
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

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_validation_checks = {"GL08"}  # a public object without a docstring

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"(__init__|demo)\.py",
    "doc_module": ("skwot",),
    "backreferences_dir": "generated/backreferences",
    "reference_url": {"skwot": None},
    "remove_config_comments": True,
    "capture_repr": (),
    "show_memory": False,
    "show_signature": False,
    "abort_on_example_error": True,
    "download_all_examples": False,
    "plot_gallery": True,
}

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = "skwot"
html_static_path = ["_static"]
html_css_files = ["skwot.css"]
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
SCIKIT_LEARN_LINK = re.compile(r":(?:ref|term):`([^`<]+?)(?:\s*<[^>]*>)?`")


def prepare_docstring(app, what, name, obj, options, lines):
    inherited = (getattr(obj, "__module__", None) or "").startswith("sklearn.")
    for number, line in enumerate(lines):
        if inherited or ":term:" in line:
            # These lead into scikit-learn's own documentation.
            line = SCIKIT_LEARN_LINK.sub(r"\1", line)
        parts = TYPE_LINE.match(line)
        if parts:
            line = parts[1] + re.sub(r"((?<=\w)_(?!\w)|\*)", r"\\\1", parts[2])
        lines[number] = line


def setup(app):
    # Before numpydoc, which reads the same docstrings.
    app.connect("autodoc-process-docstring", prepare_docstring, priority=1)
