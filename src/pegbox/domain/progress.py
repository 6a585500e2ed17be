"""How far a training job has come: what the rules that stop jobs look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Progress:
    """A training job of a tuning job and its published objective values."""

    number: int  #: launch order within the tuning job, from 1
    curve: Sequence[float]  #: every published value of the objective, oldest first; finite
    completed: bool = False  #: it ended by itself and well
    ended: bool = False  #: nothing more will come: completed, stopped or failed


Outline = tuple[tuple[int, float], ...]  #: (how many values there were, the last of them), ascending

_APART = 1.25  #: an epoch of an outline is so many times the one before


@dataclass(slots=True)
class Outliner:
    """The outline of a curve as its values arrive: at epochs that lie farther and farther apart, and at its end.

    The epochs are the same for all curves, so that curves can be compared; there are about ten for each power of ten.
    """

    _count: int = 0
    _last: float = 0.0
    _next: int = 1
    _marks: list[tuple[int, float]] = field(default_factory=list)

    def add(self, values: Iterable[float]) -> None:
        """Further values."""
        for value in values:
            self._count += 1
            self._last = value
            if self._count == self._next:
                self._marks.append((self._count, value))
                self._next = max(self._count + 1, int(self._count * _APART))

    def outline(self) -> Outline:
        """So far; empty without values."""
        if not self._count or self._marks[-1][0] == self._count:
            return tuple(self._marks)
        return (*self._marks, (self._count, self._last))
