"""Display of a fitted WassersteinUnmixer."""

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skwot._typing import Array

KINDS = ("sources", "reweighted", "loss")


class UnmixingDisplay:
    """Sources, target and loss of an unmixing.

    It is recommended to use :meth:`from_estimator` to create a display. All
    parameters are stored as attributes.

    Parameters
    ----------
    source_points : ndarray of shape (n_atoms, n_features)
        Points of the sources.
    source_masses : ndarray of shape (n_atoms, K)
        Mass of each point in each source.
    weights : ndarray of shape (K,)
        Weights of the sources.
    target_points : ndarray of shape (n_target_atoms, n_features)
        Points of the target.
    target_masses : ndarray of shape (n_target_atoms,)
        Masses of the target.
    loss_curve : ndarray of shape (n_iter,)
        Loss at each step.
    lower_bound : float
        Certified lower bound on the loss.
    source_names : sequence of K str
        Names of the sources in the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the last plot.
    figure_ : matplotlib Figure
        Figure that holds them.

    See Also
    --------
    WassersteinUnmixer : The estimator that is drawn.
    GMMFlowDisplay : The display of the other estimator.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skwot import UnmixingDisplay, WassersteinUnmixer
    >>> from skwot.datasets import make_unmixing
    >>> X, y, _ = make_unmixing(random_state=0)
    >>> unmixer = WassersteinUnmixer().fit(X, y)
    >>> display = UnmixingDisplay.from_estimator(unmixer, kind="reweighted")
    >>> display.ax_.get_xlabel()
    'Feature 0'
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        *,
        source_points: Array,
        source_masses: Array,
        weights: Array,
        target_points: Array,
        target_masses: Array,
        loss_curve: Array,
        lower_bound: float,
        source_names: list[str],
    ) -> None:
        self.source_points = source_points
        self.source_masses = source_masses
        self.weights = weights
        self.target_points = target_points
        self.target_masses = target_masses
        self.loss_curve = loss_curve
        self.lower_bound = lower_bound
        self.source_names = source_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        kind: str = "reweighted",
        features: tuple[int, int] = (0, 1),
        ax: Any = None,
    ) -> Self:
        """Draw a fitted estimator.

        Parameters
        ----------
        estimator : WassersteinUnmixer
            Fitted.
        kind : {"sources", "reweighted", "loss"}, default="reweighted"
            See :meth:`plot`.
        features : tuple of two int, default=(0, 1)
            See :meth:`plot`.
        ax : matplotlib Axes, default=None
            See :meth:`plot`.

        Returns
        -------
        UnmixingDisplay
        """
        check_is_fitted(estimator)
        display = cls(
            source_points=estimator.source_points_,
            source_masses=estimator.source_masses_,
            weights=estimator.weights_,
            target_points=estimator.target_points_,
            target_masses=estimator.target_masses_,
            loss_curve=estimator.loss_curve_,
            lower_bound=estimator.lower_bound_,
            source_names=[str(label) for label in estimator.classes_],
        )
        return display.plot(kind=kind, features=features, ax=ax)

    def plot(
        self,
        *,
        kind: str = "reweighted",
        features: tuple[int, int] = (0, 1),
        ax: Any = None,
    ) -> Self:
        """Draw one of three figures.

        Parameters
        ----------
        kind : {"sources", "reweighted", "loss"}, default="reweighted"
            "sources": the target and each source. "reweighted": the target and
            the mixture, the area of a point proportional to its mass. "loss": the
            loss at each step and the lower bound.
        features : tuple of two int, default=(0, 1)
            The features on the axes. Data with a single feature are drawn as
            histograms.
        ax : matplotlib Axes, default=None
            Where to draw; new axes if None.

        Returns
        -------
        UnmixingDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `kind` is unknown.
        """
        import matplotlib.pyplot as plt

        if kind not in KINDS:
            raise ValueError(f"kind must be one of {KINDS}; got {kind!r}.")
        self.ax_ = plt.subplots()[1] if ax is None else ax
        self.figure_ = self.ax_.figure
        if kind == "loss":
            self._plot_loss()
        elif self.source_points.shape[1] == 1:
            self._plot_histograms(self._clouds(kind))
        else:
            self._plot_scatter(self._clouds(kind), list(features))
        self.ax_.legend()
        return self

    def _clouds(self, kind: str) -> list[tuple[str, Array, Array]]:
        """Name, points and masses of what is drawn."""
        target = ("Target", self.target_points, self.target_masses)
        if kind == "reweighted":
            mixture = self.source_masses @ self.weights
            return [target, ("Weighted sources", self.source_points, mixture)]
        sources = [
            (f"Source {name}", self.source_points[masses > 0], masses[masses > 0])
            for name, masses in zip(
                self.source_names, self.source_masses.T, strict=True
            )
        ]
        return [target, *sources]

    def _plot_loss(self) -> None:
        steps = np.arange(1, len(self.loss_curve) + 1)
        marker = "." if len(steps) < 50 else ""
        self.ax_.semilogy(steps, self.loss_curve, marker=marker, label="Loss")
        if self.lower_bound > 0:
            self.ax_.axhline(
                self.lower_bound, color="k", linestyle=":", label="Lower bound"
            )
        self.ax_.set(xlabel="Exact transport solves", ylabel="Transport cost")

    def _plot_scatter(
        self, clouds: list[tuple[str, Array, Array]], features: list[int]
    ) -> None:
        # A point of average mass in the target has this area.
        area = 20 * len(self.target_points)
        for name, points, masses in clouds:
            x, y = points[:, features].T
            self.ax_.scatter(x, y, s=area * masses, label=name, alpha=0.5)
        self.ax_.set(xlabel=f"Feature {features[0]}", ylabel=f"Feature {features[1]}")

    def _plot_histograms(self, clouds: list[tuple[str, Array, Array]]) -> None:
        values = np.concatenate([points[:, 0] for _, points, _ in clouds])
        edges = np.histogram_bin_edges(values, bins="auto")
        for name, points, masses in clouds:
            self.ax_.hist(
                points[:, 0], bins=edges.tolist(), weights=masses, label=name, alpha=0.5
            )
        self.ax_.set(xlabel="Feature 0", ylabel="Mass")
