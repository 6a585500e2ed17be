"""Classic test functions of global optimisation, with their minima.

Surjanovic and Bingham, "Virtual Library of Simulation Experiments: Test Functions and Datasets".  The boxes are not
symmetric around the minimum: a method that looks at the centre first must not find it there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Function = Callable[[np.ndarray], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Classic:
    """A function on a box; it is defined outside the box as well."""

    function: Function
    low: np.ndarray
    high: np.ndarray
    minimiser: np.ndarray

    @property
    def minimum(self) -> float:
        return self.function(self.minimiser)


def branin(x: np.ndarray) -> float:
    bowl = x[1] - 5.1 / (4 * math.pi**2) * x[0] ** 2 + 5 / math.pi * x[0] - 6
    return float(bowl**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x[0]) + 10)


def ackley(x: np.ndarray) -> float:
    return float(-20 * np.exp(-0.2 * np.sqrt(np.mean(x**2))) - np.exp(np.mean(np.cos(2 * np.pi * x))) + 20 + math.e)


def levy(x: np.ndarray) -> float:
    w = 1 + (x - 1) / 4
    middle = (w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2)
    last = (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2)
    return float(np.sin(np.pi * w[0]) ** 2 + middle.sum() + last)


def rosenbrock(x: np.ndarray) -> float:
    return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())


def rastrigin(x: np.ndarray) -> float:
    return float(10 * len(x) + (x**2 - 10 * np.cos(2 * np.pi * x)).sum())


_ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
_A3 = np.array([[3.0, 10, 30], [0.1, 10, 35], [3.0, 10, 30], [0.1, 10, 35]])
_P3 = 1e-4 * np.array([[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]])
_A6 = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_P6 = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann3(x: np.ndarray) -> float:
    return float(-_ALPHA @ np.exp(-(_A3 * (x - _P3) ** 2).sum(axis=1)))


def hartmann6(x: np.ndarray) -> float:
    return float(-_ALPHA @ np.exp(-(_A6 * (x - _P6) ** 2).sum(axis=1)))


#: Function, ends of the box in every dimension, its minimiser in every dimension.
_ANY: dict[str, tuple[Function, float, float, float]] = {
    "ackley": (ackley, -5.0, 10.0, 0.0),
    "levy": (levy, -10.0, 7.0, 1.0),
    "rosenbrock": (rosenbrock, -2.0, 5.0, 1.0),
    "rastrigin": (rastrigin, -4.0, 5.12, 0.0),
}


def classic(name: str, dimensions: int) -> Classic:
    """A function by its name; Branin and Hartmann's have as many dimensions as they have."""
    if name in _ANY:
        function, low, high, best = _ANY[name]
        ends = (np.full(dimensions, end) for end in (low, high, best))
        return Classic(function=function, **dict(zip(("low", "high", "minimiser"), ends, strict=True)))
    if name == "branin":
        best = np.array([math.pi, 2.275])
        return Classic(function=branin, low=np.array([-5.0, 0.0]), high=np.array([10.0, 15.0]), minimiser=best)
    if (name, dimensions) == ("hartmann", 3):
        best = np.array([0.114589339, 0.555648850, 0.852546980])
        return Classic(function=hartmann3, low=np.zeros(3), high=np.ones(3), minimiser=best)
    if (name, dimensions) == ("hartmann", 6):
        best = np.array([0.20168951, 0.15001069, 0.47687398, 0.27533243, 0.31165161, 0.65730054])
        return Classic(function=hartmann6, low=np.zeros(6), high=np.ones(6), minimiser=best)
    raise ValueError(f"there is no function {name} of {dimensions} dimensions")
