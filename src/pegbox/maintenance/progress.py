"""How far something is that takes long."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

QUIET = 2.0  #: seconds in which nothing is said


@dataclass(slots=True)
class Progress:
    """Counts, and now and then says so by `say`: on a terminal often, in a file seldom.

    A context.  At its end, and before others speak, `leave` is called if anything was said: a line may be unfinished.
    """

    say: Callable[[str], None]
    pause: float = 0.5  #: seconds between two lines
    monotonic: Callable[[], float] = time.monotonic
    leave: Callable[[], None] | None = None
    _what: str = ""
    _total: int = 0
    _done: int = 0
    _size: int = 0
    _next: float = field(default=0.0)
    _has_said: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.interrupt()

    def interrupt(self) -> None:
        """Something else is to be said."""
        if self._has_said and self.leave is not None:
            self.leave()
        self._has_said = False

    def begin(self, what: str, total: int = 0) -> None:
        """A new part of the work begins: `total` things, or nobody knows how many."""
        self._what, self._total, self._done, self._size = what, total, 0, 0
        self._next = self._next or self.monotonic() + QUIET

    def step(self, size: int = 0, count: int = 1) -> None:
        """So many more are done, of so many bytes."""
        self._done += count
        self._size += size
        if self.monotonic() >= self._next:
            self._next = self.monotonic() + self.pause
            of = f" of {self._total:,}" if self._total else ""
            size_told = f", {self._size / 1e6:,.0f} MB" if self._size else ""
            self._has_said = True
            self.say(f"{self._what}: {self._done:,}{of}{size_told}")
