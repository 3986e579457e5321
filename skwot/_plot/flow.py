"""Display of a fitted GMMFlowFitter."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.pipeline import Pipeline

from skwot._compat import check_matplotlib_support
from skwot._flow import GMMFlowFitter
from skwot._gmm.covariance_types import expand_full
from skwot._gmm.mixtures import Mixture
from skwot._plot.components import Styles, draw_mixture, marginal
from skwot._plot.losses import draw_losses
from skwot._plot.moves import draw_map, draw_moves
from skwot._plot.paths import TARGET_ROLE, draw_path
from skwot._plot.plans import draw_plans
from skwot._plot.reading import (
    feature_labels,
    fitted_step,
    given_names,
    pick_features,
)
from skwot._plot.style import check_kind, make_axes
from skwot._typing import Array

KINDS = ("source", "target", "last", "path", "loss", "plan", "transport")


class GMMFlowDisplay:
    """Path of a Gaussian mixture that flows towards another one.

    It is recommended to use :meth:`from_estimator` to create a display. All
    parameters are stored as attributes.

    Parameters
    ----------
    weights_path : ndarray of shape (n_steps, n_components)
        Weights at each step, the initial ones first.
    means_path : ndarray of shape (n_steps, n_components, n_features)
        Means at each step.
    covariances_path : ndarray of shape \
            (n_steps, n_components, n_features, n_features)
        Covariances at each step.
    loss_curve : ndarray of shape (n_steps,)
        Loss at each step.
    target_weights : ndarray of shape (n_target_components,)
        Weights of the target.
    target_means : ndarray of shape (n_target_components, n_features)
        Means of the target.
    target_covariances : ndarray of shape (n_target_components, n_features, n_features)
        Covariances of the target.
    plans : sequence of ndarray of shape (n_components, n_target_components), \
            default=None
        Plan between the components of the mixture and those of each target.
    samples : ndarray of shape (n_samples, n_features), default=None
        Samples of the initial mixture.
    moved_samples : ndarray of shape (n_samples, n_features), default=None
        The same samples after transport.
    feature_names : sequence of n_features str, default=None
        Names of the features. "Feature 0" and so on if None.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the last plot.
    figure_ : matplotlib Figure
        Figure that holds them.

    See Also
    --------
    GMMFlowFitter : The estimator that is drawn.
    UnmixingDisplay : The display of the other estimator.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skwot import GMMFlowDisplay, GMMFlowFitter
    >>> from skwot.datasets import make_gaussian_mixtures
    >>> X, initial, target = make_gaussian_mixtures(random_state=0)
    >>> flow = GMMFlowFitter(3, init=initial, target=target).fit(X)
    >>> display = GMMFlowDisplay.from_estimator(flow, kind="loss")
    >>> display.ax_.get_xlabel()
    'Step'
    >>> display = display.plot(kind="plan")
    >>> display.ax_.get_xlabel()
    'Component of the target'
    >>> plt.close("all")
    """

    def __init__(
        self,
        *,
        weights_path: Array,
        means_path: Array,
        covariances_path: Array,
        loss_curve: Array,
        target_weights: Array,
        target_means: Array,
        target_covariances: Array,
        plans: Sequence[Array] | None = None,
        samples: Array | None = None,
        moved_samples: Array | None = None,
        feature_names: Sequence[str] | None = None,
    ) -> None:
        self.weights_path = weights_path
        self.means_path = means_path
        self.covariances_path = covariances_path
        self.loss_curve = loss_curve
        self.target_weights = target_weights
        self.target_means = target_means
        self.target_covariances = target_covariances
        self.plans = plans
        self.samples = samples
        self.moved_samples = moved_samples
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike | None = None,
        *,
        kind: str = "path",
        method: str = "barycentric",
        features: Any = None,
        cmap: Any = "plasma",
        ellipse_kw: dict[str, Any] | None = None,
        scatter_kw: dict[str, Any] | None = None,
        line_kw: dict[str, Any] | None = None,
        arrow_kw: dict[str, Any] | None = None,
        im_kw: dict[str, Any] | None = None,
        text_kw: dict[str, Any] | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw a fitted estimator.

        Parameters
        ----------
        estimator : GMMFlowFitter or Pipeline
            Fitted. Of a pipeline the last step is drawn, so that the features are those
            that this step was given, under the names that the steps before give them.
        X : array-like of shape (n_samples, n_features), default=None
            Samples of the initial mixture, which ``kind="transport"`` moves. They are
            given as the pipeline takes them, if `estimator` is one.
        kind : {"source", "target", "last", "path", "loss", "plan", "transport"}, \
                default="path"
            See :meth:`plot`.
        method : {"barycentric", "random"}, default="barycentric"
            How samples are moved; see :meth:`~skwot.GMMFlowFitter.transport`.
        features : int, str, or sequence of one or two of these, default=None
            See :meth:`plot`.
        cmap : str or matplotlib Colormap, default="plasma"
            See :meth:`plot`.
        ellipse_kw : dict, default=None
            See :meth:`plot`.
        scatter_kw : dict, default=None
            See :meth:`plot`.
        line_kw : dict, default=None
            See :meth:`plot`.
        arrow_kw : dict, default=None
            See :meth:`plot`.
        im_kw : dict, default=None
            See :meth:`plot`.
        text_kw : dict, default=None
            See :meth:`plot`.
        ax : matplotlib Axes, default=None
            See :meth:`plot`.

        Returns
        -------
        GMMFlowDisplay
            The display.

        Raises
        ------
        TypeError
            If `estimator` is neither a GMMFlowFitter nor a pipeline that ends in one.
        NotFittedError
            If it is not fitted.
        ValueError
            As in :meth:`plot`, and if `X` cannot be moved: see
            :meth:`~skwot.GMMFlowFitter.transport`.
        ImportError
            If matplotlib is not installed.
        """
        flow = fitted_step(estimator, GMMFlowFitter)
        samples, moved = (
            (None, None) if X is None else _move(estimator, flow, X, method)
        )
        shape = flow.means_path_.shape[1:]
        full = [
            expand_full(covariances, flow._covariance_type, *shape)
            for covariances in flow.covariances_path_
        ]
        display = cls(
            weights_path=flow.weights_path_,
            means_path=flow.means_path_,
            covariances_path=np.stack(full),
            loss_curve=flow.loss_curve_,
            target_weights=flow.target_weights_,
            target_means=flow.target_means_,
            target_covariances=flow.target_covariances_,
            plans=flow.plans_,
            samples=samples,
            moved_samples=moved,
            feature_names=given_names(estimator, flow),
        )
        return display.plot(
            kind=kind,
            features=features,
            cmap=cmap,
            ellipse_kw=ellipse_kw,
            scatter_kw=scatter_kw,
            line_kw=line_kw,
            arrow_kw=arrow_kw,
            im_kw=im_kw,
            text_kw=text_kw,
            ax=ax,
        )

    def plot(
        self,
        *,
        kind: str = "path",
        features: Any = None,
        cmap: Any = "plasma",
        ellipse_kw: dict[str, Any] | None = None,
        scatter_kw: dict[str, Any] | None = None,
        line_kw: dict[str, Any] | None = None,
        arrow_kw: dict[str, Any] | None = None,
        im_kw: dict[str, Any] | None = None,
        text_kw: dict[str, Any] | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw one of seven figures.

        Of two features, a component is an ellipse of half a standard deviation around
        its mean. The opacity is in proportion to the weight, which at each step is that
        of the step. Of one feature, a mixture is the curve of its density.

        Parameters
        ----------
        kind : {"source", "target", "last", "path", "loss", "plan", "transport"}, \
                default="path"
            "source" and "target": one of the two mixtures. "last": the initial
            mixture, the last step and the target. "path": the same with all steps,
            coloured along the path. "loss": the lowest loss so far, and the loss at
            each step beside it if it has risen, on a logarithmic axis if the losses
            span two decades. "plan": the mass that goes from each component to each of
            the target's; of several targets, one plan beside the other. "transport":
            samples before and after transport, with arrows, and the target; of one
            feature, after over before.
        features : int, str, or sequence of one or two of these, default=None
            The features on the axes, each by its name or its index; not used for "loss"
            and "plan". None means the first two, or the only one.
        cmap : str or matplotlib Colormap, default="plasma"
            Colours of "path", of which those too light for a white ground are left out.
        ellipse_kw : dict, default=None
            Keywords for :class:`matplotlib.collections.EllipseCollection`, which draws
            components.
        scatter_kw : dict, default=None
            Keywords for :meth:`matplotlib.axes.Axes.scatter`, which draws means and
            samples.
        line_kw : dict, default=None
            Keywords for :meth:`matplotlib.axes.Axes.plot`, which draws the loss and
            densities.
        arrow_kw : dict, default=None
            Keywords for :meth:`matplotlib.axes.Axes.quiver`, which draws the arrows of
            "transport".
        im_kw : dict, default=None
            Keywords for :meth:`matplotlib.axes.Axes.imshow`, which draws "plan".
        text_kw : dict, default=None
            Keywords for :meth:`matplotlib.axes.Axes.text`, which writes the masses of
            "plan", if there are at most 120 pairs of components.
        ax : matplotlib Axes, default=None
            Where to draw; new axes if None.

        Returns
        -------
        GMMFlowDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `kind` is unknown, if `features` are, or if the display has no plans or
            no samples to draw.
        ImportError
            If matplotlib is not installed.
        """
        check_kind(kind, KINDS)
        names = feature_labels(self.feature_names, self.target_means.shape[1])
        columns = pick_features(features, names)
        self._refuse_missing(kind)
        self.ax_ = make_axes(ax, f"{type(self).__name__}.plot")
        self.figure_ = self.ax_.figure
        styles = Styles(ellipse_kw, scatter_kw, line_kw)
        if kind == "plan":
            assert self.plans is not None
            draw_plans(self.ax_, list(self.plans), im_kw, text_kw)
            return self
        if kind == "loss":
            numbers = np.arange(float(len(self.loss_curve)))
            draw_losses(self.ax_, numbers, self.loss_curve, line_kw)
            self.ax_.set(xlabel="Step", ylabel="Squared distance $MW_2^2$")
        elif kind == "transport":
            self._plot_transport(columns, names, styles, arrow_kw)
        else:
            steps = [marginal(step, columns) for step in self._steps()]
            target = marginal(self._target(), columns)
            draw_path(self.ax_, kind, steps, target, cmap, styles)
            self._name_axes(columns, names)
        self.ax_.legend()
        return self

    def animate(
        self,
        *,
        features: Any = None,
        n_frames: int = 50,
        interval: int = 80,
        ellipse_kw: dict[str, Any] | None = None,
        scatter_kw: dict[str, Any] | None = None,
        line_kw: dict[str, Any] | None = None,
        ax: Any = None,
    ) -> Any:
        """Make an animation of the path.

        Keep the animation in a variable until it is shown or saved: matplotlib stops
        it otherwise. A notebook shows it as a GIF, which needs no other program.

        Parameters
        ----------
        features : int, str, or sequence of one or two of these, default=None
            See :meth:`plot`.
        n_frames : int, default=50
            Largest number of steps to show, evenly spread over the path.
        interval : int, default=80
            Time from one frame to the next, in milliseconds. The last one stays for a
            second and a half.
        ellipse_kw : dict, default=None
            See :meth:`plot`.
        scatter_kw : dict, default=None
            See :meth:`plot`.
        line_kw : dict, default=None
            See :meth:`plot`.
        ax : matplotlib Axes, default=None
            Where to draw; new axes if None.

        Returns
        -------
        matplotlib.animation.FuncAnimation
            The animation, with a method `save`.

        Raises
        ------
        ValueError
            If `features` are unknown, or `n_frames` or `interval` is below 1.
        ImportError
            If matplotlib is not installed.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> import matplotlib.pyplot as plt
        >>> from skwot import GMMFlowDisplay, GMMFlowFitter
        >>> from skwot.datasets import make_gaussian_mixtures
        >>> X, initial, target = make_gaussian_mixtures(random_state=0)
        >>> flow = GMMFlowFitter(3, init=initial, target=target).fit(X)
        >>> animation = GMMFlowDisplay.from_estimator(flow).animate(n_frames=3)
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "flow.gif"
        ...     animation.save(path, writer="pillow", dpi=50)
        ...     path.read_bytes()[:3]
        b'GIF'
        >>> plt.close("all")
        """
        for name, value in (("n_frames", n_frames), ("interval", interval)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1; got {value!r}.")
        names = feature_labels(self.feature_names, self.target_means.shape[1])
        columns = pick_features(features, names)
        check_matplotlib_support(f"{type(self).__name__}.animate")
        from skwot._plot.animation import Film, FlowAnimation

        self.ax_ = make_axes(ax, f"{type(self).__name__}.animate")
        self.figure_ = self.ax_.figure
        steps = [marginal(step, columns) for step in self._steps()]
        spread = np.linspace(0, len(steps) - 1, min(n_frames, len(steps)))
        numbers = spread.round().astype(int).tolist()
        frames = [steps[number] for number in numbers]
        film = Film(numbers, frames, marginal(self._target(), columns), interval)
        self._name_axes(columns, names)
        return FlowAnimation(self.ax_, film, Styles(ellipse_kw, scatter_kw, line_kw))

    def _refuse_missing(self, kind: str) -> None:
        if kind == "plan" and self.plans is None:
            raise ValueError("kind='plan' needs plans; the display has plans=None.")
        if kind == "transport" and (self.samples is None or self.moved_samples is None):
            raise ValueError(
                "kind='transport' draws samples of the initial mixture before and "
                "after transport: give them as X to from_estimator, or as samples and "
                "moved_samples to the display."
            )

    def _steps(self) -> list[Mixture]:
        paths = self.weights_path, self.means_path, self.covariances_path
        return [Mixture(*step) for step in zip(*paths, strict=True)]

    def _target(self) -> Mixture:
        return Mixture(self.target_weights, self.target_means, self.target_covariances)

    def _name_axes(self, columns: list[int], names: list[str]) -> None:
        x, y = [*(names[column] for column in columns), "Density"][:2]
        self.ax_.set(xlabel=x, ylabel=y)

    def _plot_transport(
        self,
        columns: list[int],
        names: list[str],
        styles: Styles,
        arrow_kw: dict[str, Any] | None,
    ) -> None:
        assert self.samples is not None
        assert self.moved_samples is not None
        before, after = self.samples[:, columns], self.moved_samples[:, columns]
        if len(columns) == 1:
            name = names[columns[0]]
            draw_map(self.ax_, before[:, 0], after[:, 0], name, styles.scatter)
            return
        draw_moves(self.ax_, before, after, styles.scatter, arrow_kw)
        draw_mixture(self.ax_, marginal(self._target(), columns), TARGET_ROLE, styles)
        self._name_axes(columns, names)


def _move(
    estimator: Any, flow: GMMFlowFitter, X: ArrayLike, method: str
) -> tuple[Array, Array]:
    """Transform samples by the steps before the flow, and transport them."""
    points: Any = X
    if isinstance(estimator, Pipeline) and len(estimator.steps) > 1:
        points = estimator[:-1].transform(X)
    moved = flow.transport(points, method=method)
    return np.asarray(points, np.float64), np.asarray(moved, np.float64)
