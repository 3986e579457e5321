r"""
Gradient flow of a Gaussian mixture
===================================

A mixture of three Gaussians flows towards a mixture of two, down the gradient of the
optimal-transport distance between Gaussian mixtures. Means, covariances and weights
all move.

The data are those of POT's gallery example `Gradient Flow for GMM-OT distance
<https://pythonot.github.io/auto_examples/gaussian_gmm/plot_GMM_flow.html>`__. We
repeat its loop with a fixed rate, and then leave the steps to the estimator. The
mathematics is in the :ref:`user guide <gmm_flow>`.
"""

# sphinx_gallery_thumbnail_number = 4

import warnings

import matplotlib.pyplot as plt
import numpy as np
import torch
from ot.utils import proj_simplex
from sklearn.exceptions import ConvergenceWarning

from skwot import GMMFlowDisplay, GMMFlowFitter

# %%
# Data
# ----
# Three random Gaussians are the source, two are the target. The source's weights are
# a softmax.

torch.manual_seed(3)
source_means, target_means = torch.randn(3, 2), torch.randn(2, 2)
source_factors, target_factors = torch.randn(3, 2, 2), torch.randn(2, 2, 2)
logits = proj_simplex(torch.randn(3)).double()


def covariances(factors):
    return (factors @ factors.mT + 0.1 * torch.eye(2)).double().numpy()


source = (
    torch.softmax(logits, 0).numpy(),
    source_means.double().numpy(),
    covariances(source_factors),
)
target = np.full(2, 0.5), target_means.double().numpy(), covariances(target_factors)

# %%
# Flow with a fixed rate
# ----------------------
# A number as ``learning_rate`` gives the plain loop: Adam on means, covariances and
# the logarithms of the weights, for ``max_iter`` steps. Both mixtures are given, so
# ``X`` has nothing to do but to fix the number of features. The loop is not at rest
# after 100 steps, and says so in a warning that we expect here.

X = np.zeros((1, 2))
loop = GMMFlowFitter(3, init=source, target=target, learning_rate=3e-2, max_iter=100)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    loop.fit(X)

print(f"loss {loop.loss_curve_[0]:.4f} -> {loop.loss_curve_[-1]:.4f}")
print("weights", loop.weights_.round(3))

# %%
# The two mixtures: each ellipse is a component, the more opaque the more it weighs.


def share_limits(*displays):
    for display in displays:
        display.ax_.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal")


figure, axes = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
before = GMMFlowDisplay.from_estimator(loop, kind="source", ax=axes[0])
after = GMMFlowDisplay.from_estimator(loop, kind="target", ax=axes[1])
axes[0].set_title("Source mixture")
axes[1].set_title("Target mixture")
share_limits(before, after)

# %%
# The loss at each step. It oscillates at the end, as the steps do not get shorter.

display = GMMFlowDisplay.from_estimator(loop, kind="loss")
display.ax_.set_title("Loss of the loop with a fixed rate")

# %%
# The last step, on top of where it started and where it should go.

display = GMMFlowDisplay.from_estimator(loop, kind="last")
display.ax_.set_title("Flow with a fixed rate, last step")
share_limits(display)

# %%
# All steps, coloured along the path, each with its own weights.

display = GMMFlowDisplay.from_estimator(loop, kind="path")
display.ax_.set_title("Flow with a fixed rate, all steps")
share_limits(display)

# %%
# Steps chosen by the estimator
# -----------------------------
# By default the steps are measured in the geometry of Gaussians. There is no rate to
# choose, the loss never rises, and the flow stops where nothing is left to gain.

flow = GMMFlowFitter(3, init=source, target=target).fit(X)

print(f"loss {flow.loss_curve_[0]:.4f} -> {flow.loss_:.2e} in {flow.n_iter_} steps")
print("converged", flow.converged_)
print("plan between the components")
print(flow.plan_.round(3))

# %%
# Two components share one of the targets in the end. Their weights have had to change
# for that. With the weights that the source starts with, the same steps end above
# zero: half of the mass has to arrive at each target, and one component has to serve
# both.

fixed = GMMFlowFitter(3, init=source, target=target, fixed_weights=True).fit(X)
print(f"loss with fixed weights {fixed.loss_:.4f}, converged {fixed.converged_}")

figure, axes = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
free_path = GMMFlowDisplay.from_estimator(flow, ax=axes[0])
fixed_path = GMMFlowDisplay.from_estimator(fixed, ax=axes[1])
axes[0].set_title("Chosen steps, free weights")
axes[1].set_title("Chosen steps, fixed weights")
share_limits(free_path, fixed_path)

# %%
# The three losses. With free weights, the means and covariances first come to rest at
# what the initial weights allow; then the weights move, and the loss falls to zero.

figure, ax = plt.subplots()
for fitted in (loop, flow, fixed):
    GMMFlowDisplay.from_estimator(fitted, kind="loss", ax=ax)
ax.legend(["Fixed rate", "Chosen steps", "Chosen steps, fixed weights"])
ax.set(title="Loss", ylim=(1e-9, 10))

# %%
# Geodesic
# --------
# The flow is one way to the target. The shortest one is the geodesic, which
# ``interpolate`` gives in closed form. Each component splits into as many as it has
# to serve.

figure, axes = plt.subplots(1, 5, figsize=(15, 3.2), layout="constrained")
for ax, t in zip(axes, np.linspace(0, 1, 5), strict=True):
    middle = flow.interpolate(t)
    GMMFlowDisplay(
        weights_path=middle.weights[None],
        means_path=middle.means[None],
        covariances_path=middle.covariances[None],
        loss_curve=np.zeros(1),
        target_weights=flow.target_weights_,
        target_means=flow.target_means_,
        target_covariances=flow.target_covariances_,
    ).plot(kind="source", ax=ax)
    ax.get_legend().remove()
    ax.set(title=f"t = {t}", xlim=(-3, 3), ylim=(-3, 3), aspect="equal")

plt.show()
