"""The object store as work under a lease sees it: who has lost the lease writes and removes nothing any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pegbox.objects.base import Location, ObjectInfo, ObjectStore, at_any_time, unseen


@dataclass(frozen=True, slots=True)
class LeasedObjects:
    """An ObjectStore whose changes are made only while `confirm` does not raise."""

    inner: ObjectStore
    confirm: Callable[[], None]
    confirm_now: Callable[[], None]  #: the same, whenever it was seen last

    def open(self, account: str, location: Location, seen: Callable[[ObjectInfo], None] = unseen) -> BinaryIO:
        """Open an object for streaming.  Raises NoSuchObject."""
        return self.inner.open(account, location, seen)

    def put(self, account: str, location: Location, source: BinaryIO, confirm: Callable[[], None] = at_any_time) -> str:
        """Store all of `source`; the lease is looked at when all of it is there, right before it becomes visible."""
        again = False

        def all_of_them() -> None:
            nonlocal again
            confirm()
            self.confirm() if again else self.confirm_now()
            again = True

        return self.inner.put(account, location, source, all_of_them)

    def list(self, account: str, prefix: Location) -> Iterator[ObjectInfo]:
        """All objects under a prefix."""
        return self.inner.list(account, prefix)

    def check(self, account: str, location: Location) -> None:
        """Whether there is a bucket that a put could go to."""
        self.inner.check(account, location)

    def delete(self, account: str, location: Location, confirm: Callable[[], None] = at_any_time) -> None:
        """Remove an object; a missing one is no error."""

        def both() -> None:
            confirm()
            self.confirm()

        both()  # the one that waits for nobody
        self.inner.delete(account, location, both)

    def fetch(self, account: str, location: Location, into: Path) -> ObjectInfo:
        """Write an object to `into`."""
        return self.inner.fetch(account, location, into)
