from __future__ import annotations

import numpy as np
import pytest

from pegbox.domain.ranges import Categorical, Continuous, Integer, Scaling, Space
from pegbox.strategies.gp.layout import Layout

SPACE = Space(
    (
        Continuous("x", 0.0, 1.0, Scaling.LINEAR),
        Continuous("constant", 3.0, 3.0),
        Integer("linear", 1, 7),
        Integer("log", 3, 100_000, Scaling.LOGARITHMIC),
        Integer("huge", -(2**63), 2**63 - 1, Scaling.LINEAR),
        Categorical("kind", ("a", "b", "c")),
    )
)


def test_snapping_goes_where_rendering_goes() -> None:
    layout = Layout(SPACE)
    points = np.random.default_rng(0).random((500, layout.dimensions))
    points[0], points[1] = 0.0, 1.0
    again = np.array([layout.encode(layout.decode(point)) for point in points])
    assert np.allclose(layout.snap(points), again, atol=1e-12)


def test_snapping_twice_changes_nothing() -> None:
    layout = Layout(SPACE)
    snapped = layout.snap(np.random.default_rng(0).random((500, layout.dimensions)))
    assert np.allclose(layout.snap(snapped), snapped, atol=1e-12)


def test_features() -> None:
    layout = Layout(SPACE)
    points = layout.snap(np.random.default_rng(0).random((50, layout.dimensions)))
    features = layout.features(points)
    assert layout.group.tolist() == [0, 1, 2, 3, 4, 4, 4]
    assert np.array_equal(features[:, :4], points[:, :4])
    kinds = features[:, 4:]
    same = points[:, None, 4] == points[None, :, 4]
    distances = ((kinds[:, None, :] - kinds[None, :, :]) ** 2).sum(axis=2)
    assert np.allclose(distances, np.where(same, 0.0, 1.0))


@pytest.mark.parametrize(("place", "count"), [(1, 7), (2, 8), (4, 3)])
def test_neighbours_are_cells(place: int, count: int) -> None:
    layout = Layout(SPACE)
    around = layout.neighbours(place, 0.5)
    assert len(set(around.tolist())) == count
    points = np.full((count, layout.dimensions), 0.5)
    points[:, place] = around
    assert np.allclose(layout.snap(points)[:, place], around, atol=1e-12)


def test_neighbours_stop_at_the_ends() -> None:
    layout = Layout(SPACE)
    names = [layout.parameters[2].decode(at) for at in layout.neighbours(2, 0.0)]
    assert names == ["4", "5", "7", "11"]
