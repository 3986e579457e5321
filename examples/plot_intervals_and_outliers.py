"""
Proportions with error bars
===========================

A proportion is a measurement, and a measurement needs an interval, a check of what it
takes for granted, and a way to say that something else is in the sample. Here are all
three, on scikit-learn's digits: half of them are labelled and serve as sources, and
bags are drawn from the other half.
"""

# sphinx_gallery_thumbnail_number = 1

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skwot import UnmixingDisplay, WassersteinUnmixer

rng = np.random.default_rng(1)
X, y = load_digits(return_X_y=True)
X, pool, y, pool_labels = train_test_split(
    X, y, test_size=0.5, stratify=y, random_state=0
)
scale = make_pipeline(StandardScaler(), PCA(20, random_state=0)).fit(X)
X, pool = scale.transform(X), scale.transform(pool)


def draw_bag(proportions, size=200):
    counts = rng.multinomial(size, proportions)
    rows = [
        rng.choice(np.flatnonzero(pool_labels == digit), count)
        for digit, count in enumerate(counts)
    ]
    return pool[np.concatenate(rows)]


# %%
# Intervals
# ---------
# :meth:`~skwot.WassersteinUnmixer.bootstrap` draws the rows of sources and bag many
# times. The sources are samples of their classes, some more dispersed than others:
# ``debias`` subtracts what that costs.

truth = rng.dirichlet(np.ones(10))
bag = draw_bag(truth)
unmixer = WassersteinUnmixer(debias=True, random_state=0).fit(X, y)
estimate = unmixer.unmix(bag)
result = unmixer.bootstrap(bag, n_resamples=100, random_state=0)
low, high = result.confidence_interval

print("digit    ", *(f"{digit:6d}" for digit in unmixer.classes_))
print("truth    ", *(f"{share:6.3f}" for share in truth))
print("estimate ", *(f"{share:6.3f}" for share in estimate))
print("low      ", *(f"{share:6.3f}" for share in low))
print("high     ", *(f"{share:6.3f}" for share in high))
print("intervals that contain the truth:", np.sum((low <= truth) & (truth <= high)))

# %%

fig, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
UnmixingDisplay.from_estimator(
    unmixer,
    kind="weights",
    weights=estimate,
    intervals=result,
    truth=truth,
    errorbar_kw={"label": "95 % interval"},
    ax=ax,
)
ax.set(xlabel="Digit", ylabel="Proportion")
ax.set_title("Proportions of the digits in a bag, with their intervals")

# %%
# How well are the weights determined?
# ------------------------------------
# Before any bag is seen, the sources themselves say which weights will be hard to find.
# A score of 0 means that a source is a combination of the others; below 0.005 ``fit``
# warns and names them.

print("digit          ", *(f"{digit:5d}" for digit in unmixer.classes_))
print("identifiability", *(f"{score:5.2f}" for score in unmixer.identifiability_))
print("standard error ", *(f"{error:5.3f}" for error in result.standard_error))

# %%
# Something foreign
# -----------------
# Nobody labelled a zero, and a fifth of the next bag are zeros. Balanced transport has
# to share them out among the other digits. ``outlier_cost="auto"`` leaves unexplained
# what is further from every source than their own rows mostly are from each other.

known = y != 0
others = np.arange(10) != 0
truth = rng.dirichlet(np.ones(10))
truth = np.where(others, 0.8 * truth / truth[others].sum(), 0.2)
bag = draw_bag(truth)
expected = truth[others] / 0.8

for outlier_cost in (None, "auto"):
    unmixer = WassersteinUnmixer(outlier_cost=outlier_cost, random_state=0).fit(
        np.vstack([X[known], bag]), np.append(y[known], np.full(len(bag), -1))
    )
    error = np.abs(unmixer.weights_ - expected).mean()
    print(
        f"outlier_cost={outlier_cost}: unexplained {unmixer.unexplained_:.3f}, "
        f"mean absolute error {error:.4f}"
    )

# %%
# ``target_potentials_`` say which rows those are: the virtual source serves a row where
# no other can, and the potential is at its ceiling.

rows = unmixer.target_points_
potentials = unmixer.target_potentials_
is_zero = np.isin(rows, pool[pool_labels == 0]).all(axis=1)
bins = np.linspace(potentials.min(), potentials.max(), 30)

fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
*_, (_, foreign_bars) = ax.hist(
    [potentials[~is_zero], potentials[is_zero]],
    bins,
    stacked=True,
    color=["#56B4E9", "#D55E00"],
    edgecolor="white",
    label=["A digit with a source", "A zero, which has none"],
)
plt.setp(foreign_bars, hatch="///")
ax.legend(loc="upper left")
ax.set(xlabel="Potential of the row", ylabel="Rows of the bag")
ax.set_title("Rows at the ceiling are foreign")
plt.show()
