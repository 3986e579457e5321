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

# sphinx_gallery_thumbnail_number = 1

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
# ``fit`` needs no data. The loop is not at rest after 100 steps, and says so in a
# warning that we expect here.

loop = GMMFlowFitter(3, init=source, target=target, learning_rate=3e-2, max_iter=100)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    loop.fit()

print(f"loss {loop.loss_curve_[0]:.4f} -> {loop.loss_curve_[-1]:.4f}")
print("weights", loop.weights_.round(3))

# %%
# All steps, coloured along the path. Each ellipse is a component, the more opaque the
# more it weighs at that step; the target is dashed.


def share_limits(*axes):
    for ax in axes:
        ax.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal")


figure, ax = plt.subplots(figsize=(6, 5.6), layout="constrained")
display = GMMFlowDisplay.from_estimator(loop, kind="path", ax=ax)
ax.set_title("Three Gaussians flow towards two")
share_limits(ax)

# %%
# The same as a moving picture. ``animation.save("flow.gif")`` would keep it.

figure, ax = plt.subplots(figsize=(5, 4.6), layout="constrained")
animation = display.animate(ax=ax)
ax.set_title("Three Gaussians flow towards two")
share_limits(ax)

# %%
# The two mixtures, and the last step on top of where it started and where it should
# go.

figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
for ax, kind, title in zip(
    axes,
    ["source", "target", "last"],
    ["Source mixture", "Target mixture", "Last step of the flow"],
    strict=True,
):
    display.plot(kind=kind, ax=ax)
    ax.set_title(title)
share_limits(*axes)

# %%
# The loss at each step. It oscillates at the end, as the steps do not get shorter.

figure, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
display.plot(kind="loss", ax=ax)
ax.set_title("Loss of the loop with a fixed rate")

# %%
# Steps chosen by the estimator
# -----------------------------
# By default the steps are measured in the geometry of Gaussians. There is no rate to
# choose, the loss never rises, and the flow stops where nothing is left to gain.

flow = GMMFlowFitter(3, init=source, target=target).fit()

print(f"loss {flow.loss_curve_[0]:.4f} -> {flow.loss_:.2e} in {flow.n_iter_} steps")
print("converged", flow.converged_)

# %%
# Two components share one of the targets in the end. Their weights have had to change
# for that. With the weights that the source starts with, the same steps end above
# zero: half of the mass has to arrive at each target, and one component has to serve
# both.

fixed = GMMFlowFitter(3, init=source, target=target, fixed_weights=True).fit()
print(f"loss with fixed weights {fixed.loss_:.4f}, converged {fixed.converged_}")

figure, axes = plt.subplots(2, 2, figsize=(10, 8.4), layout="constrained")
for column, (fitted, weights) in enumerate([(flow, "free"), (fixed, "fixed")]):
    path, plan = axes[:, column]
    display = GMMFlowDisplay.from_estimator(fitted, kind="path", ax=path)
    path.set_title(f"Chosen steps, {weights} weights")
    share_limits(path)
    display.plot(kind="plan", ax=plan)
    plan.set_title(f"Mass between components, {weights} weights")

# %%
# The three losses. With free weights, the means and covariances first come to rest at
# what the initial weights allow; then the weights move, and the loss falls to zero.

figure, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
styles = {
    "Fixed rate": (loop, {"color": "#0072B2", "linestyle": "--"}),
    "Chosen steps, free weights": (flow, {"color": "#D55E00", "marker": "^"}),
    "Chosen steps, fixed weights": (fixed, {"color": "#CC79A7", "marker": "s"}),
}
for label, (fitted, style) in styles.items():
    GMMFlowDisplay.from_estimator(
        fitted, kind="loss", line_kw={"label": label, **style}, ax=ax
    )
ax.set(title="Loss of the three flows", ylim=(1e-9, 10))

# %%
# Transport
# ---------
# Samples of the source can be moved to the target along the plan between the two.
# ``method="random"`` draws one of the Gaussian maps for each sample, so that the moved
# samples have the target's distribution. The barycentric map takes the mean of the
# maps: equal samples go to equal places.

rng = np.random.default_rng(0)
component = rng.choice(3, 150, p=source[0])
X = np.array([rng.multivariate_normal(source[1][k], source[2][k]) for k in component])

figure, axes = plt.subplots(
    1, 2, figsize=(10, 5), layout="constrained", sharex=True, sharey=True
)
for ax, method in zip(axes, ["barycentric", "random"], strict=True):
    GMMFlowDisplay.from_estimator(flow, X, kind="transport", method=method, ax=ax)
    ax.set(title=f"Samples before and after the {method} map", aspect="equal")

# %%
# Geodesic
# --------
# The flow is one way to the target. The shortest one is the geodesic, which
# ``interpolate`` gives in closed form. Each component splits into as many as it has
# to serve.

figure, axes = plt.subplots(1, 5, figsize=(15, 3.4), layout="constrained", sharey=True)
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
    ).plot(kind="last", ax=ax)
    ax.get_legend().remove()
    ax.set_title(f"t = {t}")
    ax.label_outer()
share_limits(*axes)
figure.suptitle("Geodesic from the source to the target")

plt.show()
