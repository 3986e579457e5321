"""Arrays that are of NumPy or of PyTorch.

The numerics of this package run on either, by the same code: on NumPy arrays, whose
overhead is a fraction of PyTorch's for the small stacks of usual mixtures, and on
tensors where the user names a device.
"""

from typing import Any

import numpy as np
import torch

from skwot._typing import Array


def namespace(array: Any) -> Any:
    """Return NumPy or PyTorch, whichever the array is of."""
    return np if isinstance(array, np.ndarray) else torch


def to_numpy(array: Any) -> np.ndarray:
    """Convert an array, or a tensor on any device, to a NumPy array."""
    return array if isinstance(array, np.ndarray) else array.numpy(force=True)


def to_device(array: Array, device: torch.device | None) -> Any:
    """Make a NumPy array a tensor on a device, or return it as it is for None."""
    return array if device is None else torch.as_tensor(array, device=device)


def device_of(array: Any) -> torch.device | None:
    """Return the device that a tensor is on, and None for a NumPy array."""
    return None if isinstance(array, np.ndarray) else array.device


def as_like(array: Array, like: Any) -> Any:
    """Convert a NumPy array to the kind, the precision and the device of another."""
    return array if isinstance(like, np.ndarray) else like.new_tensor(array)


def per_row(vector: Any, stack: Any) -> Any:
    """Reshape a vector (n,) to (n, 1, ..., 1), which broadcasts along a stack."""
    return vector.reshape(-1, *(1 for _ in stack.shape[1:]))


def eye_like(matrices: Any) -> Any:
    """Return the identity of the size, precision and device of a stack of matrices."""
    if isinstance(matrices, np.ndarray):
        return np.eye(matrices.shape[-1])
    return torch.eye(matrices.shape[-1], dtype=matrices.dtype, device=matrices.device)


def empty_like(matrices: Any, size: int) -> Any:
    """Return an uninitialised stack of `size` matrices like those of another stack."""
    shape = size, *matrices.shape[1:]
    if isinstance(matrices, np.ndarray):
        return np.empty(shape)
    return matrices.new_empty(shape)
