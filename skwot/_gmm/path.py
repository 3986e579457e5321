"""The path of a flow, as it is recorded and as it is returned."""

from typing import Any, NamedTuple

import numpy as np

from skwot._gmm.arrays import to_numpy
from skwot._gmm.covariance_types import compact
from skwot._typing import Array


class Flow(NamedTuple):
    """The path of a flow; the leading axis of the first four arrays is the step.

    Attributes
    ----------
    weights : ndarray of shape (n_iter + 1, n_components)
    means : ndarray of shape (n_iter + 1, n_components, d)
    covariances : ndarray of shape (n_iter + 1, *shape)
        In scikit-learn's shape for the covariance type.
    losses : ndarray of shape (n_iter + 1,)
        MW2 squared to the target, in squared units of the data.
    plan : ndarray of shape (n_components, n_target_components)
        Optimal plan of the step with the lowest loss.
    converged : bool
        Whether the last step left the loss where it was, to the tolerance.
    """

    weights: Array
    means: Array
    covariances: Array
    losses: Array
    plan: Array
    converged: bool

    @property
    def best(self) -> int:
        """Index of the step with the lowest loss, the first of several."""
        return int(self.losses.argmin())


class Path:
    """Recorder of a flow, and of the optimal plan of its lowest loss.

    Parameters
    ----------
    covariance_type : {'full', 'tied', 'diag', 'spherical'}
    """

    def __init__(self, covariance_type: str) -> None:
        self.covariance_type = covariance_type
        self.losses: list[float] = []
        self._mixtures: list[list[Array]] = []
        self._plan: Array = np.empty(0)

    def append(
        self, weights: Any, means: Any, covariances: Any, loss: float, plan: Array
    ) -> None:
        """Record a copy of the mixture at one step."""
        if not self.losses or loss < min(self.losses):
            self._plan = plan
        mixture = weights, means, compact(covariances, self.covariance_type)
        self._mixtures.append([to_numpy(x).copy() for x in mixture])
        self.losses.append(loss)

    def finish(self, converged: bool) -> Flow:
        """Return the flow that was recorded."""
        weights, means, covariances = (
            np.stack(arrays) for arrays in zip(*self._mixtures, strict=True)
        )
        losses = np.array(self.losses)
        return Flow(weights, means, covariances, losses, self._plan, converged)
