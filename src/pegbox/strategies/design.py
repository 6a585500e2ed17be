"""The first configurations, before there is anything to learn from."""

from __future__ import annotations

import numpy as np
from numpy.random import default_rng

from pegbox.strategies.gp.arrays import Array

_TRIES = 20


def latin_hypercube(size: int, dimensions: int, seed: int) -> Array:
    """Points (size, dimensions), each coordinate hitting each of `size` equal slices once.

    McKay, Beckman and Conover 1979; of several random ones that with the largest smallest distance (Morris and
    Mitchell 1995).
    """
    rng = default_rng([seed, 0])
    designs = [_draw(size, dimensions, rng) for _ in range(_TRIES)]
    return max(designs, key=lambda points: _closest(points))


def _closest(points: Array) -> float:
    """The smallest distance between two points."""
    if points.size == 0 or len(points) == 1:
        return 0.0
    squares = ((points[:, None, :] - points[None, :, :]) ** 2).sum(axis=2)
    return float(squares[np.triu_indices(len(points), 1)].min() ** 0.5)


def _draw(size: int, dimensions: int, rng: np.random.Generator) -> Array:
    cells = np.tile(np.arange(size), (dimensions, 1))
    return np.asarray((rng.permuted(cells, axis=1).T + rng.random((size, dimensions))) / size)
