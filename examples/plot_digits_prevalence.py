"""
Class proportions of a shifted sample
=====================================

A classifier is trained where all classes are equally frequent and used where they
are not. How frequent is each class there? No label of the new sample is known.

The labelled half of scikit-learn's digits provides one source for each class. From
the other half we draw a *bag* with uneven proportions and estimate them, in a
:class:`~sklearn.pipeline.Pipeline`.
"""

# sphinx_gallery_thumbnail_number = 1

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skwot import UnmixingDisplay, WassersteinUnmixer
from skwot.model_selection import PrevalenceShiftSplit

# %%
# A bag with uneven proportions
# -----------------------------
# The proportions are drawn from a Dirichlet distribution, the images with
# replacement from the half that is not labelled.

rng = np.random.default_rng(0)
images, digits = load_digits(return_X_y=True)
X_labelled, X_pool, y_labelled, y_pool = train_test_split(
    images, digits, test_size=0.5, stratify=digits, random_state=0
)


def draw_bag(size=200):
    counts = rng.multinomial(size, rng.dirichlet(np.ones(10)))
    rows = [
        rng.choice(np.flatnonzero(y_pool == digit), count)
        for digit, count in enumerate(counts)
    ]
    return np.concatenate(rows), counts / size


rows, truth = draw_bag()
bag = X_pool[rows]

# %%
# Estimate the proportions
# ------------------------
# Labelled rows and the bag go through one scaler and one projection. The rows of the
# bag are labelled -1, the default ``target_label``.

X = np.concatenate([X_labelled, bag])
y = np.concatenate([y_labelled, np.full(len(bag), -1)])
pipeline = make_pipeline(
    StandardScaler(), PCA(20, random_state=0), WassersteinUnmixer()
)
unmixer = pipeline.fit(X, y)[-1]
estimate = unmixer.weights_


def mean_absolute_error(estimate, truth):
    return np.abs(estimate - truth).mean()


print("digit     ", *(f"{digit:6d}" for digit in unmixer.classes_))
print("truth     ", *(f"{share:6.3f}" for share in truth))
print("estimate  ", *(f"{share:6.3f}" for share in estimate))
print(f"mean absolute error {mean_absolute_error(estimate, truth):.4f}")
print(f"if nothing were done {mean_absolute_error(np.full(10, 0.1), truth):.4f}")
print(f"loss {unmixer.loss_:.4f}, gap {unmixer.dual_gap_:.1e}")
print("exact OT solves:", unmixer.n_iter_)

# %%
# On the left the bag, in any order. On the right what the estimator says is in it, and
# what is. The dotted line is where all digits are equally frequent, as they are in the
# labelled half.

figure, (left, right) = plt.subplots(
    1, 2, figsize=(11, 4), layout="constrained", width_ratios=[1.2, 1]
)
tiles = np.random.default_rng(1).permutation(bag).reshape(10, 20, 8, 8)
tiles = np.pad(tiles, ((0, 0), (0, 0), (1, 1), (1, 1)))
left.imshow(tiles.transpose(0, 2, 1, 3).reshape(100, 200), cmap="Greys")
left.set(title="A bag of 200 images without labels", xticks=[], yticks=[])
UnmixingDisplay.from_estimator(unmixer, kind="weights", truth=truth, ax=right)
right.axhline(0.1, color="0.3", linestyle=":")
right.set(title="How often is each digit in it?", xlabel="Digit", ylabel="Proportion")

# %%
# Which digit is each image?
# --------------------------
# ``predict`` follows the same transport plan.

agreement = np.mean(pipeline.predict(bag) == y_pool[rows])
print(f"images of the bag assigned to the right digit: {agreement:.1%}")

# %%
# Which loss?
# -----------
# The best prevalences come from ``loss="semirelaxed"``, which leaves the source
# marginal free. How to find that out: bags with known proportions are drawn from
# labelled rows that are held back, and the estimates are compared with these.

search = GridSearchCV(
    pipeline,
    {"wassersteinunmixer__loss": ["wasserstein", "semirelaxed"]},
    cv=PrevalenceShiftSplit(10, random_state=0),
).fit(X_labelled, y_labelled)
for parameters, score in zip(
    search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
):
    print(
        f"{parameters['wassersteinunmixer__loss']:12s} mean absolute error {-score:.4f}"
    )

# %%
# Many bags, one fit
# ------------------
# Without target rows, ``fit`` only learns the sources. ``unmix`` then estimates any
# number of bags; ``groups`` says which row belongs to which.

best = search.best_estimator_
bags = [draw_bag() for _ in range(6)]
groups = np.repeat(np.arange(6), 200)
rows = np.concatenate([rows for rows, _ in bags])
truths = np.array([proportions for _, proportions in bags])
estimates = best[-1].unmix(best[:-1].transform(X_pool[rows]), groups=groups)

error = mean_absolute_error(estimates, truths)
print(f"mean absolute error over six bags {error:.4f}")

# %%

fig, ax = plt.subplots(figsize=(4.6, 4.6), layout="constrained")
ax.axline((0, 0), slope=1, color="0.6", linewidth=1)
colors = ["#0072B2", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "0.5"]
for group, (color, marker) in enumerate(zip(colors, "o^sDPX", strict=True)):
    ax.scatter(
        truths[group],
        estimates[group],
        s=30,
        color=color,
        marker=marker,
        alpha=0.8,
        label=f"Bag {group}",
    )
ax.set(xlabel="True proportion", ylabel="Estimated proportion", aspect="equal")
ax.set_title("Ten digits in six bags")
ax.legend()
plt.show()
