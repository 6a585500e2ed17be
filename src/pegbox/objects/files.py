"""The default object store: content files and an index, under one folder.

For the engine it is an ObjectStore (see base.py).  For the S3 API it has more: conditional writes, copies, listings
with a delimiter, and `buckets` and `uploads`; those methods raise S3Error with the codes of S3.

Bucket names are global, as on S3.  To the engine the bucket of another account is absent.
All methods may be called from several threads, and several servers on one host may share the folder.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from pegbox.errors import S3Error, ServiceUnavailable
from pegbox.objects.base import Location, NoSuchObject, ObjectInfo, Unreachable, at_any_time, unseen
from pegbox.objects.buckets import Buckets
from pegbox.objects.content import ContentFiles, Incoming, copy_range
from pegbox.objects.garbage import EVERY_SECONDS, STALE_SECONDS, Garbage
from pegbox.objects.index import Index
from pegbox.objects.listing import list_page
from pegbox.objects.rows import (
    dump_tags,
    find_bucket,
    find_content,
    find_object,
    milliseconds,
    moment,
    no_such_key,
    replace_object,
)
from pegbox.objects.stored import (
    NO_CONDITIONS,
    Checksum,
    Conditions,
    Description,
    OpenObject,
    Page,
    StoredObject,
    Totals,
)
from pegbox.objects.unnamed import MOST_SHARE
from pegbox.objects.uploads import Uploads, keep

STEP = 1 << 20  #: bytes read or written at a time
DEFAULT_TYPE = "binary/octet-stream"
_ATTEMPTS = 100

_DOCTOR = "pegbox doctor, on the server, tells more."

log = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class FileStore:
    """Objects in files.  `root` is made if it is missing.  Raises IndexLost if it has lost its index.

    Every `sweep_seconds` it removes uploads that have been quiet for `upload_seconds`, if that is not 0, and files
    that nobody names.
    """

    def __init__(
        self,
        root: Path,
        clock: Callable[[], datetime] = _utc_now,
        upload_seconds: float = 0.0,
        sweep_seconds: float = EVERY_SECONDS,
    ) -> None:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._content = ContentFiles(root)
        self._index = Index(root / "index.db", expected=self._content.is_made())
        self._content.make()  # after the index: where these folders are, there is one
        self._clock = clock
        self.buckets = Buckets(self._index, self._content, clock)
        self.uploads = Uploads(self._index, self._content, clock)
        self._garbage = Garbage(self._index, self._content, clock, upload_seconds, sweep_seconds)
        self._garbage.start()

    def close(self) -> None:
        """Release the index."""
        self._garbage.close()
        self._index.close()

    # -- objects

    def receive(self) -> Incoming:
        """Begin to write the content of an object or part."""
        return self._content.receive()

    def put_object(
        self,
        account: str,
        bucket: str,
        key: str,
        incoming: Incoming,
        *,
        etag: str,
        description: Description,
        checksum: Checksum | None = None,
        conditions: Conditions = NO_CONDITIONS,
        confirm: Callable[[], None] = at_any_time,
    ) -> StoredObject:
        """Make a settled file the object of `key`, at once and for good.

        `confirm` is called when nobody else can write any more: whoever comes after it comes after this object.
        """
        stored = StoredObject(
            bucket=bucket,
            key=key,
            size=incoming.size,
            etag=etag,
            modified=self._now(),
            description=description,
            checksum=checksum,
            part_sizes=(),
            content=incoming.name,
        )
        with self._index.write() as connection:
            find_bucket(connection, account, bucket)
            confirm()
            old = replace_object(connection, stored, conditions)
            keep(incoming)
        self._remove([old] if old else [])
        return stored

    def copy_object(
        self,
        account: str,
        source: OpenObject,
        bucket: str,
        key: str,
        description: Description,
        conditions: Conditions = NO_CONDITIONS,
        checksum: Checksum | None = None,
    ) -> StoredObject:
        """Make `key` an object with the content of `source`; no byte is copied if the files can share it.

        It keeps the checksum of the source, if that is of the whole, unless another is given.
        """
        with self._content.receive() as incoming:
            self._share(source, incoming)
            return self.put_object(
                account,
                bucket,
                key,
                incoming,
                etag=_md5(source) if source.info.part_sizes else source.info.etag,
                description=description,
                checksum=checksum or _of_whole(source.info.checksum),
                conditions=conditions,
            )

    def head_object(self, account: str, bucket: str, key: str) -> StoredObject:
        """What is known of an object.  NoSuchKey, NoSuchBucket, AccessDenied."""
        with self._index.read() as connection:
            find_bucket(connection, account, bucket)
            found = find_object(connection, bucket, key)
        if found is None:
            raise no_such_key(key)
        return found

    def tag_object(self, account: str, bucket: str, key: str, tags: Mapping[str, str]) -> None:
        """Replace the tags of an object and nothing else of it.  Errors as `head_object`."""
        with self._index.write() as connection:
            find_bucket(connection, account, bucket)
            values = (dump_tags(tags), bucket, key.encode())
            if not connection.execute("update object set tags = ? where bucket = ? and key = ?", values).rowcount:
                raise no_such_key(key)

    def open_object(self, account: str, bucket: str, key: str) -> OpenObject:
        """Open an object.  Errors as `head_object`."""
        for _ in range(_ATTEMPTS):
            info = self.head_object(account, bucket, key)
            with suppress(FileNotFoundError):  # replaced since we looked: look again
                return OpenObject(info, self._content.open(info.content))
        log.error("the content of an object is missing: see pegbox doctor; s3://%s/%s", bucket, key)
        raise S3Error("InternalError", 500, f"The content of the object is missing; {_DOCTOR}")

    def delete_objects(
        self,
        account: str,
        bucket: str,
        keys: Sequence[tuple[str, Conditions]],
        confirm: Callable[[], None] = at_any_time,
    ) -> list[S3Error | None]:
        """Remove objects in one step; a missing one is no error.  One answer for each key.

        `confirm` as in put_object.
        """
        answers: list[S3Error | None] = []
        dropped: list[str] = []
        with self._index.write() as connection:
            find_bucket(connection, account, bucket)
            confirm()
            for key, conditions in keys:
                answers.append(_delete(connection, bucket, key, conditions, dropped))
        self._remove(dropped)
        return answers

    def list_objects(
        self, account: str, bucket: str, prefix: str = "", delimiter: str = "", after: str = "", limit: int = 1000
    ) -> Page:
        """One page of a listing, beginning after the key or common prefix `after`."""
        with self._index.read() as connection:
            find_bucket(connection, account, bucket)
            return list_page(connection, bucket, prefix, delimiter, after, limit)

    # -- the engine's ObjectStore

    def open(self, account: str, location: Location, seen: Callable[[ObjectInfo], None] = unseen) -> BinaryIO:
        """Open an object for streaming.  Raises NoSuchObject."""
        with _absent(location):
            found = self.open_object(account, location.bucket, location.key)
        seen(_info(found.info))
        return found.file()

    def put(self, account: str, location: Location, source: BinaryIO, confirm: Callable[[], None] = at_any_time) -> str:
        """Store all of `source`; returns the ETag.  Raises NoSuchObject for a missing bucket."""
        digest = hashlib.md5(usedforsecurity=False)
        with _absent(location):
            block = source.read(STEP)
            if len(block) == STEP:  # not all of what may be much is to be read before it is refused
                self.buckets.get(account, location.bucket)
            with self._content.receive() as incoming:
                while block:
                    digest.update(block)
                    incoming.write(block)
                    block = source.read(STEP)
                incoming.settle()
                described = Description(headers={"content-type": DEFAULT_TYPE})
                etag = digest.hexdigest()
                confirm()
                self.put_object(
                    account,
                    location.bucket,
                    location.key,
                    incoming,
                    etag=etag,
                    description=described,
                    confirm=confirm,
                )
        return etag

    def list(self, account: str, prefix: Location) -> Iterator[ObjectInfo]:
        """All objects whose key begins with the prefix's key, in UTF-8 byte order.  Raises NoSuchObject (bucket)."""
        with _absent(prefix):
            first = self.list_objects(account, prefix.bucket, prefix.key)
        return self._infos(account, prefix, first)

    def check(self, account: str, location: Location) -> None:
        """Whether the bucket is there.  Raises NoSuchObject."""
        with _absent(location):
            self.buckets.get(account, location.bucket)

    def delete(self, account: str, location: Location, confirm: Callable[[], None] = at_any_time) -> None:
        """Remove an object; a missing one is no error."""
        with suppress(NoSuchObject), _absent(location):
            self.delete_objects(account, location.bucket, [(location.key, NO_CONDITIONS)], confirm)

    def fetch(self, account: str, location: Location, into: Path) -> ObjectInfo:
        """Write a private copy of an object to `into`.  Raises NoSuchObject."""
        with _absent(location), self.open_object(account, location.bucket, location.key) as source:
            into.parent.mkdir(parents=True, exist_ok=True)
            with into.open("wb", buffering=0) as target:
                copy_range(source.fd, target.fileno(), 0, source.info.size)
            return _info(source.info)

    # -- housekeeping

    def totals(self) -> Totals:
        """How much there is.  It looks at every row."""
        counts = "select count(*), coalesce(sum(size), 0), (select count(*) from bucket), (select count(*) from upload)"
        with self._index.read() as connection:
            objects, size, buckets, uploads = connection.execute(f"{counts} from object").fetchone()
        return Totals(objects=objects, size=size, buckets=buckets, uploads=uploads)

    def sweep(self, seconds: float = STALE_SECONDS, share: float = MOST_SHARE) -> int:
        """Remove files that no row names and that nobody has touched for `seconds`; returns how many.

        None of those that are finished, if they are more than a `share` of all such files.
        """
        return self._garbage.sweep(seconds, share)

    def collect_uploads(self, seconds: float) -> int:
        """Remove uploads that began and had their last part more than `seconds` ago; returns how many."""
        return self._garbage.collect_uploads(seconds)

    def _infos(self, account: str, prefix: Location, page: Page) -> Iterator[ObjectInfo]:
        while True:
            yield from map(_info, page.objects)
            if page.last is None:
                return
            page = self.list_objects(account, prefix.bucket, prefix.key, after=page.last)

    def _share(self, source: OpenObject, incoming: Incoming) -> None:
        try:
            incoming.link_to(self._content.path(source.info.content))
        except OSError:  # overwritten meanwhile, too many links, or a file system without any
            incoming.append_range(source.fd, 0, source.info.size)
            incoming.settle()

    def _remove(self, names: Sequence[str]) -> None:
        for name in names:
            self._content.remove(name)

    def _now(self) -> datetime:
        return moment(milliseconds(self._clock()))


