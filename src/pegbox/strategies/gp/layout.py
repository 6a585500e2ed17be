"""From points of the unit cube to what the kernel compares.

Integers and categories are moved to the middle of their cells before the kernel sees them, so that the model is
constant where the objective is (Garrido-Merchan and Hernandez-Lobato 2020, "Dealing with categorical and
integer-valued variables in Bayesian optimization with Gaussian processes").
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pegbox.domain.ranges import Categorical, Continuous, Integer, Scaling, Space
from pegbox.strategies.gp.arrays import Array, Indices, Mask

#: An integer range with more cells than this is climbed as if it were continuous, then rounded.
SWEEP_ALL = 16


class Layout:
    """The coordinates that vary (d of them; constants are left out) and their columns of features (D).

    A number has one column; a category has one per value, scaled so that two different values are at distance 1.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.active = [place for place, parameter in enumerate(space.parameters) if parameter.size() != 1]
        self.parameters = [space.parameters[place] for place in self.active]
        widths = [len(p.values) if isinstance(p, Categorical) else 1 for p in self.parameters]
        self.first: list[int] = np.cumsum([0, *widths]).tolist()
        self.group: Indices = np.repeat(np.arange(len(widths)), widths)  #: (D,) column -> coordinate
        self.cells = [p.size() or 0 for p in self.parameters]  #: (d,) 0 for continuous
        self.is_category: Mask = np.array([isinstance(p, Categorical) for p in self.parameters], dtype=bool)
        self.is_smooth: Mask = ~self.is_category & np.array([not 1 <= c <= SWEEP_ALL for c in self.cells], dtype=bool)
        self.columns: Indices = np.array(self.first[:-1], dtype=np.intp)  #: (d,) first column of each coordinate
        self._listed: dict[int, Array] = {}  # all cells of a coordinate that has few, once they were asked for

    @property
    def numbers(self) -> Indices:
        """The columns of numbers."""
        return self.columns[~self.is_category]

    @property
    def dimensions(self) -> int:
        """d, the number of coordinates that vary."""
        return len(self.parameters)

    def encode(self, values: Mapping[str, str]) -> tuple[float, ...]:
        """A configuration as a point (d,)."""
        return tuple(parameter.encode(values[parameter.name]) for parameter in self.parameters)

    def place(self, values: Mapping[str, str]) -> tuple[float, ...]:
        """The same for one that may lie outside the ranges, as a point outside the unit cube."""
        return tuple(parameter.place(values[parameter.name]) for parameter in self.parameters)

    def decode(self, point: Array) -> dict[str, str]:
        """A point (d,) as a configuration, constants included."""
        full = np.full(len(self.space.parameters), 0.5)
        full[self.active] = point
        return self.space.decode(full.tolist())

    def snap(self, points: Array) -> Array:
        """Points (n, d) with integers and categories at the middle of their cells."""
        snapped = np.clip(points, 0.0, 1.0)
        for place, parameter in enumerate(self.parameters):
            if not isinstance(parameter, Continuous):
                snapped[:, place] = cell_centre(parameter, snapped[:, place])
        return snapped

    def neighbours(self, place: int, at: float) -> Array:
        """Other cells worth trying on one coordinate: all if there are few, else near ones at doubling distance."""
        parameter, size = self.parameters[place], self.cells[place]
        if place not in self._listed and isinstance(parameter, Categorical):
            self._listed[place] = (np.arange(size) + 0.5) / size
        elif place not in self._listed and size <= SWEEP_ALL:
            self._listed[place] = np.array([parameter.encode(parameter.value(index)) for index in range(size)])
        if place in self._listed:
            return self._listed[place]
        here = parameter.index(parameter.decode(at))
        steps = (here + step for step in (-8, -4, -2, -1, 1, 2, 4, 8))
        return np.array([parameter.encode(parameter.value(index)) for index in steps if 0 <= index < size])

    def features(self, points: Array) -> Array:
        """Snapped points (n, d) -> features (n, D)."""
        features = np.zeros((len(points), len(self.group)))
        features[:, self.columns] = points
        for place in np.flatnonzero(self.is_category):
            first, size = self.first[place], self.cells[place]
            chosen = np.minimum((points[:, place] * size).astype(np.intp), size - 1)
            features[:, first] = 0.0
            features[np.arange(len(points)), first + chosen] = np.sqrt(0.5)
        return features


def cell_centre(parameter: Integer | Categorical, places: Array) -> Array:
    """The middles of the cells in which places (n,) of the scale fall, as `encode` gives them."""
    size = parameter.size()
    if isinstance(parameter, Categorical) or parameter.scale is Scaling.LINEAR:
        return np.asarray((np.minimum(np.floor(places * size), size - 1) + 0.5) / size)
    base = parameter.low - 0.5
    width = np.log1p(size / base)
    steps = np.clip(np.floor(base * np.expm1(places * width)), 0, size - 1)
    return np.asarray(np.log1p((steps + 0.5) / base) / width)
