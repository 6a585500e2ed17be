from __future__ import annotations

import tracemalloc

import numpy as np

from pegbox.domain.ranges import Categorical, Continuous, Integer, Scaling, Space
from pegbox.strategies.gp.arrays import Array
from pegbox.strategies.gp.layout import Layout
from pegbox.strategies.gp.optimise import maximise, perturb, reflect

SPACE = Space(
    (
        Continuous("x", 0.0, 1.0, Scaling.LINEAR),
        Continuous("y", 0.0, 1.0, Scaling.LINEAR),
        Integer("few", 1, 9),
        Integer("many", 0, 999, Scaling.LINEAR),
        Categorical("kind", tuple("abcdef")),
    )
)


class Peak:
    """A hill with its top at a point of the features."""

    def __init__(self, top: Array) -> None:
        self.top = top

    def value(self, features: Array) -> Array:
        return np.asarray(-((features - self.top) ** 2).sum(axis=1))

    def value_and_gradient(self, features: Array) -> tuple[Array, Array]:
        return self.value(features), -2 * (features - self.top)


def test_the_top_of_a_hill_is_found_in_a_mixed_space() -> None:
    layout = Layout(SPACE)
    goal = {"x": "0.123", "y": "0.877", "few": "7", "many": "314", "kind": "e"}
    top = layout.features(np.array([layout.encode(goal)]))[0]
    incumbents = layout.snap(np.random.default_rng(1).random((5, 5)))
    points, values = maximise(Peak(top), layout, np.full(5, 0.5), incumbents, np.random.default_rng(0))
    found = layout.decode(points[0])
    assert {name: found[name] for name in ("few", "many", "kind")} == {"few": "7", "many": "314", "kind": "e"}
    assert abs(float(found["x"]) - 0.123) < 1e-4
    assert abs(float(found["y"]) - 0.877) < 1e-4
    assert np.all(np.diff(values) <= 0)


def test_all_points_are_cells() -> None:
    layout = Layout(SPACE)
    points, _ = maximise(Peak(np.zeros(10)), layout, np.full(5, 0.5), np.full((1, 5), 0.5), np.random.default_rng(0))
    assert np.allclose(layout.snap(points), points, atol=1e-12)


def test_perturbing_moves_some_coordinates_a_little() -> None:
    layout = Layout(SPACE)
    centres = layout.snap(np.random.default_rng(1).random((3, 5)))
    points = perturb(centres, 200, layout, np.random.default_rng(0))
    moved = (np.abs(points[:, None, :] - centres[None, :, :]) > 0).sum(axis=2).min(axis=1)
    assert moved.min() >= 1
    assert moved.mean() < 4.5
    assert points.min() >= 0
    assert points.max() <= 1


def test_reflect() -> None:
    assert np.allclose(reflect(np.array([-0.2, 0.3, 1.1, 2.3])), [0.2, 0.3, 0.9, 0.3])


def test_a_category_of_very_many_values_fits_into_memory() -> None:
    """Of each start all values are looked at, and each has as many features as there are values."""
    space = Space((Categorical("kind", tuple(map(str, range(2000)))),))
    layout = Layout(space)
    top = layout.features(np.array([layout.encode({"kind": "1234"})]))[0]
    tracemalloc.start()
    try:
        points, values = maximise(Peak(top), layout, np.ones(1), np.array([[0.5]]), np.random.default_rng(0))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (layout.decode(points[0]), values[0]) == ({"kind": "1234"}, 0.0)
    assert most < 200e6
