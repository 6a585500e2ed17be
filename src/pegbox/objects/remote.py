"""Objects of an outside S3: AWS, MinIO, Ceph or another pegbox, by its endpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from pegbox.objects.base import Location, NoSuchObject, ObjectInfo, Refused, Unreachable, at_any_time, unseen

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from types_boto3_s3.client import S3Client
    from types_boto3_s3.type_defs import GetObjectOutputTypeDef

CONNECT_SECONDS = 10
READ_SECONDS = 30  #: of silence
SMALL = 8 << 20  #: bytes; a larger object comes in several ranges at once
_STEP = 1 << 20
_TRIES = 3  #: to read an object that somebody replaces

_ABSENT = frozenset({"NoSuchKey", "NoSuchBucket", "404", "NotFound"})
_PASSING = frozenset({"RequestTimeTooSkewed", "RequestTimeout", "SlowDown", "Throttling"})  #: by themselves
_PASSING_STATUS = frozenset({408, 429})


class RemoteStore:
    """Objects behind an S3 endpoint, with the credentials of the usual AWS variables and files.

    Accounts are ignored: all act with the same credentials.  boto3 is imported at the first use.
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._guard = Lock()

    def open(self, account: str, location: Location, seen: Callable[[ObjectInfo], None] = unseen) -> BinaryIO:
        """Open an object for streaming.  Raises NoSuchObject."""
        with _told(location):
            found = self._client.get_object(Bucket=location.bucket, Key=location.key)
        seen(_described(location, found))
        return cast(BinaryIO, _Body(found["Body"], location))

    def put(self, account: str, location: Location, source: BinaryIO, confirm: Callable[[], None] = at_any_time) -> str:
        """Store all of `source`, in parts if it is large; returns the ETag.  Raises NoSuchObject (bucket)."""
        from boto3.s3.transfer import TransferConfig

        calm = TransferConfig(use_threads=False)
        with _told(location):
            kept = cast(BinaryIO, _StaysOpen(source, confirm))
            self._client.upload_fileobj(kept, location.bucket, location.key, Config=calm)
            head = self._client.head_object(Bucket=location.bucket, Key=location.key)
        return head["ETag"].strip('"')

    def list(self, account: str, prefix: Location) -> Iterator[ObjectInfo]:
        """All objects whose key begins with the prefix's key.  Raises NoSuchObject (bucket) at the first step."""
        pages = self._client.get_paginator("list_objects_v2")
        with _told(prefix):
            for page in pages.paginate(Bucket=prefix.bucket, Prefix=prefix.key):
                for found in page.get("Contents", ()):
                    yield ObjectInfo(
                        key=found["Key"],
                        size=found["Size"],
                        etag=found["ETag"].strip('"'),
                        modified=found["LastModified"],
                    )

    def check(self, account: str, location: Location) -> None:
        """Whether the bucket is there and may be listed.  Raises NoSuchObject."""
        with _told(location):
            self._client.list_objects_v2(Bucket=location.bucket, Prefix=location.key, MaxKeys=1)

    def delete(self, account: str, location: Location, confirm: Callable[[], None] = at_any_time) -> None:
        """Remove an object; a missing one is no error."""
        try:
            with _told(location):
                confirm()
                self._client.delete_object(Bucket=location.bucket, Key=location.key)
        except NoSuchObject:
            return

    def fetch(self, account: str, location: Location, into: Path) -> ObjectInfo:
        """Download an object to `into`.  Raises NoSuchObject; Refused when it goes on to change."""
        into.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(_TRIES):
            with _told(location):
                found = self._client.get_object(Bucket=location.bucket, Key=location.key)
                info = _described(location, found)
                with closing(found["Body"]) as body:
                    if info.size <= SMALL:
                        with into.open("wb") as target:
                            for block in body.iter_chunks(_STEP):
                                target.write(block)
                        return info
                if self._in_ranges(location, found, into):
                    return info
        raise Refused(f"{location} changes while it is read")

    def _in_ranges(self, location: Location, found: GetObjectOutputTypeDef, into: Path) -> bool:
        """Download a large object; False if it is no longer the version that was found."""
        from boto3.s3.transfer import TransferConfig, create_transfer_manager
        from s3transfer.exceptions import RetriesExceededError, S3DownloadFailedError

        plain = TransferConfig(preferred_transfer_client="classic")
        with create_transfer_manager(self._client, plain) as transfers:
            future = transfers.download(
                location.bucket, location.key, str(into), subscribers=[_Known(found["ContentLength"], found["ETag"])]
            )
            try:
                future.result()
            except S3DownloadFailedError:  # "did not match expected ETag"
                return False
            except RetriesExceededError as error:
                raise Unreachable(f"{location}: {error}") from error
        return True

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
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            s3={"addressing_style": "path"},
            retries={"mode": "standard", "max_attempts": 3},  # the engine tries again as well
        )
        client: S3Client = boto3.session.Session().client("s3", endpoint_url=self._endpoint, config=config)
        return client


class _Known:
    """Tells a download what is known already: each of its ranges is then to be of this version."""

    def __init__(self, size: int, etag: str) -> None:
        self._size, self._etag = size, etag

    def on_queued(self, future: Any, **_: Any) -> None:
        future.meta.provide_transfer_size(self._size)
        future.meta.provide_object_etag(self._etag)


class _StaysOpen:
    """A source that s3transfer may read but not close.  The end is told after `confirm` only."""

    def __init__(self, source: BinaryIO, confirm: Callable[[], None]) -> None:
        self._source, self._confirm = source, confirm

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        if size < 0 or len(data) < size:
            self._confirm()
        return data


class _Body:
    """The stream of an object, whose troubles are told as all others."""

    def __init__(self, body: Any, location: Location) -> None:
        self._body, self._location = body, location

    def __enter__(self) -> _Body:
        return self

    def __exit__(self, *_: object) -> None:
        self._body.close()

    def read(self, size: int = -1) -> bytes:
        with _told(self._location):
            data: bytes = self._body.read(None if size < 0 else size)
            return data

    def close(self) -> None:
        self._body.close()


def _described(location: Location, found: GetObjectOutputTypeDef) -> ObjectInfo:
    return ObjectInfo(
        key=location.key,
        size=found["ContentLength"],
        etag=found["ETag"].strip('"'),
        modified=found["LastModified"],
        content_type=found.get("ContentType", ""),
        metadata=found.get("Metadata", {}),
    )


@contextmanager
def _told(location: Location) -> Iterator[None]:
    """Raise NoSuchObject, Refused or Unreachable for what the client library raises."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

    try:
        yield
    except ClientError as error:
        raise _meant(error, location) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise Refused(f"{location}: {error}") from error
    except (BotoCoreError, Boto3Error) as error:
        raise Unreachable(f"{location}: {error}") from error


def _meant(error: ClientError, location: Location) -> Exception:
    details: Any = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code, message = details.get("Code", ""), details.get("Message", "")
    if code in _ABSENT:
        return NoSuchObject(f"{location}: {message}")
    if code in _PASSING or status in _PASSING_STATUS or status >= 500:
        return Unreachable(f"{location}: {code}: {message}")
    return Refused(f"{location}: {code}: {message}")
