"""The first configurations, before there is anything to learn from."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator, default_rng

from pegbox.strategies.gp.arrays import Array

_TRIES = 20


def first_points(size: int, dimensions: int, seed: int) -> Array:
    """Points (size, dimensions), each coordinate hitting each of `size` equal slices once, the first being the centre.

    The centre is nearer to everything than a random point, and whoever gives a range has often what is usual in its
    middle.  A Latin hypercube (McKay, Beckman and Conover 1979); of several random ones that with the largest smallest
    distance (Morris and Mitchell 1995).
    """
    rng = default_rng([seed, 0])
    designs = [_draw(size, dimensions, rng) for _ in range(_TRIES)]
    return max(designs, key=_closest)


def _closest(points: Array) -> float:
    """The smallest distance between two points."""
    if points.size == 0 or len(points) == 1:
        return 0.0
    squares = ((points[:, None, :] - points[None, :, :]) ** 2).sum(axis=2)
    return float(squares[np.triu_indices(len(points), 1)].min() ** 0.5)


def _draw(size: int, dimensions: int, rng: Generator) -> Array:
    slices = np.arange(size)
    others = slices[slices != size // 2]  # the centre is in the middle slice, or at its lower edge
    cells = rng.permuted(np.tile(others, (dimensions, 1)), axis=1).T
    points = np.full((size, dimensions), 0.5)
    points[1:] = (cells + rng.random(cells.shape)) / size
    return points
