"""The type of every array here: doubles, with the shape told beside the name."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.intp]
Mask: TypeAlias = NDArray[np.bool_]


def interpolate(at: Array, x: Array, y: Array) -> Array:
    """Values (m,) at places (m,) of the line through (x, y), x (n,) rising, and as at the ends beyond them.

    Also where two x are so near to each other that the slope between them is no double.
    """
    found = np.interp(at, x, y)
    return np.clip(np.where(np.isnan(found), y[-1], found), y.min(), y.max())
