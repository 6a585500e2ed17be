"""Objects of an outside S3: AWS, MinIO, Ceph or another pegbox, by its endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from pegbox.objects.base import Location, NoSuchObject, ObjectInfo

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

_ABSENT = frozenset({"NoSuchKey", "NoSuchBucket", "404", "NotFound"})


class RemoteStore:
    """Objects behind an S3 endpoint, with the credentials of the usual AWS variables and files.

    `endpoint` None is AWS itself.  Accounts are ignored: all act with the same credentials.
    boto3 is imported at the first use.
    """

    def __init__(self, endpoint: str | None, region: str | None = None) -> None:
        self._endpoint, self._region = endpoint, region
        self._guard = Lock()

    def open(self, account: str, location: Location) -> BinaryIO:
        """Open an object for streaming.  Raises NoSuchObject."""
        with _absent(location):
            body = self._client.get_object(Bucket=location.bucket, Key=location.key)["Body"]
        return cast(BinaryIO, body)

    def put(self, account: str, location: Location, source: BinaryIO) -> str:
        """Store all of `source`, in parts if it is large; returns the ETag.  Raises NoSuchObject (bucket)."""
        from boto3.s3.transfer import TransferConfig

        calm = TransferConfig(use_threads=False)
        with _absent(location):
            kept = cast(BinaryIO, _StaysOpen(source))
            self._client.upload_fileobj(kept, location.bucket, location.key, Config=calm)
            head = self._client.head_object(Bucket=location.bucket, Key=location.key)
        return head["ETag"].strip('"')

    def list(self, account: str, prefix: Location) -> Iterator[ObjectInfo]:
        """All objects whose key begins with the prefix's key.  Raises NoSuchObject (bucket) at the first step."""
        pages = self._client.get_paginator("list_objects_v2")
        with _absent(prefix):
            for page in pages.paginate(Bucket=prefix.bucket, Prefix=prefix.key):
                for found in page.get("Contents", ()):
                    yield ObjectInfo(
                        key=found["Key"],
                        size=found["Size"],
                        etag=found["ETag"].strip('"'),
                        modified=found["LastModified"],
                    )

    def delete(self, account: str, location: Location) -> None:
        """Remove an object; a missing one is no error."""
        try:
            with _absent(location):
                self._client.delete_object(Bucket=location.bucket, Key=location.key)
        except NoSuchObject:
            return

    def fetch(self, account: str, location: Location, into: Path) -> None:
        """Download an object to `into`.  Raises NoSuchObject."""
        into.parent.mkdir(parents=True, exist_ok=True)
        with _absent(location):
            self._client.download_file(location.bucket, location.key, str(into))

    @property
    def _client(self) -> S3Client:
        with self._guard:
            return self._made_client

    @cached_property
    def _made_client(self) -> S3Client:
        import boto3
        from botocore.config import Config

        config = Config(
            signature_version="s3v4",
            max_pool_connections=32,
            s3={"addressing_style": "path"} if self._endpoint else {},
            retries={"mode": "standard", "max_attempts": 5},
        )
        client: S3Client = boto3.session.Session().client(
            "s3", endpoint_url=self._endpoint, region_name=self._region, config=config
        )
        return client


class _StaysOpen:
    """A source that s3transfer may read but not close."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source

    def read(self, size: int = -1) -> bytes:
        return self._source.read(size)


@contextmanager
def _absent(location: Location) -> Iterator[None]:
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        details: Any = error.response.get("Error", {})
        if details.get("Code") not in _ABSENT:
            raise
        raise NoSuchObject(f"{location}: {details.get('Message', '')}") from error
