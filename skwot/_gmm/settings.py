"""What a user may choose about a flow."""

from typing import NamedTuple

import torch


class Settings(NamedTuple):
    """How a mixture flows; the parameters of the estimator that have the same names.

    Attributes
    ----------
    covariance_type : {'full', 'tied', 'diag', 'spherical'}
        Constraint on the covariances.
    solver : {'pgd', 'bures'}
        Steps of the covariances with automatic rates: straight ones, or along
        Bures-Wasserstein geodesics.
    learning_rate : 'auto' or float
        'auto' for :func:`~skwot._gmm.descent.descend`; the rate of
        :func:`~skwot._gmm.adam.descend_adam`, in the unit of the data, if a number.
    max_iter : int
        Largest number of steps.
    tol : float
        Relative decrease of the loss in one step below which the flow is at rest.
    reg_covar : float
        Largest level of the :mod:`~skwot._gmm.floor` of the covariances.
    fixed_weights : bool
        Whether the weights stay as they start.
    swaps : bool
        Whether components are moved elsewhere from a local minimum.
    record_path : bool
        Whether all steps are kept, and not only the first and the last one.
    device : torch device or None
        Where the flow is computed, by PyTorch; None for NumPy.
    """

    covariance_type: str = "full"
    solver: str = "pgd"
    learning_rate: float | str = "auto"
    max_iter: int = 100
    tol: float = 1e-6
    reg_covar: float = 1e-6
    fixed_weights: bool = False
    swaps: bool = False
    record_path: bool = True
    device: torch.device | None = None
