r"""
The mean of several Gaussian mixtures
=====================================

What is the average of three populations, each of which is a Gaussian mixture? Averaging
densities piles all components up. The barycentre for :math:`MW_2` averages where the
components *are*, and how they are spread. And where parameters of a model are to be
learned, the distance itself is a loss. The mathematics is in the
:ref:`user guide <gmm_flow>`.
"""

# sphinx_gallery_thumbnail_number = 1

import matplotlib.pyplot as plt
import numpy as np
import torch

from skwot import GMMFlowDisplay, GMMFlowFitter
from skwot.mixtures import Mixture, barycenter, mw2

# %%
# Three populations
# -----------------
# Each has three components on a circle; from one population to the next these turn, and
# change their shapes.


def population(angle, stretch):
    angles = angle + 2 * np.pi * np.arange(3) / 3
    means = 4 * np.column_stack([np.cos(angles), np.sin(angles)])
    shape = np.diag([stretch, 0.3])
    turns = np.moveaxis(
        np.array([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]]),
        -1,
        0,
    )
    return Mixture(np.array([0.5, 0.3, 0.2]), means, turns @ shape @ turns.mT)


populations = [population(0.0, 0.3), population(0.5, 1.0), population(0.9, 2.5)]
middle = barycenter(populations, random_state=0)
for each in populations:
    print(f"squared distance to the barycentre {mw2(middle, each).value:.3f}")

# %%
# The barycentre has the components between those that belong together.


def draw(ax, mixture, color, marker, label):
    angles = np.linspace(0, 2 * np.pi, 100)
    circle = np.array([np.cos(angles), np.sin(angles)])
    for weight, mean, covariance in zip(*mixture, strict=True):
        ellipse = mean[:, None] + np.linalg.cholesky(covariance) @ circle
        ax.fill(*ellipse, color=color, alpha=0.2 + 0.6 * weight)
        ax.plot(*ellipse, color=color, linewidth=1)
    ax.plot(*mixture.means.T, marker, color=color, label=label)


figure, ax = plt.subplots(figsize=(6, 5.6), layout="constrained")
colors = ["#0072B2", "#D55E00", "#CC79A7"]
styles = zip(populations, colors, ["o", "s", "^"], strict=True)
for number, (mixture, color, marker) in enumerate(styles):
    draw(ax, mixture, color, marker, f"Population {number}")
draw(ax, middle, "black", "X", "Barycentre")
ax.set(xlabel="Feature 0", ylabel="Feature 1", aspect="equal")
ax.set_title("Three populations and their barycentre")
ax.legend()

# %%
# With weights
# ------------
# ``barycenter_weights`` of the estimator, or the second argument of the function, say
# how much each population counts. The estimator keeps the path, and a plan for each.

flow = GMMFlowFitter(
    3,
    init=populations[0],
    target=populations,
    barycenter_weights=[0.2, 0.2, 0.6],
).fit()
print(f"mean squared distance {flow.loss_curve_[0]:.3f} -> {flow.loss_:.3f}")

figure, axes = plt.subplots(
    1, 2, figsize=(11, 4.8), layout="constrained", width_ratios=[1, 1.1]
)
display = GMMFlowDisplay.from_estimator(flow, kind="path", ax=axes[0])
axes[0].set_aspect("equal")
axes[0].legend(loc="center")
axes[0].set_title("From the first population to the barycentre")
display.plot(kind="plan", ax=axes[1])
axes[1].set_title("Mass between components, one plan a population")

# %%
# As a loss
# ---------
# With tensors, ``mw2`` is differentiable in both mixtures. Here a turn and a stretch of
# the first population are learned that bring it near the second.

turn = torch.zeros((), dtype=torch.float64, requires_grad=True)
logs = torch.zeros(2, dtype=torch.float64, requires_grad=True)
weights, means, covariances = (torch.tensor(x) for x in populations[0])
optimizer = torch.optim.LBFGS([turn, logs], line_search_fn="strong_wolfe", max_iter=50)


def transformed():
    rotation = torch.stack(
        [
            torch.stack([turn.cos(), -turn.sin()]),
            torch.stack([turn.sin(), turn.cos()]),
        ]
    )
    return weights, means @ rotation.mT, rotation @ covariances @ rotation.mT


def loss():
    optimizer.zero_grad()
    w, m, c = transformed()
    scale = torch.diag(logs.exp())
    value = mw2((w, m @ scale, scale @ c @ scale), populations[1]).value
    value.backward()
    return value


first = loss().item()
optimizer.step(loss)
print(f"loss {first:.3f} -> {loss().item():.3f}, turned by {turn.item():.2f}")

# %%
# Features in different units
# ---------------------------
# Covariances of raw tables are ill-conditioned. That costs no digits: here income in
# cents is beside a ratio, and every point is carried onto itself. The distance does not
# know, however, that a cent matters less than a ratio of one: scale the features as you
# want them to count.

person = Mixture(np.ones(1), np.array([[3e6, 0.3]]), np.diag([1.6e11, 4e-4])[None])
flow = GMMFlowFitter(init=person, target=person).fit()
print(f"condition of the covariance {np.linalg.cond(person.covariances[0]):.0e}")
print("distance", flow.loss_, "moved", flow.transport([[3.1e6, 0.34]]))
plt.show()
