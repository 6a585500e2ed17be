"""An object store whose traffic is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from pegbox.objects.base import Location, ObjectInfo, ObjectStore, at_any_time, unseen

Count = Callable[[str, int], None]  #: direction ("in", "out") and bytes


class MeteredStore:
    """Passes everything on to `store` and tells `count` how many bytes went in and out."""

    def __init__(self, store: ObjectStore, count: Count) -> None:
        self._store, self._count = store, count

    def open(self, account: str, location: Location, seen: Callable[[ObjectInfo], None] = unseen) -> BinaryIO:
        """Open an object for streaming.  Raises NoSuchObject."""
        return cast(BinaryIO, _Counted(self._store.open(account, location, seen), self._count, "out"))

    def put(self, account: str, location: Location, source: BinaryIO, confirm: Callable[[], None] = at_any_time) -> str:
        """Store all of `source`; returns the ETag.  Raises NoSuchObject for a missing bucket."""
        return self._store.put(account, location, cast(BinaryIO, _Counted(source, self._count, "in")), confirm)

    def list(self, account: str, prefix: Location) -> Iterator[ObjectInfo]:
        """All objects under a prefix.  Raises NoSuchObject (bucket)."""
        return self._store.list(account, prefix)

    def check(self, account: str, location: Location) -> None:
        """Whether there is a bucket that a put could go to.  Raises NoSuchObject."""
        self._store.check(account, location)

    def delete(self, account: str, location: Location, confirm: Callable[[], None] = at_any_time) -> None:
        """Remove an object; a missing one is no error."""
        self._store.delete(account, location, confirm)

    def fetch(self, account: str, location: Location, into: Path) -> ObjectInfo:
        """Write a private copy of an object to `into`.  Raises NoSuchObject."""
        info = self._store.fetch(account, location, into)
        self._count("out", info.size)
        return info


class _Counted:
    """A file whose reads are counted; everything else is the file's own."""

    def __init__(self, file: BinaryIO, count: Count, direction: str) -> None:
        self._file, self._count, self._direction = file, count, direction

    def __enter__(self) -> _Counted:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def read(self, size: int = -1) -> bytes:
        """Read, and count."""
        data = self._file.read(size)
        self._count(self._direction, len(data))
        return data
