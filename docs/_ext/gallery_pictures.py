"""The pictures of the gallery, moving ones too, and the texts that stand for them."""

import html
import re
from itertools import chain
from pathlib import Path

import matplotlib.pyplot as plt
from docutils import nodes
from matplotlib.animation import Animation
from sphinx_gallery.scrapers import figure_rst, matplotlib_scraper

ALT = re.compile(r"^(\s*:alt:).*$", re.MULTILINE)
THUMBNAIL = re.compile(r"auto_examples/images/thumb/sphx_glr_(\w+)_thumb\.\w+$")
FORMULA = re.compile(r"[$\\{}]|\\math\w+")


def describe_axes(ax):
    """Yield what a pair of axes says of itself: its title, its labels, its legend."""
    if ax.get_label() == "<colorbar>":
        yield f"colours: {ax.get_ylabel() or ax.get_xlabel()}"
        return
    yield ", ".join(filter(None, map(ax.get_title, ("left", "center", "right"))))
    yield " against ".join(filter(None, (ax.get_ylabel(), ax.get_xlabel())))
    legend = ax.get_legend()
    if legend is not None:
        yield ", ".join(text.get_text() for text in legend.get_texts())


def describe(figure):
    """Text for a figure: its own title, then what its axes say, each thing once."""
    said = [figure.get_suptitle(), *chain(*map(describe_axes, figure.axes))]
    words = ["" if part is None else " ".join(part.split()) for part in said]
    text = "; ".join(dict.fromkeys(filter(None, words)))
    return html.escape(FORMULA.sub("", text))


def save_animations(block_vars, gallery_conf):
    """Save moving pictures as GIF, which needs no player, and close their figures."""
    shown = [plt.figure(number) for number in plt.get_fignums()]
    for value in block_vars["example_globals"].values():
        if isinstance(value, Animation) and value._fig in shown:
            path = Path(next(block_vars["image_path_iterator"])).with_suffix(".gif")
            value.save(path, writer="pillow")
            yield figure_rst([path], gallery_conf["src_dir"], describe(value._fig))
            plt.close(value._fig)


def scrape(block, block_vars, gallery_conf, **kwargs):
    """Save an example's figures as sphinx-gallery does, with a text for each."""
    moving = "".join(save_animations(block_vars, gallery_conf))
    texts = [describe(plt.figure(number)) for number in plt.get_fignums()]
    rst = matplotlib_scraper(block, block_vars, gallery_conf, **kwargs)
    if len(ALT.findall(rst)) != len(texts):
        return moving + rst
    remaining = iter(texts)

    def replace(match):
        text = next(remaining)
        return f"{match[1]} {text}" if text else match[0]

    return moving + ALT.sub(replace, rst)


def describe_thumbnails(app, doctree, docname):
    """Say which example a thumbnail shows: sphinx-gallery leaves that empty."""
    for image in doctree.findall(nodes.image):
        match = THUMBNAIL.search(image["uri"])
        if match and not image.get("alt"):
            title = app.env.titles[f"auto_examples/{match[1]}"].astext()
            image["alt"] = f"A figure of the example “{title}”"