class _absent:
    """Turns "there is none" and "not yours" into NoSuchObject, trouble with index and contents into Unreachable."""

    def __init__(self, location: Location) -> None:
        self._location = location

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if isinstance(error, S3Error) and error.code in ("NoSuchKey", "NoSuchBucket", "AccessDenied"):
            raise NoSuchObject(f"{self._location}: {error.message}") from error
        if isinstance(error, (ServiceUnavailable, sqlite3.OperationalError)):
            raise Unreachable(f"{self._location}: the index of the object store: {error}") from error
        if isinstance(error, S3Error) and error.status == 500:
            raise Unreachable(f"{self._location}: {error.message}") from error
        if isinstance(error, OSError) and error.errno == errno.EIO:
            raise Unreachable(f"{self._location}: {error.strerror}; {_DOCTOR}") from error


def _info(stored: StoredObject) -> ObjectInfo:
    return ObjectInfo(
        key=stored.key,
        size=stored.size,
        etag=stored.etag,
        modified=stored.modified,
        content_type=stored.description.headers.get("content-type", DEFAULT_TYPE),
        metadata=stored.description.metadata,
    )


def _delete(
    connection: sqlite3.Connection, bucket: str, key: str, conditions: Conditions, dropped: list[str]
) -> S3Error | None:
    found = find_content(connection, bucket, key)
    try:
        conditions.check(found[0] if found else None)
    except S3Error as error:
        return error
    if found is not None:
        connection.execute("delete from object where bucket = ? and key = ?", (bucket, key.encode()))
        dropped.append(found[1])
    return None


def _of_whole(checksum: Checksum | None) -> Checksum | None:
    return checksum if checksum is not None and checksum.kind == "FULL_OBJECT" else None


def _md5(source: OpenObject) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for offset in range(0, source.info.size, STEP):
        digest.update(source.read(offset, STEP))
    return digest.hexdigest()
