"""The path of a flow, as it is recorded and as it is returned."""

from typing import Any, NamedTuple

import numpy as np

from skwot._gmm.arrays import to_numpy
from skwot._gmm.covariance_types import compact
from skwot._gmm.mixtures import Mixture, in_unit
from skwot._typing import Array

_FIRST = 8  # steps for which there is room at first
_GROWTH = 1.25  # of the room, when there is none left


class Flow(NamedTuple):
    """The path of a flow; the leading axis of the first three arrays is the step.

    Attributes
    ----------
    weights : ndarray of shape (n_recorded, n_components)
        At all steps, the start first; or at the first and the last one.
    means : ndarray of shape (n_recorded, n_components, d)
    covariances : ndarray of shape (n_recorded, *shape)
        In scikit-learn's shape for the covariance type.
    losses : ndarray of shape (n_iter + 1,)
        MW2 squared to the target, in squared units of the data.
    plan : ndarray of shape (n_components, n_target_components)
        Optimal plan of the mixture with the lowest loss.
    best : Mixture
        That mixture, the first of several; covariances as in the path.
    converged : bool
        Whether the last step left the loss where it was, to the tolerance.
    stopped : bool, default=False
        Whether the flow's watch ended it.
    """

    weights: Array
    means: Array
    covariances: Array
    losses: Array
    plan: Array
    best: Mixture
    converged: bool
    stopped: bool = False

    def in_unit(self, unit: float) -> "Flow":
        """Multiply everything that has a unit, when one of the data was `unit`."""
        if unit == 1.0:
            return self
        return self._replace(
            means=self.means * unit,
            covariances=self.covariances * unit * unit,
            losses=self.losses * unit * unit,
            best=in_unit(self.best, 1 / unit),
        )

    def continued(self, other: "Flow", whole: bool) -> "Flow":
        """Go on with the steps of another flow by which the loss falls further.

        Parameters
        ----------
        other : Flow
            Whose losses never rise and end lower.
        whole : bool
            Whether all steps are kept, and not only the first and the last one.

        Returns
        -------
        Flow
        """
        lower = other.losses < self.losses.min()
        kept = lower if whole else np.arange(len(other.weights)) == 1
        own = slice(None) if whole else slice(1)
        weights, means, covariances = (
            np.concatenate([mine[own], theirs[kept]])
            for mine, theirs in zip(self[:3], other[:3], strict=True)
        )
        losses = np.concatenate([self.losses, other.losses[lower]])
        return Flow(weights, means, covariances, losses, *other[4:])


class Path:
    """Recorder of a flow, and of the mixture of its lowest loss.

    Parameters
    ----------
    covariance_type : {'full', 'tied', 'diag', 'spherical'}
    whole : bool, default=True
        Whether all steps are kept, and not only the first and the last one.
    """

    def __init__(self, covariance_type: str, whole: bool = True) -> None:
        self.covariance_type, self._whole = covariance_type, whole
        self.losses: list[float] = []
        self._stacks = [_Stack() for _ in Mixture._fields]
        self._best: Mixture | int = 0
        self._plan: Array = np.empty(0)

    def append(
        self, weights: Any, means: Any, covariances: Any, loss: float, plan: Array
    ) -> None:
        """Record a copy of the mixture at one step."""
        parts = weights, means, compact(covariances, self.covariance_type)
        mixture = Mixture(*(to_numpy(x) for x in parts))
        if not self.losses or loss < min(self.losses):
            self._plan, self._best = plan, len(self.losses)
            if not self._whole:
                self._best = Mixture(*(x.copy() for x in mixture))
        self.losses.append(loss)
        for stack, part in zip(self._stacks, mixture, strict=True):
            if not self._whole and stack.size > 1:
                stack.size = 1
            stack.append(part)

    def snapshot(self) -> Flow:
        """Return a copy of what was recorded so far."""
        return self._as_flow([x.copy() for x in self._stacks], converged=False)

    def finish(self, converged: bool) -> Flow:
        """Return the flow that was recorded."""
        return self._as_flow([x.finish() for x in self._stacks], converged)

    def _as_flow(self, path: list[Array], converged: bool) -> Flow:
        weights, means, covariances = path
        best = self._best
        if isinstance(best, int):
            best = Mixture(*(x[best].copy() for x in path))
        losses = np.array(self.losses)
        return Flow(weights, means, covariances, losses, self._plan, best, converged)


class _Stack:
    """Arrays of one shape in one that grows, so that they are in memory once."""

    def __init__(self) -> None:
        self.size = 0
        self._array: Array = np.empty((0, 0))

    def append(self, part: Array) -> None:
        """Copy an array to the end."""
        if self.size == 0:
            self._array = np.empty((_FIRST, *part.shape))
        elif self.size == len(self._array):
            self._resize(int(_GROWTH * self.size) + 1)
        self._array[self.size] = part
        self.size += 1

    def copy(self) -> Array:
        """Return a copy of what was appended."""
        return self._array[: self.size].copy()

    def finish(self) -> Array:
        """Return what was appended, after which there is no more."""
        self._resize(self.size)
        return self._array

    def _resize(self, size: int) -> None:
        # Large memory is moved by the system without a copy.
        self._array.resize((size, *self._array.shape[1:]), refcheck=False)
