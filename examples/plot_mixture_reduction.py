r"""
Reducing a Gaussian mixture
===========================

A mixture with many components is reduced to a few that are as near to it as possible
in the optimal-transport distance :math:`MW_2`. We reduce the colours of a picture to
eight. How many are enough? We then sweep their number :math:`K`, and compare with
mixtures of that size that are fitted to the data by likelihood. The mathematics is in
the :ref:`user guide <gmm_flow>`.
"""

# sphinx_gallery_thumbnail_number = 1

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image
from sklearn.mixture import GaussianMixture

from skwot import GMMFlowFitter
from skwot.mixtures import mw2

# %%
# The mixture
# -----------
# Forty Gaussians describe the colours of a picture. They are fitted to 5000 of its
# pixels.

image = load_sample_image("china.jpg") / 255.0
pixels = image.reshape(-1, 3)
rng = np.random.default_rng(0)
X = pixels[rng.choice(len(pixels), 5000, replace=False)]
target = GaussianMixture(40, random_state=1).fit(X)

# %%
# A palette of eight
# ------------------
# With fewer components than the target has, ``init="k-means++"`` starts from some of
# the target's own, drawn far apart from each other. Once the flow is at rest, a
# component that is hardly missed is put where one is needed, as long as that helps.


def reduce(size, **parameters):
    return GMMFlowFitter(
        size,
        target=target,
        solver="bures",
        max_iter=300,
        random_state=0,
        **parameters,
    ).fit()


eight = reduce(8)
print(f"squared distance of the forty to the eight {eight.loss_:.4f}")

# %%
# ``plan_`` says which of the forty colours each of the eight stands for. Each pair of
# bars is a component: its mean colour above, and below those of the forty whose mass
# comes to it.

figure, (left, right) = plt.subplots(
    1, 2, figsize=(11, 4.4), layout="constrained", width_ratios=[1, 1.1]
)
left.imshow(image)
left.set(title="The picture", xticks=[], yticks=[])
colors = target.means_.clip(0, 1)
for row, k in enumerate(np.argsort(eight.weights_)):
    mean, weight = eight.means_[k].clip(0, 1), eight.weights_[k]
    right.barh(row, weight, height=0.4, align="edge", color=mean)
    members = np.flatnonzero(eight.plan_[k] > 0)
    shares = eight.plan_[k, members]
    starts = np.cumsum(shares) - shares
    right.barh(
        row, shares, left=starts, height=-0.4, align="edge", color=colors[members]
    )
right.set(title="Its colours: eight, and the forty they stand for")
right.set(xlabel="Weight", ylabel="Component, by weight", yticks=range(8))
right.set_facecolor("0.85")  # white is among the colours

# %%
# How many are enough?
# --------------------
# We sweep the number of components, with and without the exchange at rest, for which
# ``swaps=False`` is the switch, and fit mixtures of the same sizes to the data.

sizes = np.array([1, 2, 4, 6, 8, 12, 16, 24, 32])
reduced = [reduce(size) for size in sizes]
plain = [reduce(size, swaps=False) for size in sizes]
fitted = [GaussianMixture(size, random_state=0, max_iter=500).fit(X) for size in sizes]

# %%
# A mixture that is fitted to the data is farther from the target in :math:`MW_2` than
# a reduced one with as many components.

distances = [mw2(em, target).value for em in fitted]
figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
looks = {
    "Reduced": {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    "Reduced without swaps": {"color": "#CC79A7", "marker": "x", "linestyle": ":"},
    "Fitted to the data": {"color": "#D55E00", "marker": "s", "linestyle": "--"},
}
losses = [flow.loss_ for flow in reduced], [flow.loss_ for flow in plain], distances
for values, (label, look) in zip(losses, looks.items(), strict=True):
    axes[0].semilogy(sizes, values, label=label, **look)
axes[0].set(xlabel="Components K", ylabel="Squared distance $MW_2^2$ to the forty")
axes[0].set_title("Distance to the mixture of forty")
for models, label in ((reduced, "Reduced"), (fitted, "Fitted to the data")):
    bic = [model.bic(X) for model in models]
    axes[1].plot(sizes, bic, label=label, **looks[label])
axes[1].set(xlabel="Components K", ylabel="BIC (lower is better)")
axes[1].set_ylim(-45e3, 5e3)  # the smallest reduced mixtures are far above
axes[1].set_title("Fit to the pixels")
for ax in axes:
    ax.legend()

# %%
# In :math:`MW_2` the reduced mixtures are nearer at every size. As densities they are
# worse, by BIC too: a component that stands for several is as narrow as these are on
# average, and the spread between their means is lost. BIC of the fitted mixtures has
# its minimum at sixteen components, that of the reduced ones falls as long as
# components are added. A reduction in :math:`MW_2`
# answers where the components are, and which of them belong together; where the
# likelihood counts, fit to the data.

for size, flow, em, distance in zip(sizes, reduced, fitted, distances, strict=True):
    print(
        f"K = {size:2}  MW2 squared {flow.loss_:.4f} (fitted {distance:.4f})  "
        f"BIC {flow.bic(X):10.0f} (fitted {em.bic(X):10.0f})"
    )

plt.show()
