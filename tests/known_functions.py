"""Searches of functions that are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from pegbox.domain.ranges import Categorical, Continuous, Integer, Scaling, Space
from pegbox.strategies.base import Goal, Study
from pegbox.testing.strategy_suite import finished, study_of, trials_in

Objective = Callable[[Mapping[str, str]], float]


def numbers(names: str) -> tuple[Continuous, ...]:
    return tuple(Continuous(name, 0.0, 1.0, Scaling.LINEAR) for name in names)


SQUARE = Space(numbers("xy"))
CUBE = Space((*numbers("xyz"), Continuous("constant", 2.0, 2.0)))
MIXED = Space((*numbers("x"), Integer("n", 1, 5), Categorical("kind", ("a", "b", "c"))))


def told(space: Space, objective: Objective, count: int = 50, goal: Goal = Goal.MINIMIZE, noise: float = 0.0) -> Study:
    rng = np.random.default_rng(1)
    trials = [
        finished(each.number, each.values, objective(each.values) + noise * float(rng.standard_normal()))
        for each in trials_in(space, count)
    ]
    return replace(study_of(space, trials), goal=goal)


def bowl(values: Mapping[str, str]) -> float:
    """Lowest, 0, at (0.3, 0.8); units of hundreds."""
    return 100.0 * ((float(values["x"]) - 0.3) ** 2 + (float(values["y"]) - 0.8) ** 2)
