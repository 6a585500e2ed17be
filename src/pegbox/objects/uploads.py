"""Multipart uploads: parts arrive in any order, then become one object in one step."""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import pairwise

from pegbox.errors import S3Error
from pegbox.objects.content import ContentFiles, Incoming
from pegbox.objects.index import Index
from pegbox.objects.rows import (
    PART,
    UPLOAD,
    dump_checksum,
    dump_description,
    dump_tags,
    find_bucket,
    milliseconds,
    moment,
    part_of,
    replace_object,
    upload_of,
)
from pegbox.objects.stored import (
    NO_CONDITIONS,
    Checksum,
    Conditions,
    Description,
    Part,
    StoredObject,
    Upload,
    UploadPage,
)

SMALLEST_PART = 5 << 20  #: bytes, of all parts but the last


class Changed(Exception):
    """The upload was completed, aborted or got another part meanwhile: look again."""


class Uploads:
    """The multipart uploads of a store.  All methods raise S3Error."""

    def __init__(self, index: Index, content: ContentFiles, clock: Callable[[], datetime]) -> None:
        self._index, self._content, self._clock = index, content, clock

    def create(
        self,
        account: str,
        bucket: str,
        key: str,
        description: Description,
        algorithm: str | None = None,
        kind: str | None = None,
    ) -> Upload:
        """Begin an upload; `algorithm` and `kind` are those of the checksums to come."""
        upload = Upload(
            id=secrets.token_hex(32),
            bucket=bucket,
            key=key,
            started=self._clock(),
            description=description,
            algorithm=algorithm,
            kind=kind,
        )
        described, tags = dump_description(description), dump_tags(description.tags)
        values = (upload.id, bucket, key.encode(), milliseconds(upload.started), described, algorithm, kind, tags)
        with self._index.write() as connection:
            find_bucket(connection, account, bucket)
            connection.execute(f"insert into upload ({UPLOAD}) values (?, ?, ?, ?, ?, ?, ?, ?)", values)
        return upload

    def get(self, account: str, bucket: str, key: str, upload_id: str) -> Upload:
        """The upload of this id.  NoSuchUpload if it is complete, aborted or of another key."""
        with self._index.read() as connection:
            return _find(connection, account, bucket, key, upload_id)

    def put_part(
        self, account: str, upload: Upload, number: int, incoming: Incoming, etag: str, checksum: Checksum | None
    ) -> Part:
        """Store a settled file as a part, in place of an earlier one of the same number."""
        part = Part(
            number=number,
            size=incoming.size,
            etag=etag,
            modified=_whole_milliseconds(self._clock()),
            checksum=checksum,
            content=incoming.name,
        )
        modified, summed = milliseconds(part.modified), dump_checksum(checksum)
        with self._index.write() as connection:
            _find(connection, account, upload.bucket, upload.key, upload.id)
            old = connection.execute(
                "select content from part where upload = ? and number = ?", (upload.id, number)
            ).fetchall()
            connection.execute(
                f"insert or replace into part (upload, {PART}) values (?, ?, ?, ?, ?, ?, ?)",
                (upload.id, number, part.size, etag, modified, summed, incoming.name),
            )
            keep(incoming)
        self._remove(old)
        return part

    def parts(
        self, account: str, bucket: str, key: str, upload_id: str, after: int = 0, limit: int = 10_001
    ) -> tuple[Upload, list[Part]]:
        """The upload of this id, as `get`, and the parts that have arrived at the same moment, by number."""
        with self._index.read() as connection:
            return _find(connection, account, bucket, key, upload_id), _parts(connection, upload_id, after, limit)

    def complete(
        self,
        account: str,
        upload: Upload,
        parts: Sequence[Part],
        checksum: Checksum | None,
        conditions: Conditions = NO_CONDITIONS,
    ) -> StoredObject:
        """Make one object of these parts of the upload, and forget it.  Raises Changed if they are no longer its."""
        with self._content.receive() as incoming:
            self._concatenate(parts, incoming)
            stored = StoredObject(
                bucket=upload.bucket,
                key=upload.key,
                size=incoming.size,
                etag=multipart_etag([part.etag for part in parts]),
                modified=_whole_milliseconds(self._clock()),
                description=upload.description,
                checksum=checksum,
                part_sizes=tuple(part.size for part in parts),
                part_checksums=_checksums(parts, checksum),
                content=incoming.name,
            )
            with self._index.write() as connection:
                find_bucket(connection, account, upload.bucket)
                if not set(parts).issubset(_parts(connection, upload.id)):
                    raise Changed
                old = replace_object(connection, stored, conditions)
                dropped = _forget(connection, upload.id)
                keep(incoming)
        self._remove([*dropped, *([(old,)] if old else [])])
        return stored

    def abort(self, account: str, upload: Upload) -> None:
        """Forget the upload and its parts."""
        with self._index.write() as connection:
            _find(connection, account, upload.bucket, upload.key, upload.id)
            dropped = _forget(connection, upload.id)
        self._remove(dropped)

    def in_progress(
        self,
        account: str,
        bucket: str,
        prefix: str = "",
        delimiter: str = "",
        after: tuple[str, str | None] = ("", None),
        limit: int = 1000,
    ) -> UploadPage:
        """Uploads in progress by key and id, after the pair `after`; without an id, after all of its key or prefix."""
        key, start = after[0].encode(), prefix.encode()
        query = (
            f"select {UPLOAD} from upload where bucket = ? and substr(key, 1, ?) = ?"
            " and (key > ? or (key = ? and id > ?)) order by key, id"
        )
        behind = "~" if after[1] is None else after[1]  # "~" is behind every id
        with self._index.read() as connection:
            find_bucket(connection, account, bucket)
            rows = connection.execute(query, (bucket, len(start), start, key, key, behind))
            return _page(map(upload_of, rows), prefix, delimiter, after[0], limit)

    def _concatenate(self, parts: Sequence[Part], incoming: Incoming) -> None:
        for part in parts:
            try:
                source = self._content.open(part.content)
            except FileNotFoundError:
                raise Changed from None
            try:
                incoming.append_range(source, 0, part.size)
            finally:
                os.close(source)
        incoming.settle()

    def _remove(self, names: Sequence[tuple[str]]) -> None:
        for (name,) in names:
            self._content.remove(name)


