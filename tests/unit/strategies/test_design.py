from __future__ import annotations

import numpy as np
import pytest

from pegbox.strategies.design import first_points


@pytest.mark.parametrize(("size", "dimensions"), [(11, 6), (6, 2), (3, 1), (1, 2), (3, 0), (0, 2)])
def test_the_centre_comes_first_and_every_slice_is_hit_once(size: int, dimensions: int) -> None:
    points = first_points(size, dimensions, 7)
    assert points.shape == (size, dimensions)
    assert np.all(points[:1] == 0.5)
    assert np.array_equal(np.sort((points * size).astype(int), axis=0), np.tile(np.arange(size), (dimensions, 1)).T)


def test_the_seed_decides() -> None:
    assert np.array_equal(first_points(8, 3, 1), first_points(8, 3, 1))
    assert not np.array_equal(first_points(8, 3, 1), first_points(8, 3, 2))
