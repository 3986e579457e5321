"""Choosing parameters for the estimation of prevalences."""

from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from skwot._typing import Array, Index
from skwot._unmixing.labels import known_shares, read_column, sorted_labels

__all__ = [
    "PrevalenceShiftSplit",
    "neg_kullback_leibler_divergence",
    "neg_mean_absolute_error",
    "neg_relative_absolute_error",
]


class PrevalenceShiftSplit:
    """Splitter whose test sets are bags with prevalences of their own.

    Cross-validation by rows keeps the shares of the classes as they are, and so cannot
    tell how well an estimator finds other shares. Here each split holds back a part of
    the rows of each class, draws prevalences from a Dirichlet distribution, and draws a
    bag with these from the rows held back, with replacement. So a test set may repeat a
    row; a training set never holds a row of its test set. This is the artificial
    prevalence protocol of the quantification literature [1]_.

    Parameters
    ----------
    n_splits : int, default=10
        Number of bags.
    test_size : float, default=0.3
        Share of the rows of each class that is held back, at least one row.
    bag_size : int, default=200
        Number of rows of each bag.
    alpha : float, default=1.0
        Parameter of the Dirichlet distribution. At 1 all prevalences are equally
        likely; larger values draw them together, smaller ones to the corners.
    random_state : int, RandomState instance or None, default=None
        Seed.

    See Also
    --------
    skwot.WassersteinUnmixer.score : What ``GridSearchCV`` maximises by default.

    References
    ----------
    .. [1] A. Esuli, A. Fabris, A. Moreo and F. Sebastiani, "Learning to Quantify",
       Springer (2023), section 3.3.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skwot import WassersteinUnmixer
    >>> from skwot.model_selection import PrevalenceShiftSplit
    >>> X, y = load_wine(return_X_y=True)
    >>> search = GridSearchCV(
    ...     make_pipeline(StandardScaler(), WassersteinUnmixer()),
    ...     {"wassersteinunmixer__loss": ["wasserstein", "semirelaxed"]},
    ...     cv=PrevalenceShiftSplit(10, random_state=0),
    ... ).fit(X, y)
    >>> search.best_params_
    {'wassersteinunmixer__loss': 'semirelaxed'}
    """

    def __init__(
        self,
        n_splits: int = 10,
        *,
        test_size: float = 0.3,
        bag_size: int = 200,
        alpha: float = 1.0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        _check("n_splits", n_splits, Integral, 0)
        _check("bag_size", bag_size, Integral, 0)
        _check("alpha", alpha, Real, 0)
        _check("test_size", test_size, Real, 0, 1)
        self.n_splits, self.test_size = n_splits, test_size
        self.bag_size, self.alpha = bag_size, alpha
        self.random_state = random_state

    def __repr__(self) -> str:
        return (
            f"PrevalenceShiftSplit(n_splits={self.n_splits}, "
            f"test_size={self.test_size}, bag_size={self.bag_size}, "
            f"alpha={self.alpha}, random_state={self.random_state})"
        )

    def get_n_splits(
        self, X: Any = None, y: ArrayLike | None = None, groups: Any = None
    ) -> int:
        """Return the number of bags.

        Parameters
        ----------
        X, y, groups : object
            Ignored.

        Returns
        -------
        int
            `n_splits`.

        Examples
        --------
        >>> from skwot.model_selection import PrevalenceShiftSplit
        >>> PrevalenceShiftSplit(5).get_n_splits()
        5
        """
        return int(self.n_splits)

    def split(
        self, X: Any, y: ArrayLike, groups: Any = None
    ) -> Iterator[tuple[Index, Index]]:
        """Draw training and test rows.

        Parameters
        ----------
        X : object
            Ignored.
        y : array-like of shape (n_samples,)
            The source of each row.
        groups : object
            Ignored.

        Yields
        ------
        train : ndarray of shape (n_train,)
            Row numbers, sorted.
        test : ndarray of shape (bag_size,)
            Row numbers, of which some may repeat.

        Raises
        ------
        ValueError
            If a class has a single row, or labels are missing.

        Examples
        --------
        >>> import numpy as np
        >>> from skwot.model_selection import PrevalenceShiftSplit
        >>> y = np.repeat(["a", "b"], 50)
        >>> splitter = PrevalenceShiftSplit(3, bag_size=100, random_state=0)
        >>> for train, test in splitter.split(y, y):
        ...     print(len(train), np.mean(y[test] == "a"))
        70 0.03
        70 0.48
        70 0.26
        """
        classes, index = sorted_labels(read_column(y, "y"), "y")
        sizes = np.bincount(index)
        if sizes.min() < 2:
            raise ValueError(
                "PrevalenceShiftSplit needs at least two rows of each class, one to "
                f"fit and one to test; got {sizes.min()} of class "
                f"{classes.tolist()[sizes.argmin()]!r}."
            )
        held = np.clip(np.round(self.test_size * sizes).astype(int), 1, sizes - 1)
        random_state = check_random_state(self.random_state)
        for _ in range(self.n_splits):
            pools = [
                random_state.permutation(np.flatnonzero(index == k))[: held[k]]
                for k in range(len(classes))
            ]
            shares = random_state.dirichlet(np.full(len(classes), self.alpha))
            counts = random_state.multinomial(self.bag_size, shares)
            bag = [
                random_state.choice(pool, count)
                for pool, count in zip(pools, counts, strict=True)
            ]
            kept = np.ones(len(index), bool)
            kept[np.concatenate(pools)] = False
            yield np.flatnonzero(kept), np.concatenate(bag)


def _check(
    name: str, value: Any, kind: type[Any], above: float, below: float = np.inf
) -> None:
    is_kind = isinstance(value, kind) and not isinstance(value, bool)
    if not (is_kind and above < value < below):
        what = "an integer" if kind is Integral else "a number"
        limits = f"above {above}" if below == np.inf else f"between {above} and {below}"
        raise ValueError(f"{name} must be {what} {limits}; got {value!r}.")


def _prevalences(estimator: Any, X: Any, y: ArrayLike) -> tuple[Array, Array, int]:
    """Estimated and true prevalences, and the size of the bag."""
    step = estimator
    while hasattr(step, "steps"):
        X, step = step[:-1].transform(X), step[-1]
    labels = read_column(y, "y")
    found = np.asarray(step.unmix(X))
    return found, known_shares(labels, step.classes_), len(labels)


def neg_mean_absolute_error(estimator: Any, X: Any, y: ArrayLike) -> float:
    """Score a fitted unmixer by minus the mean absolute error of the prevalences.

    It is what :meth:`skwot.WassersteinUnmixer.score` gives, as a scorer.

    Parameters
    ----------
    estimator : WassersteinUnmixer, or Pipeline that ends in one
        Fitted.
    X : array-like of shape (n_samples, n_features)
        A bag.
    y : array-like of shape (n_samples,)
        The true sources of its rows.

    Returns
    -------
    float
        The score, at most zero; zero if the prevalences are exact.

    See Also
    --------
    PrevalenceShiftSplit : Draws bags with known prevalences.
    neg_relative_absolute_error : Divides errors by the true prevalences.
    neg_kullback_leibler_divergence : Punishes classes that are missed.

    Examples
    --------
    >>> from skwot import WassersteinUnmixer
    >>> from skwot.model_selection import neg_mean_absolute_error
    >>> unmixer = WassersteinUnmixer().fit([[0], [1], [5], [6]], [0, 0, 1, 1])
    >>> neg_mean_absolute_error(unmixer, [[0], [1], [5]], [0, 0, 0]) < 0
    True
    """
    found, truth, _ = _prevalences(estimator, X, y)
    return -float(abs(found - truth).mean())


def neg_relative_absolute_error(estimator: Any, X: Any, y: ArrayLike) -> float:
    """Score a fitted unmixer by minus the mean relative absolute error (RAE).

    Errors are divided by the true prevalences. Both are smoothed first, by adding half
    a row to each class, as the literature does.

    Parameters
    ----------
    estimator : WassersteinUnmixer, or Pipeline that ends in one
        Fitted.
    X : array-like of shape (n_samples, n_features)
        A bag.
    y : array-like of shape (n_samples,)
        The true sources of its rows.

    Returns
    -------
    float
        The score, at most zero; zero if the prevalences are exact.

    See Also
    --------
    PrevalenceShiftSplit : Draws bags with known prevalences.
    neg_mean_absolute_error : Counts all errors alike.
    neg_kullback_leibler_divergence : Punishes classes that are missed.

    Examples
    --------
    >>> from skwot import WassersteinUnmixer
    >>> from skwot.model_selection import neg_relative_absolute_error
    >>> unmixer = WassersteinUnmixer().fit([[0], [1], [5], [6]], [0, 0, 1, 1])
    >>> neg_relative_absolute_error(unmixer, [[0], [1], [5]], [0, 0, 1]) > -0.2
    True
    """
    found, truth = _smoothed(*_prevalences(estimator, X, y))
    return -float((abs(found - truth) / truth).mean())


def neg_kullback_leibler_divergence(estimator: Any, X: Any, y: ArrayLike) -> float:
    """Score a fitted unmixer by minus the divergence of true from found prevalences.

    The Kullback-Leibler divergence (KLD) in nats, of prevalences that are smoothed by
    adding half a row to each class, as the literature does.

    Parameters
    ----------
    estimator : WassersteinUnmixer, or Pipeline that ends in one
        Fitted.
    X : array-like of shape (n_samples, n_features)
        A bag.
    y : array-like of shape (n_samples,)
        The true sources of its rows.

    Returns
    -------
    float
        The score, at most zero; zero if the prevalences are exact.

    See Also
    --------
    PrevalenceShiftSplit : Draws bags with known prevalences.
    neg_mean_absolute_error : Counts all errors alike.
    neg_relative_absolute_error : Divides errors by the true prevalences.

    Examples
    --------
    >>> from skwot import WassersteinUnmixer
    >>> from skwot.model_selection import neg_kullback_leibler_divergence
    >>> unmixer = WassersteinUnmixer().fit([[0], [1], [5], [6]], [0, 0, 1, 1])
    >>> neg_kullback_leibler_divergence(unmixer, [[0], [1], [5]], [0, 0, 1]) > -0.1
    True
    """
    found, truth = _smoothed(*_prevalences(estimator, X, y))
    return -float(truth @ np.log(truth / found))


def _smoothed(found: Array, truth: Array, size: int) -> tuple[Array, Array]:
    added = 1 / (2 * size)
    total = 1 + added * len(truth)
    return (found + added) / total, (truth + added) / total
