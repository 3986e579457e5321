"""What both estimators demand of arrays, beyond what scikit-learn checks."""

from typing import Any

import numpy as np


def refuse_masks(**arrays: Any) -> None:
    """Refuse masked entries, which NumPy would read as if they were not masked.

    Parameters
    ----------
    **arrays : array-like or None
        By the name of the parameter.

    Raises
    ------
    ValueError
        Which names the parameter.
    """
    for name, array in arrays.items():
        if np.ma.is_masked(array):
            raise ValueError(
                f"{name} must have no masked entries; got {np.ma.count_masked(array)}. "
                "Leave out these rows, or fill them in."
            )
