"""The nouns of pegbox's own object store: buckets, objects, uploads in parts, and what is asked of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import BinaryIO

from pegbox.errors import S3Error

FIRST_REGION = "us-east-1"  #: where S3 began, and has a few habits of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A bucket; its name is unique over all accounts, as on S3."""

    name: str
    account: str
    region: str
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """An additional checksum of the S3 API ("Checking object integrity")."""

    algorithm: str  #: crc32, crc32c, crc64nvme, sha1 or sha256
    value: str  #: base64; a composite one ends in "-<parts>"
    kind: str = "FULL_OBJECT"  #: FULL_OBJECT or COMPOSITE


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What the writer says about an object."""

    headers: Mapping[str, str] = field(default_factory=dict)  #: lower-case content-type, cache-control, ...
    metadata: Mapping[str, str] = field(default_factory=dict)  #: user metadata, lower-case names without x-amz-meta-
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object as the index knows it."""

    bucket: str
    key: str
    size: int
    etag: str  #: without quotes
    modified: datetime  #: milliseconds
    description: Description
    checksum: Checksum | None
    part_sizes: tuple[int, ...]  #: empty unless uploaded in parts
    part_checksums: tuple[str, ...] = ()  #: of the same algorithm as `checksum`; empty unless all parts had one
    content: str = field(repr=False)  #: name of the content file


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A multipart upload that is neither complete nor aborted."""

    id: str
    bucket: str
    key: str
    started: datetime
    description: Description
    algorithm: str | None  #: the checksum that each part is to have
    kind: str | None  #: FULL_OBJECT or COMPOSITE


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a multipart upload."""

    number: int
    size: int
    etag: str
    modified: datetime
    checksum: Checksum | None
    content: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What must hold of the present object for a write to happen ("conditional writes")."""

    if_match: str | None = None  #: ETag without quotes, or "*"
    if_none_match: str | None = None  #: "*": no object may be there

    def check(self, present: str | None) -> None:
        """`present` is the ETag of the object that is there, None if there is none.  Raises S3Error."""
        if self.if_match is not None:
            if present is None:
                raise S3Error("NoSuchKey", 404, "The specified key does not exist.")
            if self.if_match not in ("*", present):
                raise _failed("If-Match")
        if self.if_none_match is not None and present is not None:
            raise _failed("If-None-Match")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a listing; objects and common prefixes are each in UTF-8 byte order."""

    objects: tuple[StoredObject, ...]
    prefixes: tuple[str, ...]
    last: str | None  #: where the next page goes on; None if this is the last one


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """How much a store holds."""

    objects: int
    size: int  #: bytes
    buckets: int
    uploads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadPage:
    """One page of uploads in progress, by key and id, and common prefixes."""

    uploads: tuple[Upload, ...]
    prefixes: tuple[str, ...]
    last: tuple[str, str | None] | None  #: key and id, or common prefix, that the next page goes on after


NO_CONDITIONS = Conditions()


def _failed(condition: str) -> S3Error:
    message = "At least one of the pre-conditions you specified did not hold"
    return S3Error("PreconditionFailed", 412, message, {"Condition": condition})


class OpenObject:
    """An object opened for reading: it stays whole whatever happens to the key."""

    def __init__(self, info: StoredObject, fd: int) -> None:
        self.info, self.fd = info, fd

    def __enter__(self) -> OpenObject:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def read(self, offset: int, count: int) -> bytes:
        """At most `count` bytes from `offset`."""
        return os.pread(self.fd, count, offset)

    def file(self) -> BinaryIO:
        """The object as a file, which takes over the descriptor."""
        fd, self.fd = self.fd, -1
        return open(fd, "rb")

    def close(self) -> None:
        """Close it; closing twice is no error."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
