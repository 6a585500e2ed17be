"""One store in front of two: s3:// goes to one, file:// to the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from pegbox.objects.base import Location, ObjectInfo, ObjectStore, at_any_time, unseen


class RoutedStore:
    """Asks `s3` or `local`, as the scheme of the location says."""

    def __init__(self, s3: ObjectStore, local: ObjectStore) -> None:
        self._s3, self._local = s3, local

    def open(self, account: str, location: Location, seen: Callable[[ObjectInfo], None] = unseen) -> BinaryIO:
        """Open an object for streaming.  Raises NoSuchObject."""
        return self._of(location).open(account, location, seen)

    def put(self, account: str, location: Location, source: BinaryIO, confirm: Callable[[], None] = at_any_time) -> str:
        """Store all of `source`; returns the ETag.  Raises NoSuchObject for a missing bucket."""
        return self._of(location).put(account, location, source, confirm)

    def list(self, account: str, prefix: Location) -> Iterator[ObjectInfo]:
        """All objects under a prefix.  Raises NoSuchObject (bucket)."""
        return self._of(prefix).list(account, prefix)

    def check(self, account: str, location: Location) -> None:
        """Whether there is a bucket that a put could go to.  Raises NoSuchObject if there is none."""
        self._of(location).check(account, location)

    def delete(self, account: str, location: Location, confirm: Callable[[], None] = at_any_time) -> None:
        """Remove an object; a missing one is no error."""
        self._of(location).delete(account, location, confirm)

    def fetch(self, account: str, location: Location, into: Path) -> ObjectInfo:
        """Write a private copy of an object to `into`.  Raises NoSuchObject."""
        return self._of(location).fetch(account, location, into)

    def _of(self, location: Location) -> ObjectStore:
        return self._local if location.scheme == "file" else self._s3
