"""Display of a fitted WassersteinUnmixer."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from skwot._plot.clouds import Cloud, draw_histograms, draw_scatter
from skwot._plot.losses import draw_losses
from skwot._plot.reading import (
    feature_labels,
    fitted_step,
    given_names,
    pick_features,
)
from skwot._plot.style import END, TARGET, check_kind, looks, make_axes
from skwot._plot.weights import draw_weights, read_intervals, read_weights
from skwot._typing import Array
from skwot._unmixer import WassersteinUnmixer

KINDS = ("sources", "reweighted", "weights", "loss")
_LOSSES = {
    "wasserstein": "Transport cost",
    "sinkhorn": "Sinkhorn divergence",
    "semirelaxed": "Semi-relaxed transport cost",
}


class UnmixingDisplay:
    """Sources, target, weights and loss of an unmixing.

    It is recommended to use :meth:`from_estimator` to create a display. All
    parameters are stored as attributes.

    Parameters
    ----------
    source_points : ndarray of shape (n_atoms, n_features) or None
        Points of the sources. None if there are none, as with precomputed costs.
    source_masses : ndarray of shape (n_atoms, K)
        Mass of each point in each source.
    weights : ndarray of shape (K,)
        Weights of the sources.
    target_points : ndarray of shape (n_target_atoms, n_features) or None
        Points of the target.
    target_masses : ndarray of shape (n_target_atoms,)
        Masses of the target.
    loss_curve : ndarray of shape (n_iter,)
        Loss at each step.
    lower_bound : float
        Certified lower bound on the loss.
    source_names : sequence of K str
        Names of the sources in the legend.
    feature_names : sequence of n_features str, default=None
        Names of the columns of the points. "Feature 0" and so on if None.
    loss_name : str, default="Transport cost"
        What the loss is.

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
    >>> X, y, truth = make_unmixing(random_state=0)
    >>> unmixer = WassersteinUnmixer().fit(X, y)
    >>> display = UnmixingDisplay.from_estimator(unmixer, kind="reweighted")
    >>> display.ax_.get_xlabel()
    'Feature 0'
    >>> display = display.plot(
    ...     kind="weights",
    ...     intervals=unmixer.bootstrap(n_resamples=20, random_state=0),
    ...     truth=truth,
    ... )
    >>> display.ax_.get_ylabel()
    'Weight'
    >>> plt.close("all")
    """

    def __init__(
        self,
        *,
        source_points: Array | None,
        source_masses: Array,
        weights: Array,
        target_points: Array | None,
        target_masses: Array,
        loss_curve: Array,
        lower_bound: float,
        source_names: list[str],
        feature_names: Sequence[str] | None = None,
        loss_name: str = "Transport cost",
    ) -> None:
        self.source_points = source_points
        self.source_masses = source_masses
        self.weights = weights
        self.target_points = target_points
        self.target_masses = target_masses
        self.loss_curve = loss_curve
        self.lower_bound = lower_bound
        self.source_names = source_names
        self.feature_names = feature_names
        self.loss_name = loss_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        kind: str = "reweighted",
        features: Any = None,
        weights: ArrayLike | None = None,
        intervals: Any = None,
        truth: ArrayLike | None = None,
        scatter_kw: dict[str, Any] | None = None,
        bar_kw: dict[str, Any] | None = None,
        errorbar_kw: dict[str, Any] | None = None,
        line_kw: dict[str, Any] | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw a fitted estimator.

        Parameters
        ----------
        estimator : WassersteinUnmixer or Pipeline
            Fitted. Of a pipeline the last step is drawn, so that the features are those
            that this step was given, under the names that the steps before give them.
            With a classifier, the points are square roots of class probabilities, after
            the rows themselves if they are compared, too.
        kind : {"sources", "reweighted", "weights", "loss"}, default="reweighted"
            See :meth:`plot`.
        features : int, str, or sequence of one or two of these, default=None
            See :meth:`plot`.
        weights : array-like of shape (K,), default=None
            See :meth:`plot`.
        intervals : BootstrapResult, ConfidenceInterval or pair, default=None
            See :meth:`plot`.
        truth : array-like of shape (K,), default=None
            See :meth:`plot`.
        scatter_kw : dict, default=None
            See :meth:`plot`.
        bar_kw : dict, default=None
            See :meth:`plot`.
        errorbar_kw : dict, default=None
            See :meth:`plot`.
        line_kw : dict, default=None
            See :meth:`plot`.
        ax : matplotlib Axes, default=None
            See :meth:`plot`.

        Returns
        -------
        UnmixingDisplay
            The display.

        Raises
        ------
        TypeError
            If `estimator` is neither a WassersteinUnmixer nor a pipeline that ends in
            one.
        NotFittedError
            If it is not fitted.
        ValueError
            As in :meth:`plot`.
        ImportError
            If matplotlib is not installed.
        """
        unmixer = fitted_step(estimator, WassersteinUnmixer)
        # The rows of a matrix of costs have no place.
        has_points = not hasattr(unmixer, "costs_")
        given = given_names(estimator, unmixer)
        names = _point_names(unmixer, given) if has_points else None
        display = cls(
            source_points=unmixer.source_points_ if has_points else None,
            source_masses=unmixer.source_masses_,
            weights=unmixer.weights_,
            target_points=unmixer.target_points_ if has_points else None,
            target_masses=unmixer.target_masses_,
            loss_curve=unmixer.loss_curve_,
            lower_bound=unmixer.lower_bound_,
            source_names=[str(label) for label in unmixer.classes_],
            feature_names=names,
            loss_name=_LOSSES[unmixer.loss],
        )
        return display.plot(
            kind=kind,
            features=features,
            weights=weights,
            intervals=intervals,
            truth=truth,
            scatter_kw=scatter_kw,
            bar_kw=bar_kw,
            errorbar_kw=errorbar_kw,
            line_kw=line_kw,
            ax=ax,
        )

    def plot(
        self,
        *,
        kind: str = "reweighted",
        features: Any = None,
        weights: ArrayLike | None = None,
        intervals: Any = None,
        truth: ArrayLike | None = None,
        scatter_kw: dict[str, Any] | None = None,
        bar_kw: dict[str, Any] | None = None,
        errorbar_kw: dict[str, Any] | None = None,
        line_kw: dict[str, Any] | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw one of four figures.

        Parameters
        ----------
        kind : {"sources", "reweighted", "weights", "loss"}, default="reweighted"
            "sources": the target and each source. "reweighted": the target and
            the mixture, the area of a point proportional to its mass. "weights": a bar
            for each source, with `intervals` and `truth` if they are given. "loss": the
            lowest loss so far and the lower bound, on a logarithmic axis if the losses
            span two decades; the loss at each step beside it, if it has risen.
        features : int, str, or sequence of one or two of these, default=None
            The features on the axes of "sources" and "reweighted", each by its name or
            its index. One feature is drawn as histograms. None means the first two, or
            the only one.
        weights : array-like of shape (K,), default=None
            Weights to draw with "weights", such as those that
            :meth:`~skwot.WassersteinUnmixer.unmix` gives for another target. None means
            those of the display.
        intervals : BootstrapResult, ConfidenceInterval or pair, default=None
            Intervals to draw with "weights": what
            :meth:`~skwot.WassersteinUnmixer.bootstrap` returns, or lower and upper
            ends, each of shape (K,).
        truth : array-like of shape (K,), default=None
            True weights to draw with "weights".
        scatter_kw : dict, default=None
            Keywords for :meth:`matplotlib.axes.Axes.scatter`, which draws points and
            the truth. "s" is the area of a point of average mass in the target.
        bar_kw : dict, default=None
            Keywords for :meth:`matplotlib.axes.Axes.bar`, which draws weights, and
            :meth:`matplotlib.axes.Axes.stairs`, which draws histograms.
        errorbar_kw : dict, default=None
            Keywords for :meth:`matplotlib.axes.Axes.errorbar`, which draws intervals,
            such as ``{"label": "95 % interval"}``.
        line_kw : dict, default=None
            Keywords for :meth:`matplotlib.axes.Axes.plot`, which draws the loss.
        ax : matplotlib Axes, default=None
            Where to draw; new axes if None.

        Returns
        -------
        UnmixingDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `kind` is unknown; if `features` are; if there are no points to draw; or
            if `weights`, `intervals` or `truth` are not one for each source.
        ImportError
            If matplotlib is not installed.
        """
        check_kind(kind, KINDS)
        if kind == "weights":
            n_sources = len(self.source_names)
            given = self.weights if weights is None else weights
            shown = read_weights(given, "weights", n_sources)
            ends = None if intervals is None else read_intervals(intervals, n_sources)
            true = None if truth is None else read_weights(truth, "truth", n_sources)
        elif kind != "loss":
            clouds = self._clouds(kind)
            n_features = clouds[0].points.shape[1]
            names = feature_labels(self.feature_names, n_features)
            columns = pick_features(features, names)
        self.ax_ = make_axes(ax, f"{type(self).__name__}.plot")
        self.figure_ = self.ax_.figure
        if kind == "weights":
            styles = bar_kw, errorbar_kw, scatter_kw
            draw_weights(self.ax_, list(self.source_names), shown, ends, true, *styles)
        elif kind == "loss":
            steps = np.arange(1.0, len(self.loss_curve) + 1)
            draw_losses(self.ax_, steps, self.loss_curve, line_kw, self.lower_bound)
            self.ax_.set(xlabel="Step", ylabel=self.loss_name)
        elif len(columns) == 1:
            draw_histograms(self.ax_, clouds, columns[0], bar_kw)
            self.ax_.set(xlabel=names[columns[0]], ylabel="Mass")
        else:
            draw_scatter(self.ax_, clouds, columns, scatter_kw)
            x, y = (names[column] for column in columns)
            self.ax_.set(xlabel=x, ylabel=y)
        if kind != "weights":
            self.ax_.legend()
        return self

    def _clouds(self, kind: str) -> list[Cloud]:
        """Points in each role, the target's last."""
        if self.source_points is None or self.target_points is None:
            raise ValueError(
                f"kind={kind!r} draws points, and there are none where costs are "
                'precomputed; kind must be "weights" or "loss".'
            )
        target = Cloud("Target", self.target_points, self.target_masses, TARGET)
        if kind == "reweighted":
            mixture = self.source_masses @ self.weights
            return [Cloud("Weighted sources", self.source_points, mixture, END), target]
        sources = [
            Cloud(f"Source {name}", self.source_points[m > 0], m[m > 0], look)
            for name, m, look in zip(
                self.source_names,
                self.source_masses.T,
                looks(len(self.source_names)),
                strict=True,
            )
        ]
        return [*sources, target]


def _point_names(unmixer: WassersteinUnmixer, given: Sequence[str] | None) -> list[str]:
    """Names of the columns of points: features, and roots of probabilities."""
    n_columns = unmixer.source_points_.shape[1]
    roots = []
    if hasattr(unmixer, "classifier_"):
        roots = [f"Root of P({label})" for label in unmixer.classes_]
    n_features = n_columns - len(roots)
    return [*feature_labels(given if n_features else None, n_features), *roots]
