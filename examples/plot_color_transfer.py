r"""
Colour transfer between two photographs
=======================================

The colours of a photograph are a cloud of points, one a pixel. We summarise the
clouds of two photographs by Gaussian mixtures, and move the pixels of the first one
along the optimal plan between the mixtures: the picture stays, its palette becomes
that of the second.

The photographs are scikit-learn's ``china.jpg`` and ``flower.jpg``.
"""

# sphinx_gallery_thumbnail_number = 1

import matplotlib.pyplot as plt
import numpy as np
import ot
from sklearn.datasets import load_sample_image
from sklearn.mixture import GaussianMixture

from skwot import GMMFlowDisplay, GMMFlowFitter

# %%
# Pixels
# ------
# A few thousand pixels are enough to estimate a mixture.


def read_pixels(name):
    image = load_sample_image(name)[::2, ::2] / 255
    return image, image.reshape(-1, 3)


china, china_pixels = read_pixels("china.jpg")
flower, flower_pixels = read_pixels("flower.jpg")

rng = np.random.RandomState(0)
china_sample = china_pixels[rng.choice(len(china_pixels), 4000, replace=False)]
flower_sample = flower_pixels[rng.choice(len(flower_pixels), 4000, replace=False)]

# %%
# From one palette to the other
# -----------------------------
# The flow starts at the mixture of the first palette, and the data it is fitted to
# are the second one, from which it estimates its target. ``transport`` then moves all
# pixels along the optimal plan between the two mixtures.

palette = GaussianMixture(10, random_state=0).fit(china_sample)
flow = GMMFlowFitter(10, init=palette, random_state=0).fit(flower_sample)

print(f"squared distance of the palettes {flow.loss_curve_[0]:.4f}")
print(f"after the flow                   {flow.loss_:.2e}")


def repaint(t=1.0, method="barycentric"):
    moved = flow.transport(china_pixels, t=t, method=method)
    return moved.clip(0, 1).reshape(china.shape)


def show(axes, pictures):
    for ax, (title, picture) in zip(axes, pictures.items(), strict=True):
        ax.imshow(picture)
        ax.set(title=title, xticks=[], yticks=[])


barycentric = repaint()
figure, axes = plt.subplots(1, 3, figsize=(12, 3.2), layout="constrained")
show(
    axes,
    {
        "China": china,
        "Flower": flower,
        "China in the colours of the flower": barycentric,
    },
)

# %%
# The plan says how much of each colour of China becomes each colour of the flower. The
# squares beside it are the components' mean colours.


def show_means(ax, means, vertical):
    colors = means.clip(0, 1)[:, None] if vertical else means.clip(0, 1)[None]
    ax.imshow(colors, aspect="auto")
    ax.set(xticks=[], yticks=[])


figure, axes = plt.subplots(
    2,
    2,
    figsize=(7.5, 6.5),
    layout="constrained",
    width_ratios=[1, 14],
    height_ratios=[14, 1],
)
show_means(axes[0, 0], flow.means_path_[0], vertical=True)
show_means(axes[1, 1], flow.target_means_, vertical=False)
axes[1, 0].remove()
GMMFlowDisplay.from_estimator(flow, kind="plan", ax=axes[0, 1])
axes[0, 0].set_ylabel("Colours of China")
axes[1, 1].set_xlabel("Colours of the flower")
axes[0, 1].set(title="Mass that moves between two colours", xlabel="", ylabel="")

# %%
# The barycentric map sends equal colours to equal colours, and is smooth. The random
# map draws one of the Gaussian maps for each pixel: it gets closer to the second
# palette, at the price of grain.

random = repaint(method="random")
figure, axes = plt.subplots(1, 3, figsize=(12, 3.2), layout="constrained")
show(
    axes,
    {
        "Half of the way": repaint(t=0.5),
        "All of the way, barycentric map": barycentric,
        "All of the way, random map": random,
    },
)

# %%
# Palettes
# --------
# Red and blue of a thousand pixels, each in its own colour.

shown = rng.choice(len(china_pixels), 1000, replace=False)
clouds = {
    "China": china_pixels[shown],
    "Barycentric": barycentric.reshape(-1, 3)[shown],
    "Random": random.reshape(-1, 3)[shown],
    "Flower": flower_pixels[shown],
}
figure, axes = plt.subplots(
    1, 4, figsize=(12, 3.4), layout="constrained", sharex=True, sharey=True
)
for ax, (title, cloud) in zip(axes, clouds.items(), strict=True):
    ax.scatter(cloud[:, 0], cloud[:, 2], c=cloud, s=6)
    ax.set(title=title, xlabel="Red")
axes[0].set_ylabel("Blue")
figure.suptitle("Red and blue of a thousand pixels")

# %%
# How far is each cloud from the flower's pixels? The squared Wasserstein distance of
# two samples is computed exactly by POT.

for title, cloud in clouds.items():
    cost = ot.dist(cloud, flower_sample[:1000])
    print(f"{title:12s} {np.sqrt(ot.emd2([], [], cost)):.3f}")

plt.show()
