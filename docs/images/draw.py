"""Draw the figures of README.md and of the user guide into this folder.

    python docs/images/draw.py [FOLDER]

They are committed, so that README.md shows them where nothing can be run.
"""

# ruff: noqa: D103, D401 - a function is named after what it draws

import argparse
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from PIL import Image
from sklearn.datasets import load_sample_image, make_blobs
from sklearn.mixture import GaussianMixture

from skwot import GMMFlowFitter, WassersteinUnmixer
from skwot.datasets import make_unmixing
from skwot.mixtures import Mixture, interpolate

# Okabe and Ito's colours, which the colour-blind can tell apart; and a marker for each.
COLOURS = ["#0072B2", "#D55E00", "#009E73"]
MARKERS = ["o", "s", "^"]
GREY = "0.45"
Panel = Callable[[Figure | SubFigure], None]


def draw_side_by_side(
    panels: dict[str, Panel], height: float, titles: list[str] | None = None
) -> Figure:
    figure = plt.figure(figsize=(10, height), layout="constrained")
    parts = figure.subfigures(1, len(panels))
    for part, panel in zip(parts, panels.values(), strict=True):
        panel(part)
    for part, title in zip(parts, titles or [], strict=False):
        part.suptitle(title)
    return figure


def draw_alone(panel: Panel, width: float, height: float) -> Figure:
    figure = plt.figure(figsize=(width, height), layout="constrained")
    panel(figure)
    return figure


def draw_known(figure: Figure | SubFigure) -> None:
    X, y, _ = three_sources()
    ax = plot_of_features(figure, "Known: samples of A, B and C")
    for k, (colour, marker) in enumerate(zip(COLOURS, MARKERS, strict=True)):
        ax.scatter(*X[y == k].T, s=14, c=colour, marker=marker, label="ABC"[k])
    ax.legend(loc="upper right")


def draw_new(figure: Figure | SubFigure) -> None:
    X, y, _ = three_sources()
    ax = plot_of_features(figure, "New: a sample without labels")
    ax.scatter(*X[y == -1].T, s=14, c=GREY, marker="x", linewidths=1)


def draw_found(figure: Figure | SubFigure) -> None:
    X, y, truth = three_sources()
    unmixer = WassersteinUnmixer().fit(X, y)
    low, high = unmixer.bootstrap(random_state=0).confidence_interval
    rows = np.arange(len(truth))
    ax = figure.subplots()
    ax.barh(rows, unmixer.weights_, height=0.5, color=COLOURS, alpha=0.5)
    ax.hlines(rows, low, high, colors="black", linewidth=3, label="95 % interval")
    ax.plot(truth, rows, "D", mfc="white", mec="black", label="truth")
    ax.set(title="Found: the proportions", xlabel="share of the sample")
    ax.set(yticks=rows, yticklabels="ABC", xlim=(0, 1), ylim=(2.6, -0.6))
    ax.legend(loc="lower right")


def three_sources() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return make_unmixing(weights=[0.6, 0.3, 0.1], random_state=0)


def plot_of_features(figure: Figure | SubFigure, title: str) -> Axes:
    ax = figure.subplots()
    ax.set(title=title, xlabel="first feature", ylabel="second feature")
    ax.set(xlim=(0.5, 8.2), ylim=(-6, 9.5))
    return ax


def draw_ellipses(ax: Axes, mixture: Mixture, colour: str, **style: object) -> None:
    """Draw two standard deviations around each mean."""
    angles = np.linspace(0, 2 * np.pi, 60)
    circle = 2 * np.array([np.cos(angles), np.sin(angles)])
    for mean, covariance in zip(mixture.means, mixture.covariances, strict=True):
        outline = mean[:, None] + np.linalg.cholesky(covariance) @ circle
        ax.plot(*outline, color=colour, **style)


def without_ticks(ax: Axes) -> None:
    ax.set(xticks=[], yticks=[], aspect="equal")


