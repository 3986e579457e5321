r"""
Colour transfer between two photographs
=======================================

The colours of a photograph are a cloud of points, one a pixel. We summarise the
clouds of two photographs by Gaussian mixtures, and move the pixels of the first one
along the optimal plan between the mixtures: the picture stays, its palette becomes
that of the second.

The photographs are scikit-learn's ``china.jpg`` and ``flower.jpg``.
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np
import ot
from sklearn.datasets import load_sample_image
from sklearn.mixture import GaussianMixture

from skwot import GMMFlowFitter

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

figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for ax, image, name in zip(axes, (china, flower), ("China", "Flower"), strict=True):
    ax.imshow(image)
    ax.set(title=name, xticks=[], yticks=[])

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

# %%
# The barycentric map sends equal colours to equal colours, and is smooth. The random
# map draws one of the Gaussian maps for each pixel: it gets closer to the second
# palette, at the price of grain.


def repaint(t=1.0, method="barycentric"):
    moved = flow.transport(china_pixels, t=t, method=method)
    return moved.clip(0, 1).reshape(china.shape)


figure, axes = plt.subplots(2, 2, figsize=(10, 7.2), layout="constrained")
pictures = {
    "China": china,
    "Half of the way": repaint(t=0.5),
    "Palette of the flower, barycentric map": repaint(),
    "Palette of the flower, random map": repaint(method="random"),
}
for ax, (title, picture) in zip(axes.ravel(), pictures.items(), strict=True):
    ax.imshow(picture)
    ax.set(title=title, xticks=[], yticks=[])

# %%
# Palettes
# --------
# Red and blue of a thousand pixels, each in its own colour.

shown = rng.choice(len(china_pixels), 1000, replace=False)
clouds = {
    "China": china_pixels[shown],
    "Barycentric": pictures["Palette of the flower, barycentric map"].reshape(-1, 3)[
        shown
    ],
    "Random": pictures["Palette of the flower, random map"].reshape(-1, 3)[shown],
    "Flower": flower_pixels[shown],
}
figure, axes = plt.subplots(
    1, 4, figsize=(12, 3.4), layout="constrained", sharex=True, sharey=True
)
for ax, (title, cloud) in zip(axes, clouds.items(), strict=True):
    ax.scatter(cloud[:, 0], cloud[:, 2], c=cloud, s=6)
    ax.set(title=title, xlabel="Red")
axes[0].set_ylabel("Blue")

# %%
# How far is each cloud from the flower's pixels? The squared Wasserstein distance of
# two samples is computed exactly by POT.

for title, cloud in clouds.items():
    cost = ot.dist(cloud, flower_sample[:1000])
    print(f"{title:12s} {np.sqrt(ot.emd2([], [], cost)):.3f}")

plt.show()
