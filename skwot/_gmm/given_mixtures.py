"""Mixtures that a user gives."""

import reprlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from skwot._checks import refuse_unreadable
from skwot._gmm.covariance_types import expand_full
from skwot._gmm.mixtures import Mixture
from skwot._typing import Array

# What parameters that were computed in float32 may be off by, relative to the sum of
# the weights or to the largest eigenvalue of a covariance.
_ROUNDING = 1e-6


def read_mixture(value: Any, name: str, n_features: int, kind: str = "full") -> Mixture:
    """Validate a mixture that a user gave.

    Parameters
    ----------
    value : fitted mixture or tuple
        Has ``weights_``, ``means_`` and ``covariances_``, or holds them.
    name : str
        Name of the parameter, for the messages.
    n_features : int
        Expected number of features.
    kind : {'full', 'tied', 'diag', 'spherical'}, default='full'
        Shape of a tuple's covariances, if they are not full.

    Returns
    -------
    Mixture
        Copies, with full covariances and weights that sum to 1.

    Raises
    ------
    ValueError
        If it is not a mixture, not finite, or not of these sizes; if the weights are
        not on the simplex, or a covariance is not symmetric and positive
        semi-definite.
    NotFittedError
        If it is an estimator that is not fitted.
    """
    weights, means, covariances = _read_arrays(value, name, n_features, kind)
    _check_weights(weights, name)
    size = len(weights)
    _check_shape(means, (size, n_features), f"{name}: means")
    full = size, n_features, n_features
    # A shape of the type itself has become full, if it was right.
    own = _own_shapes(size, n_features).get(kind)
    also = f", or {own} for the covariance type {kind!r}" if own else ""
    _check_shape(covariances, full, f"{name}: covariances", also)
    _check_covariances(covariances, name)
    symmetric = (covariances + covariances.swapaxes(1, 2)) / 2
    return Mixture(weights / weights.sum(), means, symmetric)


def count_features(value: Any, name: str) -> int:
    """Read the number of features of a mixture that a user gave.

    Parameters
    ----------
    value, name
        See :func:`read_mixture`.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If it is not a mixture.
    """
    _, means, _ = _read_parts(value, name)[0]
    shape = np.shape(_to_array(means))
    if len(shape) != 2:
        raise ValueError(
            f"{name}: means must have shape (n_components, n_features), got {shape}."
        )
    return shape[1]


def are_several(value: Any) -> bool:
    """Say whether this is a list of mixtures, and not a mixture of three parts."""
    if not isinstance(value, (list, tuple)) or not len(value):
        return False
    first = value[0]
    if hasattr(first, "weights_"):
        return True
    is_tuple = isinstance(first, (list, tuple)) and len(first) == 3
    return is_tuple and np.ndim(first[0]) == 1


def read_mixtures(values: Any, name: str, n_features: int, kind: str) -> list[Mixture]:
    """Validate mixtures that a user gave; see :func:`read_mixture`."""
    return [
        read_mixture(value, f"{name}[{number}]", n_features, kind)
        for number, value in enumerate(values)
    ]


def join_mixtures(
    mixtures: Sequence[Mixture], weights: Any, name: str
) -> tuple[Mixture, list[int]]:
    """Put the components of several targets side by side.

    Parameters
    ----------
    mixtures : sequence of n Mixture
    weights : array-like of shape (n,) or None
        Of the mixtures; equal if None.
    name : str
        Of the weights, for the messages.

    Returns
    -------
    joined : Mixture
        Weights of the components are multiplied by those of their mixtures.
    sizes : list of int
        Their numbers of components.

    Raises
    ------
    ValueError
        If the weights are not positive numbers, one a mixture.
    """
    size = len(mixtures)
    shares = np.full(size, 1 / size)
    if weights is not None:
        shares = _to_array(weights)
        if shares.shape != (size,) or not (shares > 0).all():
            raise ValueError(
                f"{name} must be positive, one number for each of the {size} mixtures; "
                f"got {weights!r}."
            )
        if not np.isfinite(shares).all():
            raise ValueError(f"{name} must be finite; got {weights!r}.")
        shares = shares / shares.sum()
    joined = Mixture(
        np.concatenate([s * m.weights for s, m in zip(shares, mixtures, strict=True)]),
        np.concatenate([mixture.means for mixture in mixtures]),
        np.concatenate([mixture.covariances for mixture in mixtures]),
    )
    return joined, [len(mixture.weights) for mixture in mixtures]


