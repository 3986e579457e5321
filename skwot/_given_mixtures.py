"""Mixtures that a user gives, or that scikit-learn estimates from data."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture
from sklearn.utils.validation import check_is_fitted

from ._ot.mixtures import Mixture, precision_factors, summarise_clusters

Array = NDArray[np.float64]

INIT_NAMES = ("k-means++", "kmeans", "random", "random_from_data")
# EM has to converge by itself: an estimator's max_iter counts its own steps.
_EM_MAX_ITER = 1000
# What float32 parameters may be off by.
_ROUNDING = 1e-6


def read_mixture(
    value: Any, name: str, n_features: int, n_components: int | None = None
) -> Mixture:
    """Validate a mixture that a user gave.

    Parameters
    ----------
    value : fitted mixture or tuple
        Has ``weights_``, ``means_`` and ``covariances_``, or holds them.
    name : str
        Name of the parameter, for the messages.
    n_features : int
        Expected number of features.
    n_components : int, default=None
        Expected number of components, if one is.

    Returns
    -------
    Mixture
        Copies, with full covariances and weights that sum to 1.

    Raises
    ------
    ValueError
        If it is not a mixture, or not one of these sizes.
    """
    weights, means, covariances = _read_arrays(value, name, n_features)
    _check_weights(weights, name, n_components)
    size = len(weights)
    _check_shape(means, (size, n_features), f"{name}: means")
    _check_shape(covariances, (size, n_features, n_features), f"{name}: covariances")
    _check_covariances(covariances, name)
    symmetric = (covariances + covariances.swapaxes(1, 2)) / 2
    return Mixture(weights / weights.sum(), means, symmetric)


def _read_arrays(value: Any, name: str, n_features: int) -> tuple[Array, ...]:
    if isinstance(value, (tuple, list)) and len(value) == 3:
        parts = value
    else:
        parts = _read_attributes(value, name, n_features)
    try:
        arrays = tuple(np.array(part, dtype=np.float64) for part in parts)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold arrays of numbers: {error}") from error
    for part, array in zip(("weights", "means", "covariances"), arrays, strict=True):
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: {part} must be finite, got NaN or infinity.")
    return arrays


def _read_attributes(value: Any, name: str, n_features: int) -> tuple[Any, ...]:
    if hasattr(value, "fit") and not hasattr(value, "weights_"):
        check_is_fitted(value)
    try:
        weights, means, covariances = value.weights_, value.means_, value.covariances_
    except AttributeError:
        raise ValueError(
            f"{name} must be a fitted mixture or a tuple (weights, means, "
            f"covariances), got {value!r}."
        ) from None
    kind = getattr(value, "covariance_type", "full")
    return weights, means, _fill(np.asarray(covariances), kind, len(means), n_features)


def _fill(
    covariances: NDArray[Any], kind: str, n_components: int, n_features: int
) -> NDArray[Any]:
    """Full covariances from those of any of scikit-learn's covariance types."""
    identity = np.eye(n_features)
    if kind == "tied":
        return np.tile(covariances, (n_components, 1, 1))
    if kind == "diag" and covariances.shape[-1] == n_features:
        return covariances[:, None] * identity
    if kind == "spherical":
        return covariances[:, None, None] * identity
    return covariances


def _check_weights(weights: Array, name: str, n_components: int | None) -> None:
    if weights.ndim != 1 or not len(weights):
        raise ValueError(
            f"{name}: weights must be a vector, got an array of shape {weights.shape}."
        )
    if n_components is not None and len(weights) != n_components:
        raise ValueError(
            f"{name} must have {n_components} components, got {len(weights)}."
        )
    if weights.min() < 0 or abs(weights.sum() - 1) > _ROUNDING:
        raise ValueError(
            f"{name}: weights must be non-negative and sum to 1, got a minimum of "
            f"{weights.min():.6g} and a sum of {weights.sum():.6g}."
        )


def _check_shape(array: Array, expected: tuple[int, ...], label: str) -> None:
    if array.shape != expected:
        raise ValueError(f"{label} must have shape {expected}, got {array.shape}.")


def _check_covariances(covariances: Array, name: str) -> None:
    tolerance = _ROUNDING * abs(covariances).max(axis=(1, 2))
    skewness = abs(covariances - covariances.swapaxes(1, 2)).max(axis=(1, 2))
    if (skewness > tolerance).any():
        worst = int(skewness.argmax())
        raise ValueError(
            f"{name}: covariances must be symmetric, got a difference of "
            f"{skewness[worst]:.6g} across the diagonal of component {worst}."
        )
    smallest = np.linalg.eigvalsh(covariances)[:, 0]
    if (smallest < -tolerance).any():
        worst = int(smallest.argmin())
        raise ValueError(
            f"{name}: covariances must be positive semi-definite, got the "
            f"eigenvalue {smallest[worst]:.6g} in component {worst}."
        )


def estimate_mixture(
    X: Array, n_components: int, reg_covar: float, random_state: Any
) -> Mixture:
    """Mixture of largest likelihood, by scikit-learn's EM."""
    points, shift, scale = _standardise(X)
    model = GaussianMixture(
        n_components,
        reg_covar=reg_covar,
        max_iter=_EM_MAX_ITER,
        random_state=random_state,
    ).fit(points)
    found = Mixture(model.weights_, model.means_, model.covariances_)
    return _restore(found, shift, scale)


def seed_mixture(
    X: Array, n_components: int, init_params: str, random_state: Any
) -> Mixture:
    """Mixture that one step of EM makes of scikit-learn's initialisation."""
    points, shift, scale = _standardise(X)
    model = GaussianMixture(
        n_components, init_params=init_params, max_iter=0, random_state=random_state
    ).fit(points)
    seeded = summarise_clusters(points, model.predict_proba(points))
    return _restore(seeded, shift, scale)


def _standardise(X: Array) -> tuple[Array, Array, float]:
    """Centre and scale as a whole: so EM's regularisation has no unit."""
    shift = X.mean(axis=0)
    centred = X - shift
    scale = float(np.sqrt(np.square(centred).mean())) or 1.0
    return centred / scale, shift, scale


def _restore(mixture: Mixture, shift: Array, scale: float) -> Mixture:
    covariances = mixture.covariances * scale**2
    return Mixture(mixture.weights, mixture.means * scale + shift, covariances)


def build_gaussian_mixture(mixture: Mixture, random_state: Any) -> GaussianMixture:
    """scikit-learn's mixture with given parameters.

    Raises
    ------
    ValueError
        If a covariance is not positive definite.
    """
    try:
        factors = precision_factors(mixture.covariances)
    except np.linalg.LinAlgError as error:
        raise ValueError(
            "A component has a singular covariance, and so no density; "
            "increase reg_covar."
        ) from error
    model = GaussianMixture(len(mixture.weights), random_state=random_state)
    model.weights_, model.means_, model.covariances_ = mixture
    model.precisions_cholesky_ = factors
    model.precisions_ = factors @ factors.swapaxes(-1, -2)
    model.n_features_in_ = mixture.means.shape[1]
    return model