def draw_reduction(figure: Figure | SubFigure) -> None:
    ax = figure.subplots()
    X, _ = make_blobs(900, centers=[[0, 0], [7, 1], [3, 6]], random_state=0)
    many = GaussianMixture(15, random_state=0).fit(X)
    few = GMMFlowFitter(3, target=many, random_state=0).fit()
    fitted = Mixture(many.weights_, many.means_, many.covariances_)
    draw_ellipses(ax, fitted, GREY, linewidth=0.8)
    reduced = Mixture(few.weights_, few.means_, few.covariances_)
    draw_ellipses(ax, reduced, COLOURS[0], linewidth=2.5)
    ax.set_xlabel("15 components, then 3")
    without_ticks(ax)


def draw_colours(figure: Figure | SubFigure) -> None:
    axes = figure.subplots(2, 1)
    china, flower = (
        load_sample_image(name)[::4, ::4] / 255 for name in ("china.jpg", "flower.jpg")
    )
    start = GaussianMixture(8, random_state=0).fit(china.reshape(-1, 3)[::4])
    flow = GMMFlowFitter(8, init=start, random_state=0)
    flow.fit(flower.reshape(-1, 3)[::4])
    moved = flow.transport(china.reshape(-1, 3)).clip(0, 1).reshape(china.shape)
    for ax, image in zip(axes, (china, moved), strict=True):
        ax.imshow(image)
        without_ticks(ax)
    axes[1].set_xlabel("in the colours of a flower")


def draw_domain(figure: Figure | SubFigure) -> None:
    ax = figure.subplots()
    centres = np.array([[0.0, 0.0], [4.0, 0.0]])
    X, _ = make_blobs(80, centers=centres, cluster_std=0.6, random_state=0)
    turned = [[1.5, 4.5], [4.5, 7.0]]
    target, _ = make_blobs(80, centers=turned, cluster_std=0.8, random_state=1)
    start = GaussianMixture(2, random_state=0).fit(X)
    flow = GMMFlowFitter(2, init=start, random_state=0).fit(target)
    moved = flow.transport(X)
    for a, b in zip(X[::4], moved[::4], strict=True):
        ax.annotate("", b, a, arrowprops={"arrowstyle": "->", "color": "0.7"})
    ax.scatter(*target.T, s=16, c=GREY, marker="x", linewidths=1, label="target")
    ax.scatter(*X.T, s=10, c=COLOURS[0], marker="o", label="before")
    ax.scatter(*moved.T, s=10, c=COLOURS[1], marker="s", label="moved")
    ax.legend(loc="upper left", fontsize="small", handletextpad=0.1)
    ax.set_xlabel("samples follow the plan")
    without_ticks(ax)
    ax.set(xlim=(-2.5, 7), ylim=(-2, 9.5))


def draw_geodesic(figure: Figure | SubFigure) -> None:
    ax = figure.subplots()
    ends = two_populations()
    for t, colour, style in zip([0, 0.5, 1], COLOURS, ["-", "--", ":"], strict=True):
        middle = interpolate(*ends, t)
        draw_ellipses(ax, middle, colour, linestyle=style, linewidth=2)
        ax.plot([], [], color=colour, linestyle=style, linewidth=2, label=f"t = {t:g}")
    ax.legend(loc="lower right", fontsize="small")
    ax.set_xlabel("halfway between two populations")
    without_ticks(ax)
    ax.set(xlim=(-2, 12), ylim=(-7, 7))


def two_populations() -> tuple[Mixture, Mixture]:
    start = Mixture(
        np.array([0.5, 0.5]),
        np.array([[0.0, 0.0], [2.5, 4.0]]),
        np.array([np.diag([0.4, 1.2]), np.diag([0.8, 0.3])]),
    )
    end = Mixture(
        np.array([0.5, 0.5]),
        np.array([[8.0, -0.5], [9.0, 5.0]]),
        np.array([[[1.0, 0.6], [0.6, 0.8]], np.diag([0.3, 0.9])]),
    )
    return start, end