def select_parts(present: Sequence[Part], wanted: Sequence[tuple[int, str]]) -> list[Part]:
    """The parts that the client names, if they are in order, there and large enough.  Raises S3Error."""
    if not wanted:
        raise S3Error("MalformedXML", 400, "You must specify at least one part")
    numbers = [number for number, _ in wanted]
    if any(first >= second for first, second in pairwise(numbers)):
        raise S3Error("InvalidPartOrder", 400, "The list of parts was not in ascending order.")
    known = {part.number: part for part in present}
    chosen = []
    for number, etag in wanted:
        part = known.get(number)
        if part is None or part.etag != etag:
            raise invalid_part(number)
        chosen.append(part)
    for part in chosen[:-1]:
        if part.size < SMALLEST_PART:
            raise _too_small(part)
    return chosen


def _page(found: Iterable[Upload], prefix: str, delimiter: str, after: str, limit: int) -> UploadPage:
    uploads: list[Upload] = []
    prefixes: list[str] = []
    last: tuple[str, str | None] | None = None
    for upload in found:
        common = common_prefix(upload.key, prefix, delimiter)
        if common is not None and (common == after or prefixes[-1:] == [common]):
            continue
        if len(uploads) + len(prefixes) >= limit:
            return UploadPage(uploads=tuple(uploads), prefixes=tuple(prefixes), last=last)
        if common is None:
            uploads.append(upload)
            last = upload.key, upload.id
        else:
            prefixes.append(common)
            last = common, None
    return UploadPage(uploads=tuple(uploads), prefixes=tuple(prefixes), last=None)


def common_prefix(key: str, prefix: str, delimiter: str) -> str | None:
    """What a listing shows in place of the key: all up to the delimiter, if there is one behind the prefix."""
    at = key.find(delimiter, len(prefix)) if delimiter else -1
    return key[: at + len(delimiter)] if at >= 0 else None


def multipart_etag(etags: Sequence[str]) -> str:
    """The ETag of an object made of parts: the MD5 of their MD5s, a dash and how many there were."""
    digests = b"".join(bytes.fromhex(etag) for etag in etags)
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(etags)}"


def keep(incoming: Incoming) -> None:
    """Let the index name this file; to be called inside the transaction, which a sweep cannot enter."""
    if not incoming.present():
        raise S3Error("RequestTimeout", 400, "The upload took too long and was removed. Please upload again.")
    incoming.keep()


def invalid_part(number: int) -> S3Error:
    """A named part is not there, or is another than the client thinks."""
    message = (
        "One or more of the specified parts could not be found. The part may not have been uploaded, "
        "or the specified entity tag may not match the part's entity tag."
    )
    return S3Error("InvalidPart", 400, message, {"PartNumber": str(number)})


def _checksums(parts: Sequence[Part], whole: Checksum | None) -> tuple[str, ...]:
    """The checksums of the parts, if the whole has one and so has each of them."""
    known = [part.checksum.value for part in parts if whole and part.checksum]
    return tuple(known) if len(known) == len(parts) else ()


def _too_small(part: Part) -> S3Error:
    message = "Your proposed upload is smaller than the minimum allowed size"
    sizes = {"ProposedSize": str(part.size), "MinSizeAllowed": str(SMALLEST_PART), "PartNumber": str(part.number)}
    return S3Error("EntityTooSmall", 400, message, sizes)


def _find(connection: sqlite3.Connection, account: str, bucket: str, key: str, upload_id: str) -> Upload:
    find_bucket(connection, account, bucket)
    query = f"select {UPLOAD} from upload where id = ? and bucket = ? and key = ?"
    row = connection.execute(query, (upload_id, bucket, key.encode())).fetchone()
    if row is None:
        message = (
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
            "completed."
        )
        raise S3Error("NoSuchUpload", 404, message, {"UploadId": upload_id})
    return upload_of(row)


def _parts(connection: sqlite3.Connection, upload_id: str, after: int = 0, limit: int = 10_001) -> list[Part]:
    query = f"select {PART} from part where upload = ? and number > ? order by number limit ?"
    return [part_of(row) for row in connection.execute(query, (upload_id, after, limit)).fetchall()]


def _forget(connection: sqlite3.Connection, upload_id: str) -> list[tuple[str]]:
    contents = connection.execute("select content from part where upload = ?", (upload_id,)).fetchall()
    connection.execute("delete from upload where id = ?", (upload_id,))
    return contents


def _whole_milliseconds(now: datetime) -> datetime:
    return moment(milliseconds(now))
