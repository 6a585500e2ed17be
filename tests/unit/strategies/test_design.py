from __future__ import annotations

import numpy as np
import pytest

from pegbox.strategies.design import latin_hypercube


@pytest.mark.parametrize(("size", "dimensions"), [(10, 6), (4, 2), (3, 1), (1, 2), (3, 0)])
def test_every_slice_is_hit_once(size: int, dimensions: int) -> None:
    points = latin_hypercube(size, dimensions, 7)
    assert points.shape == (size, dimensions)
    assert np.array_equal(np.sort((points * size).astype(int), axis=0), np.tile(np.arange(size), (dimensions, 1)).T)


def test_the_seed_decides() -> None:
    assert np.array_equal(latin_hypercube(8, 3, 1), latin_hypercube(8, 3, 1))
    assert not np.array_equal(latin_hypercube(8, 3, 1), latin_hypercube(8, 3, 2))
