"""Classic functions as tasks: turned, moved, warped, noisy, mixed, failing in places, heavy-tailed.

Every variation keeps the minimum and tells where it is.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pegbox.domain.ranges import Categorical, Continuous, Integer, Parameter, Scaling, Space

from .functions import Classic, classic
from .task import Task, Values

FAILING = 0.15  #: share of the box in which a failing task has no value
NOISE = 0.1  #: standard deviation of noise, in distances of the middle value from the minimum
WARP = 4.0  #: exponent of warped coordinates
TAIL = 9.0  #: decimal orders of magnitude of the worst of heavy-tailed values
CELLS = 8  #: values of an integer
CATEGORIES = "abcdefgh"
_SAMPLE = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What is done to a function."""

    rotated: bool = False
    shifted: bool = False
    warped: bool = False
    noisy: bool = False
    failing: bool = False
    heavy: bool = False
    integers: int = 0  #: so many of the dimensions are integers ...
    categories: int = 0  #: ... and so many are categorical, both counted from the last


@dataclass(frozen=True, slots=True)
class Axis:
    """One dimension: its range and the coordinate in the unit cube of each of its values."""

    parameter: Parameter
    cells: tuple[float, ...] = ()  #: coordinates of integers and categories
    power: float = 1.0

    def coordinate(self, text: str) -> float:
        if isinstance(self.parameter, Continuous):
            return float(text) ** (1 / self.power)
        return self.cells[self.parameter.index(text)]


class Shaped:
    """A function after all that was done to it; called with a configuration."""

    def __init__(self, base: Classic, shape: Shape, rng: np.random.Generator) -> None:
        self._base, self._shape = base, shape
        dimensions = len(base.low)
        self._width = base.high - base.low
        home = (base.minimiser - base.low) / self._width
        self.best = rng.uniform(0.1, 0.9, dimensions) if shape.shifted else home  # in the unit cube
        self._home = home
        self._turn = rotation(dimensions, rng) if shape.rotated else np.eye(dimensions)
        self.axes = axes(self.best, shape, rng)
        self.space = Space(tuple(axis.parameter for axis in self.axes))
        points = self._sample(rng)
        values = np.array([self._plain(point) for point in points])
        self.middle, self._worst = float(np.median(values)), float(values.max())
        self._direction, self._edge = fence(points, self.best, rng)

    def __call__(self, values: Values) -> float | None:
        point = self._point(values)
        if self._shape.failing and point @ self._direction > self._edge:
            return None
        value = self._plain(point)
        if self._shape.heavy and value > self.middle:
            excess = (value - self.middle) / (self._worst - self.middle)
            return value + 10 ** (TAIL * min(excess, 1.0)) - 1
        return value

    def _point(self, values: Values) -> np.ndarray:
        return np.array([axis.coordinate(values[axis.parameter.name]) for axis in self.axes])

    def _plain(self, point: np.ndarray) -> float:
        return self._base.function(self._base.low + self._width * (self._home + self._turn @ (point - self.best)))

    def _sample(self, rng: np.random.Generator) -> np.ndarray:
        columns = [rng.choice(axis.cells, _SAMPLE) if axis.cells else rng.random(_SAMPLE) for axis in self.axes]
        return np.column_stack(columns)


def rotation(dimensions: int, rng: np.random.Generator) -> np.ndarray:
    """A random rotation of the cube."""
    turn, triangle = np.linalg.qr(rng.standard_normal((dimensions, dimensions)))
    return turn * np.sign(np.diag(triangle))


def fence(points: np.ndarray, best: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """A half-space with the given share of the points, on whose other side, and not far away, is the best one."""
    fences = []
    for _ in range(20):
        direction = rng.standard_normal(points.shape[1])
        direction /= np.linalg.norm(direction)
        edge = float(np.quantile(points @ direction, 1 - FAILING))
        fences.append((edge - best @ direction, direction, edge))
    feasible = [found for found in fences if found[0] > 0.02]
    _, direction, edge = min(feasible, key=lambda found: found[0])
    return direction, edge


def axes(best: np.ndarray, shape: Shape, rng: np.random.Generator) -> list[Axis]:
    """The ranges; the best point is in a cell's place in every dimension that is an integer or categorical."""
    numbers = len(best) - shape.integers - shape.categories
    power = WARP if shape.warped else 1.0
    found = [Axis(Continuous(f"x{place}", 0.0, 1.0, Scaling.LINEAR), power=power) for place in range(numbers)]
    for place in range(numbers, len(best)):
        grid = np.linspace(0, 1, CELLS)
        grid[np.argmin(np.abs(grid - best[place]))] = best[place]
        if place < numbers + shape.integers:
            found.append(Axis(Integer(f"n{place}", 1, CELLS, Scaling.LINEAR), tuple(grid)))
        else:
            found.append(Axis(Categorical(f"c{place}", tuple(CATEGORIES)), tuple(rng.permutation(grid))))
    return found


def shaped(family: str, function: str, dimensions: int, shape: Shape = Shape(), suffix: str = "") -> Task:
    """A function as a task, named by what it is."""
    name = function + (str(dimensions) if function != "branin" else "") + suffix
    base = classic(function, dimensions)
    drawn = Shaped(base, shape, np.random.default_rng(zlib.crc32(name.encode())))
    noise = NOISE * (drawn.middle - base.minimum) if shape.noisy else 0.0
    return Task(name=name, family=family, space=drawn.space, exact=drawn, noise=noise, best=base.minimum)


def functions() -> Sequence[tuple[str, str, int, Shape, str]]:
    """Arguments of all tasks made of functions, by family."""
    plain = [("branin", 2), ("hartmann", 3), ("hartmann", 6), ("ackley", 6), ("levy", 4), ("rosenbrock", 4)]
    listed = [("plain", *function, Shape(), "") for function in [*plain, ("rastrigin", 4)]]
    turned, moved = Shape(rotated=True), Shape(shifted=True)
    listed += [("turned", *item, turned, "-rotated") for item in [("ackley", 6), ("rastrigin", 4), ("hartmann", 6)]]
    listed += [("turned", *item, moved, "-shifted") for item in [("ackley", 10), ("levy", 6), ("rosenbrock", 6)]]
    listed += [("warped", *item, Shape(warped=True), "-warped") for item in [("hartmann", 6), ("levy", 4)]]
    listed += [("noisy", *item, Shape(noisy=True), "-noisy") for item in [("branin", 2), ("hartmann", 6), ("levy", 4)]]
    for function, dimensions, integers, categories in MIXED:
        listed.append(("mixed", function, dimensions, Shape(integers=integers, categories=categories), "-mixed"))
    listed += [("failing", *item, Shape(failing=True), "-failing") for item in [("branin", 2), ("hartmann", 6)]]
    listed.append(("failing", "ackley", 6, Shape(failing=True), "-failing"))
    listed.append(("failing", "levy", 8, Shape(failing=True, integers=2, categories=2), "-mixed-failing"))
    listed += [("heavy", *item, Shape(heavy=True), "-heavy") for item in [("branin", 2), ("rosenbrock", 6)]]
    listed.append(("heavy", "levy", 8, Shape(heavy=True, integers=2, categories=2), "-mixed-heavy"))
    return listed


#: Function, dimensions, how many of them are integers, how many categorical.
MIXED = (("ackley", 12, 3, 3), ("levy", 8, 2, 2), ("rastrigin", 6, 2, 2), ("hartmann", 6, 0, 2), ("hartmann", 3, 2, 1))
