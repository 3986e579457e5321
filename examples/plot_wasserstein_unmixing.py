r"""
Wasserstein unmixing
====================

A target sample is a mixture of two sources. In which proportions? The weights are
those whose mixture is nearest to the target,

.. math::

   \min_{w \in \Delta_K}\ \mathrm{OT}_c\Big(\sum_{k=1}^K w_k \mu_k,\ \nu\Big).

The data are those of POT's gallery example `Wasserstein unmixing with PyTorch
<https://pythonot.github.io/auto_examples/backends/plot_unmix_optim_torch.html>`__.
We find the weights with the default solver, say how certain they are, and then repeat
POT's gradient descent with a fixed rate. The mathematics is in the :ref:`user guide
<unmixing>`.
"""

# sphinx_gallery_thumbnail_number = 1

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

X, y, sample_weight = stack_sources({"right": right, "top": top}, target)
truth = np.array([0.1, 0.9])

# %%
# The estimator takes the three samples in one array. ``y`` says which source a row
# belongs to, and -1 marks the target.

print("rows of the source 'right':", np.sum(y == "right"))
print("rows of the source 'top':  ", np.sum(y == "top"))
print("rows of the target:        ", np.sum(y == -1))

# %%
# Weights of the sources
# ----------------------
# The plan and the weights are variables of one linear programme. It is solved as a
# whole, in about the time of a single transport problem.

unmixer = WassersteinUnmixer(metric="sqeuclidean").fit(X, y, sample_weight)

print("sources    ", unmixer.classes_)
print("truth      ", truth)
print("weights    ", unmixer.weights_.round(4))
print(f"loss {unmixer.loss_:.6f}, gap {unmixer.dual_gap_:.1e}")

# %%
# On the left each source has the same mass. On the right the area of a source's point
# is its mass in the mixture: the weights have made the upper source heavy and the right
# one light, as the target is.

figure, axes = plt.subplots(
    1, 2, figsize=(10, 4.6), layout="constrained", sharex=True, sharey=True
)
UnmixingDisplay.from_estimator(unmixer, kind="sources", ax=axes[0])
UnmixingDisplay.from_estimator(unmixer, kind="reweighted", ax=axes[1])
axes[0].set_title("Two sources and a target")
axes[1].set_title("Sources reweighted to match the target")

# %%
# How certain are the weights?
# ----------------------------
# ``bootstrap`` draws the rows of the sources and of the target again and again, and
# estimates the weights anew. The intervals are drawn with the weights.

result = unmixer.bootstrap(n_resamples=200, random_state=0)
for name, low, high in zip(unmixer.classes_, *result.confidence_interval, strict=True):
    print(f"{name:6s} 95 % interval from {low:.3f} to {high:.3f}")

figure, ax = plt.subplots(figsize=(5, 4), layout="constrained")
UnmixingDisplay.from_estimator(
    unmixer,
    kind="weights",
    intervals=result,
    truth=truth,
    errorbar_kw={"label": "95 % interval"},
    ax=ax,
)
ax.set_title("Weights with their intervals")

# %%
# Gradient descent with a fixed rate
# ----------------------------------
# A number as ``learning_rate`` gives the plain loop: one exact optimal-transport
# solve, a gradient step, a projection on the simplex. It always makes ``max_iter``
# steps. Each solve also bounds the optimum from below, so we learn afterwards how
# much lower the loss could be: by the gap.

loop = WassersteinUnmixer(metric="sqeuclidean", learning_rate=2e-3, max_iter=500)
loop.fit(X, y, sample_weight)

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
# On the left the fixed rate, on the right the steps to the certified lower bound, which
# need a few solves instead of hundreds.

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for ax, fitted, title in zip(
    axes,
    [loop, descent],
    ["Loss with a fixed rate", "Loss with steps to the bound"],
    strict=True,
):
    UnmixingDisplay.from_estimator(fitted, kind="loss", ax=ax)
    ax.set_title(title)

# %%
# From which source is a point?
# -----------------------------
# The weights come with an assignment of the target's points to the sources.

assigned = unmixer.predict(target)
for name, count in zip(*np.unique(assigned, return_counts=True), strict=True):
    print(f"points assigned to the source {name!r}: {count}")
plt.show()