def _read_parts(value: Any, name: str) -> tuple[tuple[Any, ...], str | None]:
    """Take apart what was given, and say what type an estimator's covariances have."""
    if isinstance(value, (tuple, list)) and len(value) == 3:
        return tuple(value), None
    return _read_attributes(value, name)


def _read_arrays(
    value: Any, name: str, n_features: int, kind: str
) -> tuple[Array, ...]:
    """Copy what was given; covariances in the shape of their type become full."""
    parts, own_kind = _read_parts(value, name)
    kind = own_kind or kind
    for part in parts:
        refuse_unreadable(**{name: part})
    try:
        arrays = tuple(_to_array(part) for part in parts)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold arrays of numbers: {error}") from error
    for part, array in zip(("weights", "means", "covariances"), arrays, strict=True):
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: {part} must be finite, got NaN or infinity.")
    weights, means, covariances = arrays
    return (
        weights,
        means,
        _fill(covariances, kind, len(np.atleast_1d(weights)), n_features),
    )


def _to_array(part: Any) -> Array:
    if isinstance(part, torch.Tensor):
        part = part.numpy(force=True)
    return np.array(part, dtype=np.float64)


def _read_attributes(value: Any, name: str) -> tuple[tuple[Any, ...], str]:
    """Read what a fitted mixture holds, and the type of its covariances."""
    if hasattr(value, "fit") and not hasattr(value, "weights_"):
        check_is_fitted(
            value, msg=f"{name}=%(name)s() is not fitted; call its fit first."
        )
    try:
        weights, means, covariances = value.weights_, value.means_, value.covariances_
    except AttributeError:
        raise ValueError(
            f"{name} must be a fitted mixture or a tuple (weights, means, "
            f"covariances), got {_describe(value)}."
        ) from None
    return (weights, means, covariances), getattr(value, "covariance_type", "full")


def _describe(value: Any) -> str:
    """Say what was given in place of a mixture, and what to do with data."""
    if getattr(value, "ndim", 0) != 2:
        return reprlib.repr(value)
    return (
        f"data of shape {tuple(value.shape)}. Fit a mixture to them first, such as "
        "sklearn.mixture.GaussianMixture(n_components).fit(data)"
    )


def _fill(covariances: Array, kind: str, n_components: int, n_features: int) -> Array:
    """Fill covariances of a covariance type; those of any other shape are kept."""
    shapes = _own_shapes(n_components, n_features)
    if kind not in shapes or covariances.shape != shapes[kind]:
        return covariances
    return expand_full(covariances, kind, n_components, n_features)


def _own_shapes(n_components: int, n_features: int) -> dict[str, tuple[int, ...]]:
    """Shapes of covariances that are not full, by their type."""
    return {
        "tied": (n_features, n_features),
        "diag": (n_components, n_features),
        "spherical": (n_components,),
    }


def _check_weights(weights: Array, name: str) -> None:
    if weights.ndim != 1 or not len(weights):
        raise ValueError(
            f"{name}: weights must be a vector, got an array of shape {weights.shape}."
        )
    if weights.min() < 0 or abs(weights.sum() - 1) > _ROUNDING:
        raise ValueError(
            f"{name}: weights must be non-negative and sum to 1, got a minimum of "
            f"{weights.min():.6g} and a sum of {weights.sum():.6g}."
        )


def _check_shape(
    array: Array, expected: tuple[int, ...], label: str, also: str = ""
) -> None:
    if array.shape != expected:
        raise ValueError(
            f"{label} must have shape {expected}{also}, got {array.shape}."
        )


def _check_covariances(covariances: Array, name: str) -> None:
    values = np.linalg.eigvalsh(covariances)
    tolerance = _ROUNDING * abs(values).max(axis=1)
    skewness = abs(covariances - covariances.swapaxes(1, 2)).max(axis=(1, 2))
    if (skewness > tolerance).any():
        worst = int(skewness.argmax())
        raise ValueError(
            f"{name}: covariances must be symmetric, got a difference of "
            f"{skewness[worst]:.6g} across the diagonal of component {worst}."
        )
    smallest = values[:, 0]
    if (smallest < -tolerance).any():
        worst = int(smallest.argmin())
        raise ValueError(
            f"{name}: covariances must be positive semi-definite, got the "
            f"eigenvalue {smallest[worst]:.6g} in component {worst}."
        )
