"""Which configurations a study has used up, whatever became of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set

from pegbox.domain.ranges import Space


class Tried:
    """The configurations of all trials, running, failed and inherited ones included.

    In a finite space a configuration is known by its index; elsewhere by its rendered strings.
    """

    def __init__(self, space: Space, configurations: Iterable[Mapping[str, str]] = ()) -> None:
        self.space = space
        self.size = space.size()
        self._keys: set[int | tuple[str, ...]] = set()
        self._before: Set[int | tuple[str, ...]] = frozenset()  # those of another one, which keeps them
        for values in configurations:
            self.add(values)

    def branch(self) -> Tried:
        """One that may note more without this one knowing; this one must not note any more as long as it is used."""
        branch = Tried(self.space)
        branch._before = self._keys
        return branch

    def add(self, values: Mapping[str, str]) -> None:
        """Note a configuration; one from outside the space uses nothing up."""
        key = self._key(values)
        if key is not None and key not in self._before:
            self._keys.add(key)

    def __contains__(self, values: Mapping[str, str]) -> bool:
        return self._has(self._key(values))

    @property
    def exhausted(self) -> bool:
        """Is there nothing left in this space?"""
        return self.size is not None and len(self._before) + len(self._keys) >= self.size

    def free(self, start: int = 0) -> Iterator[int]:
        """The unused indices of a finite space, upwards from `start` and round the end."""
        size = self.size or 0
        for step in range(size):
            index = (start + step) % size
            if not self._has(index):
                yield index

    def _has(self, key: int | tuple[str, ...] | None) -> bool:
        return key in self._keys or key in self._before

    def _key(self, values: Mapping[str, str]) -> int | tuple[str, ...] | None:
        try:
            if self.size is not None:
                return self.space.index(values)
            return tuple(values[name] for name in self.space.names)
        except (KeyError, ValueError):
            return None
