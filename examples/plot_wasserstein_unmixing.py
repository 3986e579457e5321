r"""
Wasserstein unmixing
====================

A target sample is a mixture of two sources. In which proportions? The weights are
those whose mixture is nearest to the target,

.. math::

   \min_{w \in \Delta_K}\ \mathrm{OT}_c\Big(\sum_{k=1}^K w_k \mu_k,\ \nu\Big).

The data are those of POT's gallery example `Wasserstein unmixing with PyTorch
<https://pythonot.github.io/auto_examples/backends/plot_unmix_optim_torch.html>`__.
We repeat its gradient descent with a fixed rate, and then leave the steps, and the
decision when to stop, to the estimator. The mathematics is in the :ref:`user guide
<unmixing>`.
"""

# sphinx_gallery_thumbnail_number = 3

import matplotlib.pyplot as plt
import numpy as np

from skwot import UnmixingDisplay, WassersteinUnmixer, stack_sources

# %%
# Data
# ----
# The target has 100 points, a tenth of them around (1, 0) and the rest around
# (0, 1). Each source has 50 points around one of the two.

rng = np.random.RandomState(2)
target = rng.randn(100, 2) * 0.2
target[:10, 0] += 1
target[10:, 1] += 1
right = rng.randn(50, 2) * 0.2 + [1, 0]
top = rng.randn(50, 2) * 0.2 + [0, 1]

X, y, sample_weight = stack_sources([right, top], target)
truth = np.array([0.1, 0.9])

# %%
# The estimator takes the three samples in one array. ``y`` says which source a row
# belongs to, and -1 marks the target.

for label, count in zip(*np.unique(y, return_counts=True), strict=True):
    print(f"label {label:2d}: {count} rows")

# %%
# Gradient descent with a fixed rate
# ----------------------------------
# A number as ``learning_rate`` gives the plain loop: one exact optimal-transport
# solve, a gradient step, a projection on the simplex. It always makes ``max_iter``
# steps. Each solve also bounds the optimum from below, so we learn afterwards how
# much lower the loss could be: by the gap.

loop = WassersteinUnmixer(metric="sqeuclidean", learning_rate=2e-3, max_iter=500)
loop.fit(X, y, sample_weight)

print("truth      ", truth)
print("fixed rate ", loop.weights_.round(4))
print(f"loss {loop.loss_:.6f}, gap {loop.dual_gap_:.1e}")
print("exact OT solves:", loop.n_iter_)

# %%
# Steps to the certified bound
# ----------------------------
# Without a fixed rate, gradient descent starts from the share of the target that is
# nearest to each source, takes the steps to the lower bound that the exact solves
# yield, and stops when the loss is within ``tol`` of the best possible one.

descent = WassersteinUnmixer(metric="sqeuclidean", solver="pgd")
descent.fit(X, y, sample_weight)

print("descent    ", descent.weights_.round(4))
print(f"loss {descent.loss_:.6f}, gap {descent.dual_gap_:.1e}")
print("exact OT solves:", descent.n_iter_)

# %%
# The default: the exact optimum
# ------------------------------
# The plan and the weights are variables of one linear programme. It is solved as a
# whole, in about the time of a single transport problem.

unmixer = WassersteinUnmixer(metric="sqeuclidean").fit(X, y, sample_weight)

print("truth      ", truth)
print("default    ", unmixer.weights_.round(4))
print(f"loss {unmixer.loss_:.6f}, gap {unmixer.dual_gap_:.1e}")

# %%
# The sources and the target
# --------------------------

UnmixingDisplay.from_estimator(unmixer, kind="sources")
plt.title("Sources and target")

# %%
# The loss at each solve
# ----------------------
# On the left the fixed rate, on the right the steps to the certified lower bound.

fig, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained", sharey=True)
for ax, fitted, title in zip(
    axes, [loop, descent], ["Fixed rate", "Steps to the bound"], strict=True
):
    UnmixingDisplay.from_estimator(fitted, kind="loss", ax=ax)
    ax.set_title(title)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(alpha=0.3)

# %%
# The reweighted sources
# ----------------------
# The area of each source point is proportional to its mass in the mixture.

UnmixingDisplay.from_estimator(unmixer, kind="reweighted")
plt.title("Target and reweighted sources")

# %%
# From which source is a point?
# -----------------------------
# The weights come with an assignment of the target's points to the sources.

assigned = unmixer.predict(target)
print("points assigned to each source:", np.bincount(assigned))
plt.show()
