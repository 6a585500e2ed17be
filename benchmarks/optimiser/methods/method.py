"""What all methods have in common: they are asked for configurations and told what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from ..tasks.task import Task, Values


class State(Enum):
    """How an evaluation ended."""

    FINISHED = "finished"
    STOPPED = "stopped"  # early, by the rule of the run; the value is its last one
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a method is told about an evaluation."""

    state: State
    value: float | None = None
    curve: tuple[float, ...] = ()  #: with early stopping, every value that was published


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a search is run."""

    budget: int  #: evaluations
    workers: int = 1  #: evaluations at once
    early: bool = False  #: a rule stops evaluations that do badly

    def __str__(self) -> str:
        return f"w{self.workers}-n{self.budget}" + ("-early" if self.early else "")


class Method(Protocol):
    """A search that is going on.  Evaluations are numbered from 1 in the order in which they begin."""

    def ask(self, numbers: Sequence[int]) -> list[Values]:
        """Configurations for these evaluations; fewer: there is nothing left to propose."""
        ...

    def observe(self, number: int, curve: tuple[float, ...]) -> None:
        """What a running evaluation has published; only with early stopping."""
        ...

    def tell(self, number: int, outcome: Outcome) -> None:
        """How an evaluation ended."""
        ...

    def learn(self, number: int, values: Values, value: float) -> None:
        """An evaluation that it was not asked for, before the first ask."""
        ...

    @property
    def expected(self) -> float | None:
        """What a model expected any configuration to gain on the best, at most, when it was last asked."""
        ...

    @property
    def seconds(self) -> float:
        """CPU seconds of all calls so far."""
        ...

    @property
    def versions(self) -> Mapping[str, str]:
        """Package -> version of what searches."""
        ...

    def close(self) -> None:
        """The search is over."""
        ...


class Maker(Protocol):
    """Begins a search."""

    def __call__(self, task: Task, setting: Setting, seed: int) -> Method: ...
