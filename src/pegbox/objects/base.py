"""Where bytes live: buckets and keys, whoever keeps them.

Atomic:     a put is visible whole or not at all, also after a crash.
Repeatable: put, delete and copy may be repeated with the same arguments.
Threads:    all methods may be called from several threads at once.
Streams:    bodies are never held in memory whole.
Fences:     put calls `confirm` when all bytes are there, right before they become visible, and perhaps again if it had
            to wait for that; delete likewise.  What it raises leaves the object as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class Location:
    """s3://bucket/key, https://… of the same, or file:///path."""

    scheme: str  #: "s3" or "file"
    bucket: str  #: "" for file
    key: str  #: key or prefix; for file the absolute path

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}" if self.scheme == "s3" else f"file://{self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """What is known about an object without reading it."""

    key: str
    size: int
    etag: str  #: without quotes
    modified: datetime
    content_type: str = "binary/octet-stream"
    metadata: Mapping[str, str] = field(default_factory=dict)  #: user metadata, keys in lower case


class NoSuchObject(Exception):
    """There is no object, or no bucket, at this location."""


class Refused(Exception):
    """The store does not let us: credentials, policies or permissions are against it, or a file never stands still."""


class Unreachable(Exception):
    """The store does not answer, or not as a store would: nothing can be said about the object, try again later."""


def at_any_time() -> None:
    """Nobody has to be asked before an object becomes visible."""


def unseen(info: ObjectInfo) -> None:
    """Nobody wants to know which version of an object it is."""


class ObjectStore(Protocol):
    """Reads and writes objects for the engine.  `account` is whose buckets are meant (ignored by outside stores).

    All methods, and reading what `open` gives, may also raise Refused and Unreachable.
    """

    def open(self, account: str, location: Location, seen: Callable[[ObjectInfo], None] = unseen) -> BinaryIO:
        """Open an object for streaming; `seen` is told what it is that was opened.  Raises NoSuchObject."""
        ...

    def put(self, account: str, location: Location, source: BinaryIO, confirm: Callable[[], None] = at_any_time) -> str:
        """Store all of `source`; returns the ETag.  Raises NoSuchObject for a missing bucket."""
        ...

    def list(self, account: str, prefix: Location) -> Iterator[ObjectInfo]:
        """All objects whose key begins with the prefix's key, in UTF-8 byte order.  Raises NoSuchObject (bucket)."""
        ...

    def check(self, account: str, location: Location) -> None:
        """Whether there is a bucket that a put to `location` could go to.  Raises NoSuchObject if there is none."""
        ...

    def delete(self, account: str, location: Location, confirm: Callable[[], None] = at_any_time) -> None:
        """Remove an object; a missing one is no error."""
        ...

    def fetch(self, account: str, location: Location, into: Path) -> ObjectInfo:
        """Write one object to the path `into` (a private copy: the caller may change it).  Raises NoSuchObject.

        Returns what it is that was written: no other version, whatever becomes of the object meanwhile.
        """
        ...
