"""Buckets: made, found, removed and tagged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from pegbox.errors import S3Error
from pegbox.objects.content import ContentFiles
from pegbox.objects.index import Index
from pegbox.objects.rows import bucket_of, dump_tags, find_bucket, milliseconds, moment, tags_of
from pegbox.objects.stored import FIRST_REGION, Bucket


class Buckets:
    """The buckets of a store.  All methods raise S3Error."""

    def __init__(self, index: Index, content: ContentFiles, clock: Callable[[], datetime]) -> None:
        self._index, self._content, self._clock = index, content, clock

    def create(self, account: str, name: str, region: str, tags: Mapping[str, str] | None = None) -> Bucket:
        """Make a bucket.  BucketAlreadyOwnedByYou or BucketAlreadyExists if the name is taken.

        In us-east-1 one's own bucket can be made again, and stays as it is (API reference, CreateBucket).
        """
        bucket = Bucket(name=name, account=account, region=region, created=moment(milliseconds(self._clock())))
        with self._index.write() as connection:
            row = connection.execute("select account, region from bucket where name = ?", (name,)).fetchone()
            if row is not None and row[0] == account and {region, row[1]} == {FIRST_REGION}:
                return find_bucket(connection, account, name)
            if row is not None:
                raise _taken(name, ours=row[0] == account)
            values = (name, account, region, milliseconds(bucket.created), None if tags is None else dump_tags(tags))
            connection.execute(
                "insert into bucket (name, account, region, created, tags) values (?, ?, ?, ?, ?)", values
            )
        return bucket

    def get(self, account: str, name: str) -> Bucket:
        """A bucket of this account.  NoSuchBucket, AccessDenied."""
        with self._index.read() as connection:
            return find_bucket(connection, account, name)

    def all(self, account: str) -> list[Bucket]:
        """The buckets of an account, by name."""
        query = "select name, account, region, created from bucket where account = ? order by name"
        with self._index.read() as connection:
            return [bucket_of(row) for row in connection.execute(query, (account,)).fetchall()]

    def delete(self, account: str, name: str) -> None:
        """Remove an empty bucket, and the uploads in progress with it.  BucketNotEmpty."""
        with self._index.write() as connection:
            find_bucket(connection, account, name)
            if connection.execute("select 1 from object where bucket = ? limit 1", (name,)).fetchone():
                message = "The bucket you tried to delete is not empty"
                raise S3Error("BucketNotEmpty", 409, message, {"BucketName": name})
            dropped = connection.execute(
                "select content from part join upload on part.upload = upload.id where bucket = ?", (name,)
            ).fetchall()
            connection.execute("delete from upload where bucket = ?", (name,))
            connection.execute("delete from bucket where name = ?", (name,))
        for (content,) in dropped:
            self._content.remove(content)

    def tags(self, account: str, name: str) -> Mapping[str, str] | None:
        """The tags of a bucket, None if it never had any.  Errors as `get`."""
        with self._index.read() as connection:
            find_bucket(connection, account, name)
            row = connection.execute("select tags from bucket where name = ?", (name,)).fetchone()
        return None if row is None or row[0] is None else tags_of(row[0])

    def tag(self, account: str, name: str, tags: Mapping[str, str] | None) -> None:
        """Replace the tags of a bucket; None removes them.  Errors as `get`."""
        with self._index.write() as connection:
            find_bucket(connection, account, name)
            dumped = None if tags is None else dump_tags(tags)
            connection.execute("update bucket set tags = ? where name = ?", (dumped, name))


def _taken(name: str, ours: bool) -> S3Error:
    if ours:
        message = "Your previous request to create the named bucket succeeded and you already own it."
        return S3Error("BucketAlreadyOwnedByYou", 409, message, {"BucketName": name})
    message = (
        "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
        "Please select a different name and try again."
    )
    return S3Error("BucketAlreadyExists", 409, message, {"BucketName": name})
