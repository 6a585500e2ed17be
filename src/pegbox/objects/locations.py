"""The ways to write where an object is."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from pegbox.objects.base import Location

_VIRTUAL_HOST = re.compile(r"(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\.s3[.-]([a-z0-9-]+\.)?amazonaws\.com(\.cn)?")
_PATH_HOST = re.compile(r"s3([.-][a-z0-9-]+)?\.amazonaws\.com(\.cn)?")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")


def parse(uri: str) -> Location:
    """Read the location of an object or prefix.  Raises ValueError.

    s3://bucket/key, https://bucket.s3.region.amazonaws.com/key, https://s3.region.amazonaws.com/bucket/key and
    file:///path.  Keys of s3:// are literal; those of https:// are percent-decoded.
    """
    if uri.startswith("s3://"):
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return _location(uri, bucket, key)
    if uri.startswith("https://"):
        return _of_https(uri)
    if uri.startswith("file://"):
        return _of_file(uri)
    raise ValueError(f"{uri!r} is no location: use s3://bucket/key, https:// of the same, or file:///path")


def _of_https(uri: str) -> Location:
    parts = urlsplit(uri)
    host, path = parts.netloc.lower(), unquote(parts.path.removeprefix("/"), errors="strict")
    if parts.query or parts.fragment:
        raise ValueError(f"{uri!r} is no location: it must not have a query or fragment")
    if _PATH_HOST.fullmatch(host):
        bucket, _, key = path.partition("/")
        return _location(uri, bucket, key)
    if match := _VIRTUAL_HOST.fullmatch(host):
        return _location(uri, match["bucket"], path)
    raise ValueError(f"{uri!r} is no location: the host must be that of S3, for instance s3.us-east-1.amazonaws.com")


def _of_file(uri: str) -> Location:
    path = uri.removeprefix("file://")
    if not path.startswith("/") or "\0" in path:
        raise ValueError(f"{uri!r} is no location: a file needs an absolute path, as in file:///data/train.csv")
    if ".." in path.split("/"):
        raise ValueError(f"{uri!r} is no location: the path must not contain '..'")
    return Location("file", "", path)


def _location(uri: str, bucket: str, key: str) -> Location:
    if not _BUCKET.fullmatch(bucket):
        raise ValueError(f"{uri!r} is no location: {bucket!r} is no bucket name")
    return Location("s3", bucket, key)
