r"""
Reducing a Gaussian mixture
===========================

A mixture with many components is reduced to a few that are as near to it as possible
in the optimal-transport distance :math:`MW_2`. How many are enough? We sweep their
number :math:`K`, and compare with mixtures of that size that are fitted to the data by
likelihood. The mathematics is in the :ref:`user guide <gmm_flow>`.
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
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
# Sweep
# -----
# With fewer components than the target has, ``init="k-means++"`` starts from some of
# the target's own, drawn far apart from each other. Once the flow is at rest, a
# component that is hardly missed is put where one is needed, as long as that helps:
# ``swaps=False`` leaves it out.

sizes = np.array([1, 2, 4, 6, 8, 12, 16, 24, 32])
reduced = [
    GMMFlowFitter(
        size, target=target, solver="bures", max_iter=300, random_state=0
    ).fit(X)
    for size in sizes
]
plain = [flow.set_params(swaps=False) for flow in map(clone, reduced)]
plain = [flow.fit(X) for flow in plain]
fitted = [GaussianMixture(size, random_state=0, max_iter=500).fit(X) for size in sizes]

# %%
# A mixture that is fitted to the data is farther from the target in :math:`MW_2` than
# a reduced one with as many components.

distances = [mw2(em, target).value for em in fitted]
figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
axes[0].semilogy(sizes, [flow.loss_ for flow in reduced], "o-", label="Reduced")
axes[0].semilogy(sizes, [flow.loss_ for flow in plain], "x:", label="Without swaps")
axes[0].semilogy(sizes, distances, "s--", label="Fitted to the data")
axes[0].set(xlabel="Components K", ylabel="MW2 squared to the mixture of 40")
axes[1].plot(sizes, [flow.bic(X) for flow in reduced], "o-", label="Reduced")
axes[1].plot(sizes, [em.bic(X) for em in fitted], "s--", label="Fitted to the data")
axes[1].set(xlabel="Components K", ylabel="BIC (lower is better)")
axes[1].set_ylim(-45e3, 5e3)  # the smallest reduced mixtures are far above
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

# %%
# A palette of eight
# ------------------
# ``plan_`` says which of the forty colours each of the eight stands for.

flow = reduced[list(sizes).index(8)]
order = np.argsort(flow.weights_)[::-1]
figure, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
for row, k in enumerate(order):
    members = flow.plan_[k] > 0
    shares = flow.plan_[k, members]
    ax.barh(
        row,
        flow.weights_[k],
        height=0.35,
        align="edge",
        color=flow.means_[k].clip(0, 1),
    )
    left = 0.0
    for share, mean in zip(shares, target.means_[members], strict=True):
        color = np.clip(mean, 0, 1)
        ax.barh(row, share, left=left, height=-0.35, align="edge", color=color)
        left += share
ax.set(xlabel="Weight", ylabel="Component", yticks=range(8), xlim=(0, None))
ax.set_title(
    "Above: a component's mean colour. Below: those of the forty it stands for"
)
plt.show()
