"""Where tensors live."""

from typing import Any

import torch


def check_device(device: Any) -> torch.device | None:
    """Validate the parameter `device`.

    Parameters
    ----------
    device : torch.device, str or None

    Returns
    -------
    torch.device or None

    Raises
    ------
    ValueError
        If PyTorch cannot use the device in double precision.
    """
    if device is None:
        return None
    try:
        return torch.empty(0, dtype=torch.float64, device=device).device
    # What PyTorch raises: without CUDA, for an unknown name, without double precision.
    except (AssertionError, RuntimeError, TypeError) as error:
        raise ValueError(
            "device must be one on which PyTorch has double precision, or None; got "
            f"{device!r}: {error}"
        ) from error
