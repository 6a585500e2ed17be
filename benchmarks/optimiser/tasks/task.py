"""A task: a space, and a value, or a failure, for each of its configurations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pegbox.domain.ranges import Space
from pegbox.strategies.base import Goal, Limits, Study
from pegbox.strategies.random import Random

Values = Mapping[str, str]
Curve = tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Values are in the task's own units; `exact` of a configuration that fails is None."""

    name: str
    family: str  #: what is reported together
    space: Space
    exact: Callable[[Values], float | None]  #: the value without noise
    goal: Goal = Goal.MINIMIZE
    noise: float = 0.0  #: standard deviation
    best: float | None = None  #: optimum, if it is known; else it is estimated (reference.py)
    curve: Callable[[Values], Curve] | None = None  #: what a training publishes, the value being the last of it
    seconds: Callable[[Values], float] | None = None  #: how long an evaluation takes; else that is drawn at random
    costly: bool = False  #: an evaluation takes more than a few milliseconds

    def observed(self, exact: float | None, seed: int, number: int) -> float | None:
        """The value with its noise, which is the same for the same run and number of trial."""
        if exact is None or not self.noise:
            return exact
        return exact + self.noise * float(np.random.default_rng([seed, number]).standard_normal())

    @property
    def sign(self) -> float:
        """What turns values into losses."""
        return 1.0 if self.goal is Goal.MINIMIZE else -1.0


def draws(space: Space, count: int, seed: int) -> list[Values]:
    """The first configurations of a random search, fewer if the space has no more."""
    study = Study(space=space, goal=Goal.MINIMIZE, limits=Limits(most=count, at_once=count), seed=seed)
    return [candidate.values for candidate in Random().ask(study, count, np.random.default_rng(seed))]
