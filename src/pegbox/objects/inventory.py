"""Everything that the index says lies on disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pegbox.objects.content import ContentFiles
from pegbox.objects.index import Index
from pegbox.objects.rows import checksum_of
from pegbox.objects.stored import Checksum

_PAGE = 1000
_OBJECTS = "select bucket, key, size, etag, checksum, part_sizes, content from object"
_PARTS = "select upload, number, bucket, key, size, etag, checksum, content from part join upload on upload = id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A content file and what the index says of it."""

    bucket: str
    key: str
    upload: str | None  #: the upload that it is a part of; None for an object
    number: int  #: of the part; 0 for an object
    size: int
    etag: str  #: the MD5, or of an object with `part_sizes` that of the MD5s of its parts
    part_sizes: tuple[int, ...]
    checksum: Checksum | None
    path: Path

    def __str__(self) -> str:
        place = f"s3://{self.bucket}/{self.key}"
        return place if self.upload is None else f"part {self.number} of upload {self.upload} to {place}"


def inventory(index: Index, content: ContentFiles) -> Iterator[Named]:
    """Every object and every part of an upload.

    Read page by page, so that nobody waits: what others change meanwhile may be missing, or its file be gone already.
    """
    for bucket, key, size, etag, checksum, part_sizes, name in _rows(index, _OBJECTS, ("bucket", "key"), ("", b"")):
        yield Named(
            bucket=bucket,
            key=key.decode(),
            upload=None,
            number=0,
            size=size,
            etag=etag,
            part_sizes=tuple(json.loads(part_sizes)),
            checksum=checksum_of(checksum),
            path=content.path(name),
        )
    for upload, number, bucket, key, size, etag, checksum, name in _rows(index, _PARTS, ("upload", "number"), ("", -1)):
        yield Named(
            bucket=bucket,
            key=key.decode(),
            upload=upload,
            number=number,
            size=size,
            etag=etag,
            part_sizes=(),
            checksum=checksum_of(checksum),
            path=content.path(name),
        )


def _rows(index: Index, query: str, keys: tuple[str, str], after: tuple[Any, Any]) -> Iterator[tuple[Any, ...]]:
    """The rows of a query whose first two columns are its primary key, `keys`."""
    first, second = keys
    page = f"{query} where ({first}, {second}) > (?, ?) order by {first}, {second} limit {_PAGE}"
    while True:
        with index.read() as connection:
            rows = connection.execute(page, after).fetchall()
        yield from rows
        if len(rows) < _PAGE:
            return
        after = rows[-1][0], rows[-1][1]
