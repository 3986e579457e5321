"""What transport costs between samples of one source, and why that matters.

Two samples of the same distribution are some way apart, and further if the distribution
is dispersed. A mixture that puts more weight on compact sources is therefore nearer to
the target than it should be. To first order the loss between the sources' samples and
the target's is

    E f(w) = f_0(w) + sum_k w_k e_k / 2 + a term of the target alone

with f_0 the loss between the distributions and e_k the expected loss between two
samples of source k: half of it is due to each side, as in the Sinkhorn divergence.
Surcharges of minus ``e_k / 2`` remove the term.
"""

from collections.abc import Callable

import numpy as np

from skwot._ot.measures import Measure, disjoint_samples
from skwot._typing import Array

LARGEST = 2000  # points that one sample of a source has at most, if not quantised
_POINTS = 2000  # samples of a source are drawn until they have so many points together,
_MOST_DRAWS = 16  # but not more often than this


def sampling_noise(
    sources: list[Measure],
    loss: Callable[[Measure, Measure], float],
    seed: int,
    largest: int | None = None,
) -> Array:
    """Estimate the expected loss between two samples as large as each source.

    Random halves of a source are samples of half its size. By how much the loss shrinks
    when sizes double is measured on halves of these, pooled over the sources, and leads
    from the halves to the whole.

    Parameters
    ----------
    sources : list of K Measure
        Each atom counts as one observation.
    loss : callable
        Of two measures.
    seed : int
        The same for each source, so that their order does not matter.
    largest : int, default=None
        Largest number of points in a half. None: no limit.

    Returns
    -------
    ndarray of shape (K,)
        Zero for a source of a single atom, which counts as known.
    """
    sizes = np.array([len(source.masses) for source in sources])
    halves = np.minimum(sizes // 2, largest or sizes.max())
    losses = [
        _loss_within(source, size, loss, np.random.RandomState(seed))
        for source, size in zip(sources, halves.tolist(), strict=True)
    ]
    half, quarter = np.array(losses).T
    known = quarter > 0
    shrinkage = half[known].sum() / quarter[known].sum() if known.any() else 1.0
    doublings = np.log2(sizes / np.maximum(halves, 1))
    # Between the rates n^(-1) and n^0; the rest is chance.
    return half * np.clip(shrinkage, 0.5, 1.0) ** doublings


def _loss_within(
    source: Measure,
    size: int,
    loss: Callable[[Measure, Measure], float],
    random_state: np.random.RandomState,
) -> tuple[float, float]:
    """Mean loss between samples of `size` atoms, and between samples half as large."""
    found = [
        [
            loss(*disjoint_samples(source, order, part)) if part else 0.0
            for part in (size, size // 2)
        ]
        for order in (
            random_state.permutation(len(source.masses))
            for _ in range(int(np.clip(_POINTS // max(size, 1), 1, _MOST_DRAWS)))
        )
    ]
    half, quarter = np.mean(found, axis=0)
    return half, quarter
