"""The first configurations, before there is anything to learn from."""

from __future__ import annotations

import numpy as np
from numpy.random import default_rng
from scipy.spatial.distance import pdist

from pegbox.strategies.gp.arrays import Array

_TRIES = 20


def latin_hypercube(size: int, dimensions: int, seed: int) -> Array:
    """Points (size, dimensions), each coordinate hitting each of `size` equal slices once.

    McKay, Beckman and Conover 1979; of several random ones that with the largest smallest distance (Morris and
    Mitchell 1995).
    """
    rng = default_rng([seed, 0])
    designs = [_draw(size, dimensions, rng) for _ in range(_TRIES)]
    return max(designs, key=lambda points: float(pdist(points).min()) if size > 1 and dimensions else 0.0)


def _draw(size: int, dimensions: int, rng: np.random.Generator) -> Array:
    cells = np.tile(np.arange(size), (dimensions, 1))
    return np.asarray((rng.permuted(cells, axis=1).T + rng.random((size, dimensions))) / size)
