"""The rows of the index as nouns, and the few statements that several operations share."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime

from pegbox.errors import S3Error
from pegbox.objects.stored import Bucket, Checksum, Conditions, Description, Part, StoredObject, Upload

OBJECT = "bucket, key, size, etag, modified, description, checksum, part_sizes, content, tags, part_checksums"
UPLOAD = "id, bucket, key, started, description, algorithm, kind, tags"
PART = "number, size, etag, modified, checksum, content"

_SPOILT = (ValueError, TypeError, OverflowError, OSError)  #: what reading a row raises that no server wrote like this


def find_bucket(connection: sqlite3.Connection, account: str, name: str) -> Bucket:
    """The bucket, if `account` owns it.  Raises S3Error NoSuchBucket or AccessDenied."""
    row = connection.execute("select name, account, region, created from bucket where name = ?", (name,)).fetchone()
    if row is None:
        raise S3Error("NoSuchBucket", 404, "The specified bucket does not exist", {"BucketName": name})
    bucket = bucket_of(row)
    if bucket.account != account:
        raise S3Error("AccessDenied", 403, "Access Denied", {"BucketName": name})
    return bucket


def find_object(connection: sqlite3.Connection, bucket: str, key: str) -> StoredObject | None:
    """The object of this key, if there is one."""
    query = f"select {OBJECT} from object where bucket = ? and key = ?"
    row = connection.execute(query, (bucket, key.encode())).fetchone()
    return object_of(row) if row else None


def find_content(connection: sqlite3.Connection, bucket: str, key: str) -> tuple[str, str] | None:
    """ETag and content of the object of this key, if there is one, also if its row is spoilt elsewhere."""
    found: tuple[str, str] | None = connection.execute(
        "select etag, content from object where bucket = ? and key = ?", (bucket, key.encode())
    ).fetchone()
    return found


def no_such_key(key: str) -> S3Error:
    """There is no object of this key."""
    return S3Error("NoSuchKey", 404, "The specified key does not exist.", {"Key": key})


def replace_object(connection: sqlite3.Connection, new: StoredObject, conditions: Conditions) -> str | None:
    """Put `new` in place of what is there; returns the old content, to be removed after the commit."""
    old = find_content(connection, new.bucket, new.key)
    conditions.check(old[0] if old else None)
    values = (
        new.bucket,
        new.key.encode(),
        new.size,
        new.etag,
        milliseconds(new.modified),
        dump_description(new.description),
        dump_checksum(new.checksum),
        json.dumps(new.part_sizes),
        new.content,
        dump_tags(new.description.tags),
        json.dumps(new.part_checksums),
    )
    marks = ", ".join("?" * len(values))
    connection.execute(f"insert or replace into object ({OBJECT}) values ({marks})", values)
    return old[1] if old else None


def milliseconds(moment: datetime) -> int:
    """A moment as the index keeps it."""
    return round(moment.timestamp() * 1000)


def moment(number: int) -> datetime:
    """The inverse of `milliseconds`."""
    return datetime.fromtimestamp(number / 1000, UTC)


def dump_description(description: Description) -> str:
    """Headers and user metadata as JSON."""
    return json.dumps([dict(description.headers), dict(description.metadata)])


def dump_tags(tags: Mapping[str, str]) -> str:
    """Tags as JSON."""
    return json.dumps(dict(tags))


def tags_of(text: str) -> dict[str, str]:
    """The inverse of `dump_tags`."""
    return dict(json.loads(text))


def dump_checksum(checksum: Checksum | None) -> str | None:
    """A checksum as one word."""
    return f"{checksum.algorithm}:{checksum.kind}:{checksum.value}" if checksum else None


def bucket_of(row: tuple[str, str, str, int]) -> Bucket:
    """A row of `name, account, region, created`."""
    name, account, region, created = row
    return Bucket(name=name, account=account, region=region, created=moment(created))


def object_of(row: tuple[str, bytes, int, str, int, str, str | None, str, str, str, str]) -> StoredObject:
    """A row of OBJECT.  Raises S3Error InternalError for one that is spoilt, as the others below."""
    bucket, key, size, etag, modified, description, checksum, part_sizes, content, tags, part_checksums = row
    try:
        return StoredObject(
            bucket=bucket,
            key=key.decode(),
            size=size,
            etag=etag,
            modified=moment(modified),
            description=_description(description, tags),
            checksum=checksum_of(checksum),
            part_sizes=tuple(json.loads(part_sizes)),
            part_checksums=tuple(json.loads(part_checksums)),
            content=content,
        )
    except _SPOILT as error:
        raise _spoilt(f"s3://{bucket}/{key.decode(errors='replace')}") from error


def upload_of(row: tuple[str, str, bytes, int, str, str | None, str | None, str]) -> Upload:
    """A row of UPLOAD."""
    upload, bucket, key, started, description, algorithm, kind, tags = row
    try:
        return Upload(
            id=upload,
            bucket=bucket,
            key=key.decode(),
            started=moment(started),
            description=_description(description, tags),
            algorithm=algorithm,
            kind=kind,
        )
    except _SPOILT as error:
        raise _spoilt(f"the upload {upload}") from error


def part_of(row: tuple[int, int, str, int, str | None, str]) -> Part:
    """A row of PART."""
    number, size, etag, modified, checksum, content = row
    try:
        return Part(
            number=number,
            size=size,
            etag=etag,
            modified=moment(modified),
            checksum=checksum_of(checksum),
            content=content,
        )
    except _SPOILT as error:
        raise _spoilt(f"part {number} of an upload") from error


def _spoilt(what: str) -> S3Error:
    message = (
        f"The row of {what} in the index of the object store cannot be read; pegbox doctor, on the server, tells more."
    )
    return S3Error("InternalError", 500, message)


def _description(text: str, tags: str) -> Description:
    headers, metadata = map(dict, json.loads(text))
    return Description(headers=headers, metadata=metadata, tags=tags_of(tags))


def checksum_of(text: str | None) -> Checksum | None:
    """The inverse of `dump_checksum`."""
    if text is None:
        return None
    algorithm, kind, value = text.split(":", 2)
    return Checksum(algorithm=algorithm, kind=kind, value=value)
