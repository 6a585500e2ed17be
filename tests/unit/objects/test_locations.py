from __future__ import annotations

import pytest

from pegbox.objects.base import Location
from pegbox.objects.locations import parse


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://bucket/a/b c+%20é", Location("s3", "bucket", "a/b c+%20é")),
        ("s3://bucket", Location("s3", "bucket", "")),
        ("s3://bucket//a/../b/", Location("s3", "bucket", "/a/../b/")),
        ("https://my.bucket.s3.eu-west-1.amazonaws.com/a%20b", Location("s3", "my.bucket", "a b")),
        ("https://bucket.s3.amazonaws.com/a", Location("s3", "bucket", "a")),
        ("https://bucket.s3-us-west-2.amazonaws.com/a", Location("s3", "bucket", "a")),
        ("https://s3.us-east-1.amazonaws.com/bucket/a/b", Location("s3", "bucket", "a/b")),
        ("https://s3-eu-west-1.amazonaws.com/bucket", Location("s3", "bucket", "")),
        ("https://s3.amazonaws.com/bucket/a", Location("s3", "bucket", "a")),
        ("https://s3.cn-north-1.amazonaws.com.cn/bucket/a", Location("s3", "bucket", "a")),
        ("file:///data/train.csv", Location("file", "", "/data/train.csv")),
    ],
)
def test_locations(uri: str, expected: Location) -> None:
    assert parse(uri) == expected


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "bucket/key",
        "s3://",
        "s3:///key",
        "s3://bu cket/key",
        "http://s3.amazonaws.com/bucket/a",
        "https://example.com/bucket/a",
        "https://s3.amazonaws.com.evil.org/bucket/a",
        "https://s3.amazonaws.com/",
        "https://s3.amazonaws.com/bucket/a?versionId=1",
        "https://s3.amazonaws.com/bucket/%ff",
        "file://relative",
        "file:///data/../etc/passwd",
        "file:///data/\0",
    ],
)
def test_what_is_no_location(uri: str) -> None:
    with pytest.raises(ValueError):
        parse(uri)


def test_locations_are_written_as_they_are_read() -> None:
    for uri in ("s3://bucket/a b", "file:///data/x"):
        assert str(parse(uri)) == uri
