"""Display of a fitted GMMFlowFitter."""

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skwot._gmm.covariance_types import expand_full
from skwot._typing import Array

KINDS = ("source", "target", "last", "path", "loss")
# Width and height of an ellipse, in standard deviations of its component.
_DIAMETER = 1.0


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
    >>> plt.close(display.figure_)
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
    ) -> None:
        self.weights_path = weights_path
        self.means_path = means_path
        self.covariances_path = covariances_path
        self.loss_curve = loss_curve
        self.target_weights = target_weights
        self.target_means = target_means
        self.target_covariances = target_covariances

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        kind: str = "path",
        features: tuple[int, int] = (0, 1),
        cmap: str = "plasma",
        ax: Any = None,
    ) -> Self:
        """Draw a fitted estimator.

        Parameters
        ----------
        estimator : GMMFlowFitter
            Fitted.
        kind : {"source", "target", "last", "path", "loss"}, default="path"
            See :meth:`plot`.
        features : tuple of two int, default=(0, 1)
            See :meth:`plot`.
        cmap : str, default="plasma"
            See :meth:`plot`.
        ax : matplotlib Axes, default=None
            See :meth:`plot`.

        Returns
        -------
        GMMFlowDisplay
        """
        check_is_fitted(estimator)
        shape = estimator.means_path_.shape[1:]
        full = [
            expand_full(covariances, estimator._covariance_type, *shape)
            for covariances in estimator.covariances_path_
        ]
        display = cls(
            weights_path=estimator.weights_path_,
            means_path=estimator.means_path_,
            covariances_path=np.stack(full),
            loss_curve=estimator.loss_curve_,
            target_weights=estimator.target_weights_,
            target_means=estimator.target_means_,
            target_covariances=estimator.target_covariances_,
        )
        return display.plot(kind=kind, features=features, cmap=cmap, ax=ax)

    def plot(
        self,
        *,
        kind: str = "path",
        features: tuple[int, int] = (0, 1),
        cmap: str = "plasma",
        ax: Any = None,
    ) -> Self:
        """Draw one of five figures.

        A component is an ellipse of half a standard deviation around its mean. The
        opacity is in proportion to the weight, which at each step is that of the
        step.

        Parameters
        ----------
        kind : {"source", "target", "last", "path", "loss"}, default="path"
            "source" and "target": one of the two mixtures. "last": the initial
            mixture, the target and the last step. "path": the initial mixture,
            the target and all steps, coloured along the path. "loss": the loss at
            each step, on a logarithmic axis.
        features : tuple of two int, default=(0, 1)
            The features on the axes; not used for "loss".
        cmap : str, default="plasma"
            Colours of "path".
        ax : matplotlib Axes, default=None
            Where to draw; new axes if None.

        Returns
        -------
        GMMFlowDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `kind` is unknown, or if mixtures of a single feature are to be
            drawn.
        """
        import matplotlib.pyplot as plt

        if kind not in KINDS:
            raise ValueError(f"kind must be one of {KINDS}; got {kind!r}.")
        n_features = self.target_means.shape[1]
        if kind != "loss" and n_features < 2:
            raise ValueError(
                f"kind={kind!r} draws two features, got mixtures of {n_features}."
            )
        self.ax_ = plt.subplots()[1] if ax is None else ax
        self.figure_ = self.ax_.figure
        if kind == "loss":
            self._plot_loss()
            return self
        axes = list(features)
        if kind == "path":
            self._plot_path(axes, plt.get_cmap(cmap))
        if kind in ("source", "last"):
            self._plot_mixture(self._step(0), axes, "C0", "Source")
        if kind in ("target", "last"):
            self._plot_mixture(self._target(), axes, "C1", "Target")
        if kind == "last":
            self._plot_mixture(self._step(-1), axes, "C2", "Last step")
        self.ax_.set(xlabel=f"Feature {axes[0]}", ylabel=f"Feature {axes[1]}")
        self.ax_.legend()
        return self

    def _step(self, index: int) -> tuple[Array, Array, Array]:
        return (
            self.weights_path[index],
            self.means_path[index],
            self.covariances_path[index],
        )

    def _target(self) -> tuple[Array, Array, Array]:
        return self.target_weights, self.target_means, self.target_covariances

    def _plot_loss(self) -> None:
        # A logarithmic axis has no place for a loss of exactly zero.
        positive = np.where(self.loss_curve > 0, self.loss_curve, np.nan)
        marker = "." if len(positive) < 50 else ""
        self.ax_.semilogy(positive, marker=marker)
        self.ax_.set(xlabel="Step", ylabel="MW2 squared")

    def _plot_path(self, axes: list[int], cmap: Any) -> None:
        n_steps = len(self.weights_path)
        colors = cmap(np.linspace(0, 1, n_steps + 1))
        # Many steps lie on top of each other, and are made fainter.
        alpha = 0.5 / np.sqrt(n_steps)
        for step in range(1, n_steps):
            self._plot_mixture(self._step(step), axes, colors[step], alpha=alpha)
        self._plot_mixture(self._step(0), axes, colors[0], "Source")
        self._plot_mixture(self._target(), axes, colors[-1], "Target")

    def _plot_mixture(
        self,
        mixture: tuple[Array, Array, Array],
        axes: list[int],
        color: Any,
        label: str | None = None,
        alpha: float = 0.6,
    ) -> None:
        from matplotlib.collections import EllipseCollection
        from matplotlib.colors import to_rgba

        weights, means, covariances = mixture
        means, covariances = means[:, axes], covariances[:, axes][:, :, axes]
        values, vectors = np.linalg.eigh(covariances)
        diameters = _DIAMETER * np.sqrt(values.clip(0))
        faces = np.tile(to_rgba(color), (len(weights), 1))
        faces[:, 3] = alpha * weights / weights.max()
        ellipses = EllipseCollection(
            diameters[:, 1],
            diameters[:, 0],
            np.degrees(np.arctan2(vectors[:, 1, 1], vectors[:, 0, 1])),
            units="xy",
            offsets=means,
            offset_transform=self.ax_.transData,
            facecolors=faces,
        )
        self.ax_.add_collection(ellipses)
        x, y = means.T
        self.ax_.scatter(x, y, color=[color], s=15, label=label)
        # A collection reports its centres only.
        extents = _DIAMETER / 2 * np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
        self.ax_.update_datalim(np.vstack([means - extents, means + extents]))
        self.ax_.autoscale_view()