def draw_planes() -> Figure:
    """The cost of two weights, planes below it, and the bound that they give."""
    rng = np.random.default_rng(0)
    sources = [rng.normal(0, 1, 6), rng.normal(2, 1, 6)]
    target = np.append(rng.normal(0, 1, 5), rng.normal(2, 1, 7))
    shares = np.linspace(0, 1, 201)
    cost = np.array([distance(w, sources, target) for w in shares])
    figure, ax = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
    ax.plot(shares, cost, color="black", linewidth=2.5, label="cost $f(w)$")
    planes = []
    for at, colour, style in zip(
        [20, 105, 190], COLOURS, ["--", "-.", ":"], strict=True
    ):
        slope = (cost[at + 1] - cost[at - 1]) / (shares[at + 1] - shares[at - 1])
        planes.append(cost[at] + slope * (shares - shares[at]))
        ax.plot(shares, planes[-1], color=colour, linestyle=style, label="plane")
        ax.plot(shares[at], cost[at], "o", color=colour)
    highest = np.max(planes, axis=0)
    least = highest.argmin()
    ax.plot(shares[least], highest[least], "kv", markersize=9, label="lower bound")
    ax.set(xlabel="weight of the first source", ylabel="cost", ylim=(0, None))
    ax.legend()
    return figure


def distance(w: float, sources: list[np.ndarray], target: np.ndarray) -> float:
    """Wasserstein distance on the line, from a mixture of two samples to a third."""
    points = np.concatenate([*sources, target])
    masses = np.concatenate(
        [
            np.full(len(sources[0]), w / len(sources[0])),
            np.full(len(sources[1]), (1 - w) / len(sources[1])),
            np.full(len(target), -1 / len(target)),
        ]
    )
    order = points.argsort()
    gaps = np.diff(points[order])
    return float(gaps @ np.abs(masses[order].cumsum()[:-1]))


def draw_shrinkage() -> Figure:
    """One Gaussian instead of two: nearest in MW2, and of the same moments."""
    x = np.linspace(-2.2, 2.2, 500)
    target = (normal(x, -1, 0.2) + normal(x, 1, 0.2)) / 2
    figure, ax = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
    ax.fill_between(x, target, color="0.8", label="target: two components")
    ax.plot(x, normal(x, 0, 0.2), COLOURS[1], label="nearest in $MW_2$", linewidth=2)
    same = normal(x, 0, np.sqrt(1.04))
    ax.plot(x, same, COLOURS[0], ls="--", label="same mean and variance", linewidth=2)
    ax.set(xlabel="x", ylabel="density", ylim=(0, None))
    ax.legend(loc="upper right")
    return figure


def normal(x: np.ndarray, mean: float, spread: float) -> np.ndarray:
    z = (x - mean) / spread
    return np.exp(-(z**2) / 2) / (spread * np.sqrt(2 * np.pi))


TITLES = ["Reduce it", "Carry colours over", "Adapt a domain", "Interpolate"]
UNMIXING = {"known": draw_known, "new": draw_new, "found": draw_found}
USES = {
    "reduce": draw_reduction,
    "colours": draw_colours,
    "domain": draw_domain,
    "interpolate": draw_geodesic,
}
FIGURES = {
    "unmixing": lambda: draw_side_by_side(UNMIXING, 3.2),
    "flow": lambda: draw_side_by_side(USES, 3.1, TITLES),
    **{name: partial(draw_alone, panel, 3.4, 3.2) for name, panel in UNMIXING.items()},
    **{name: partial(draw_alone, panel, 2.6, 3) for name, panel in USES.items()},
    "planes": draw_planes,
    "shrinkage": draw_shrinkage,
}


def save(figure: Figure, path: Path) -> None:
    """Save with 256 colours, which is a third of the size."""
    raw = io.BytesIO()
    figure.savefig(raw, dpi=110)
    Image.open(raw).convert("RGB").quantize(256).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    folder = parser.parse_args().folder
    for name, draw in FIGURES.items():
        figure = draw()
        save(figure, folder / f"{name}.png")
        plt.close(figure)


if __name__ == "__main__":
    main()
