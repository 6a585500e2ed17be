"""Which configurations a study has used up, whatever became of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pegbox.domain.ranges import Space
from pegbox.strategies.base import Study
from pegbox.strategies.inheritance import Inheritance


class Tried:
    """The configurations of all trials, running, failed and inherited ones included.

    In a finite space a configuration is known by its index; elsewhere by its rendered strings.
    """

    def __init__(self, space: Space, configurations: Iterable[Mapping[str, str]] = ()) -> None:
        self.space = space
        self.size = space.size()
        self._keys: set[int | tuple[str, ...]] = set()
        for values in configurations:
            self.add(values)

    @classmethod
    def of(cls, study: Study, inheritance: Inheritance | None = None) -> Tried:
        """All that the study has launched, and in a finite space what it inherits."""
        tried = cls(study.space, (trial.values for trial in study.trials))
        if tried.size is not None and study.parents:
            for trial in (inheritance or Inheritance.of(study)).trials:
                tried.add(trial.values)
        return tried

    def add(self, values: Mapping[str, str]) -> None:
        """Note a configuration; one from outside the space uses nothing up."""
        key = self._key(values)
        if key is not None:
            self._keys.add(key)

    def __contains__(self, values: Mapping[str, str]) -> bool:
        return self._key(values) in self._keys

    @property
    def exhausted(self) -> bool:
        """Is there nothing left in this space?"""
        return self.size is not None and len(self._keys) >= self.size

    def free(self, start: int = 0) -> Iterator[int]:
        """The unused indices of a finite space, upwards from `start` and round the end."""
        size = self.size or 0
        for step in range(size):
            index = (start + step) % size
            if index not in self._keys:
                yield index

    def _key(self, values: Mapping[str, str]) -> int | tuple[str, ...] | None:
        try:
            if self.size is not None:
                return self.space.index(values)
            return tuple(values[name] for name in self.space.names)
        except (KeyError, ValueError):
            return None
