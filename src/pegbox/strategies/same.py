"""For what is made of a study's parents, which are the same in all of its asks, and kept for the next one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

MOST_STUDIES = 8  #: studies of whose parents something is kept
MOST_PARENTS = 5 * MOST_STUDIES  #: parents; of each half a megabyte or so


@dataclass(frozen=True, slots=True, eq=False)
class Same(Generic[T]):
    """An argument of a function under `lru_cache` that only the very same object equals.

    To compare all trials of parents would take as long as much of what is kept.  What is given must not change.
    """

    it: T

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.it is self.it

    def __hash__(self) -> int:
        return id(self.it)
