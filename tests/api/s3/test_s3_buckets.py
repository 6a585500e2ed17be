"""Buckets and listings of the S3 API, by boto3."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from s3_client import OTHER, Raw, client, code


def fill(s3: Any, bucket: str, *keys: str) -> None:
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")


def keys(page: dict[str, Any]) -> list[str]:
    return [found["Key"] for found in page.get("Contents", [])]


def prefixes(page: dict[str, Any]) -> list[str]:
    return [found["Prefix"] for found in page.get("CommonPrefixes", [])]


def test_the_life_of_a_bucket(s3: Any) -> None:
    s3.create_bucket(Bucket="life-of-a-bucket")
    assert "life-of-a-bucket" in [each["Name"] for each in s3.list_buckets()["Buckets"]]
    assert s3.head_bucket(Bucket="life-of-a-bucket")["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket="life-of-a-bucket")["LocationConstraint"] is None
    fill(s3, "life-of-a-bucket", "key")
    assert code(s3.delete_bucket, Bucket="life-of-a-bucket") == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket="life-of-a-bucket", Key="key")
    s3.delete_bucket(Bucket="life-of-a-bucket")
    assert code(s3.head_bucket, Bucket="life-of-a-bucket") == ("404", 404)
    assert code(s3.delete_bucket, Bucket="life-of-a-bucket") == ("NoSuchBucket", 404)


def test_a_bucket_lies_where_it_is_told(s3: Any) -> None:
    s3.create_bucket(Bucket="in-europe", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert s3.get_bucket_location(Bucket="in-europe")["LocationConstraint"] == "eu-west-1"
    bad = {"LocationConstraint": "no place!"}
    assert code(s3.create_bucket, Bucket="nowhere", CreateBucketConfiguration=bad)[0] == "InvalidLocationConstraint"
    assert code(s3.create_bucket, Bucket="in-europe") == ("BucketAlreadyOwnedByYou", 409)  # it is not in us-east-1


def test_names_are_global_and_buckets_private(s3: Any, url: str, bucket: str) -> None:
    other = client(url, OTHER)
    s3.create_bucket(Bucket=bucket)  # in us-east-1 as if it were new
    elsewhere = {"LocationConstraint": "eu-north-1"}
    again = code(s3.create_bucket, Bucket=bucket, CreateBucketConfiguration=elsewhere)
    assert again == ("BucketAlreadyOwnedByYou", 409)
    assert code(other.create_bucket, Bucket=bucket) == ("BucketAlreadyExists", 409)
    fill(s3, bucket, "mine")
    assert other.list_buckets()["Buckets"] == []
    assert code(other.get_object, Bucket=bucket, Key="mine") == ("AccessDenied", 403)
    assert code(other.put_object, Bucket=bucket, Key="mine", Body=b"") == ("AccessDenied", 403)
    assert code(other.list_objects_v2, Bucket=bucket) == ("AccessDenied", 403)
    assert code(other.delete_object, Bucket=bucket, Key="mine") == ("AccessDenied", 403)
    assert code(other.copy_object, Bucket=bucket, Key="new", CopySource=f"{bucket}/mine") == ("AccessDenied", 403)
    assert code(other.delete_bucket, Bucket=bucket) == ("AccessDenied", 403)
    assert keys(s3.list_objects_v2(Bucket=bucket)) == ["mine"]


@pytest.mark.parametrize("name", ["ab", "Upper", "-a-", "a..b", "10.0.0.1", "x" * 64, "xn--abc", "a_b"])
def test_bad_names_are_refused(url: str, name: str) -> None:
    answer = Raw(url, "PUT", f"/{name}").send()
    assert answer.status == 400
    assert b"<Code>InvalidBucketName</Code>" in answer.body


def test_pages_of_buckets(s3: Any) -> None:
    for number in range(3):
        s3.create_bucket(Bucket=f"paged-{number}")
    pages = s3.get_paginator("list_buckets").paginate(Prefix="paged-", PaginationConfig={"PageSize": 2})
    assert [[each["Name"] for each in page["Buckets"]] for page in pages] == [["paged-0", "paged-1"], ["paged-2"]]


ODD_KEYS = [
    "../up",
    "/lead",
    "a b",
    "a+b",
    "a//b",
    "a/../b",
    "ctrl\u0001\r\n",
    "fd",
    "fd/",
    "fd/sub",
    "m/",
    "q?x=1&y#z",
    "<&>\"'",
    "é",
    "日本",
    "😀",
]


def test_any_key_comes_back(s3: Any, bucket: str) -> None:
    for key in ODD_KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert [s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in ODD_KEYS] == ODD_KEYS
    expected = sorted(ODD_KEYS, key=str.encode)
    assert keys(s3.list_objects_v2(Bucket=bucket)) == expected
    assert keys(s3.list_objects(Bucket=bucket)) == expected
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in ODD_KEYS if "\u0001" not in key]})
    assert keys(s3.list_objects_v2(Bucket=bucket)) == ["ctrl\u0001\r\n"]


def test_keys_are_written_as_they_are_without_encoding(s3: Any, bucket: str, url: str) -> None:
    fill(s3, bucket, "a b<&>é")
    assert "<Key>a b&lt;&amp;&gt;é</Key>".encode() in Raw(url, "GET", f"/{bucket}", "list-type=2").send().body
    assert b"<Key>a%20b%3C%26%3E%C3%A9</Key>" in Raw(url, "GET", f"/{bucket}", "encoding-type=url").send().body
    assert b"InvalidArgument" in Raw(url, "GET", f"/{bucket}", "encoding-type=other").send().body


def test_a_key_has_at_most_1024_bytes(s3: Any, bucket: str) -> None:
    fill(s3, bucket, "é" * 512)
    assert code(s3.put_object, Bucket=bucket, Key="é" * 512 + "x") == ("KeyTooLongError", 400)


def test_more_than_a_thousand_keys_come_in_pages(s3: Any, bucket: str) -> None:
    names = [f"{number:04d}" for number in range(1100)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: fill(s3, bucket, name), names))
    for operation in ("list_objects", "list_objects_v2"):
        pages = list(s3.get_paginator(operation).paginate(Bucket=bucket))
        assert [len(keys(page)) for page in pages] == [1000, 100]
        assert [key for page in pages for key in keys(page)] == names
        small = s3.get_paginator(operation).paginate(Bucket=bucket, PaginationConfig={"PageSize": 400})
        assert [len(keys(page)) for page in small] == [400, 400, 300]
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=5000)["MaxKeys"] == 1000
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": name} for name in names[:1000]]})
    assert len(deleted["Deleted"]) == 1000
    more = {"Objects": [{"Key": str(number)} for number in range(1001)]}
    assert code(s3.delete_objects, Bucket=bucket, Delete=more) == ("MalformedXML", 400)
    assert keys(s3.list_objects_v2(Bucket=bucket)) == names[1000:]


def test_delimiters_fold_keys(s3: Any, bucket: str) -> None:
    fill(s3, bucket, "asdf", "boo/bar", "boo/baz/xyzzy", "cquux/thud", "cquux/bla", "m/")
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert (keys(page), prefixes(page), page["KeyCount"]) == (["asdf"], ["boo/", "cquux/", "m/"], 4)
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/", Prefix="boo/")
    assert (keys(page), prefixes(page)) == (["boo/bar"], ["boo/baz/"])
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="u", Prefix="c")
    assert (keys(page), prefixes(page)) == ([], ["cqu"])
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="", Prefix="boo")
    assert (keys(page), prefixes(page)) == (["boo/bar", "boo/baz/xyzzy"], [])
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/", Prefix="nothing")
    assert (keys(page), prefixes(page), page["IsTruncated"]) == ([], [], False)


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_folded_pages_go_on(s3: Any, bucket: str, operation: str, size: int) -> None:
    fill(s3, bucket, "a", "b/1", "b/2", "c", "d/1", "d/2", "e")
    pages = list(
        s3.get_paginator(operation).paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": size})
    )
    assert [key for page in pages for key in keys(page)] == ["a", "c", "e"]
    assert [prefix for page in pages for prefix in prefixes(page)] == ["b/", "d/"]
    assert all(len(keys(page)) + len(prefixes(page)) <= size for page in pages)


def test_many_keys_under_one_prefix_are_passed_over(s3: Any, bucket: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: fill(s3, bucket, f"a/{n:03d}", f"b/{n:03d}"), range(120)))
    fill(s3, bucket, "c")
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert (keys(page), prefixes(page)) == (["c"], ["a/", "b/"])


def test_where_a_listing_begins(s3: Any, bucket: str) -> None:
    fill(s3, bucket, "a", "b", "c")
    assert keys(s3.list_objects_v2(Bucket=bucket, StartAfter="a")) == ["b", "c"]
    assert keys(s3.list_objects_v2(Bucket=bucket, StartAfter="bb")) == ["c"]
    assert keys(s3.list_objects(Bucket=bucket, Marker="b")) == ["c"]
    empty = s3.list_objects_v2(Bucket=bucket, MaxKeys=0)
    assert (keys(empty), empty["IsTruncated"], empty["MaxKeys"]) == ([], False, 0)
    assert code(s3.list_objects_v2, Bucket=bucket, ContinuationToken="?!")[0] == "InvalidArgument"
    assert code(s3.list_objects_v2, Bucket=bucket, MaxKeys=-1)[0] == "InvalidArgument"


def test_owners_are_told_if_asked(s3: Any, bucket: str) -> None:
    fill(s3, bucket, "a")
    assert "Owner" not in s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert s3.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"][0]["Owner"]["ID"] == "111111111111"
    assert s3.list_objects(Bucket=bucket)["Contents"][0]["Owner"]["ID"] == "111111111111"


def test_deleting_many_tells_what_it_did(s3: Any, bucket: str) -> None:
    fill(s3, bucket, "a", "b", "c")
    etag = s3.head_object(Bucket=bucket, Key="a")["ETag"]
    wanted = [
        {"Key": "a", "ETag": etag},
        {"Key": "b", "ETag": '"other"'},
        {"Key": "c", "VersionId": "v1"},
        {"Key": "no"},
    ]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": wanted})
    assert [each["Key"] for each in answer["Deleted"]] == ["a", "no"]
    assert [(each["Key"], each["Code"]) for each in answer["Errors"]] == [
        ("b", "PreconditionFailed"),
        ("c", "NoSuchVersion"),
    ]
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "b"}], "Quiet": True})
    assert "Deleted" not in quiet
    assert keys(s3.list_objects_v2(Bucket=bucket)) == ["c"]


@pytest.mark.parametrize(
    "document",
    [
        b"<Delete><Object><Key>a",
        b"",
        b"<Other/>",
        b"<Delete></Delete>",
        b'<!DOCTYPE d [<!ENTITY e "a">]><Delete><Object><Key>&e;</Key></Object></Delete>',
        '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE d [<!ENTITY e "a">]><Delete/>'.encode("utf-16"),
        b'<?xml version="1.0" encoding="nonsense"?><Delete/>',
    ],
)
def test_bad_documents_are_refused(s3: Any, bucket: str, url: str, document: bytes) -> None:
    fill(s3, bucket, "a")
    answer = Raw(url, "POST", f"/{bucket}", "delete=", body=document).send()
    assert (answer.status, b"<Code>MalformedXML</Code>" in answer.body) == (400, True)
    assert keys(s3.list_objects_v2(Bucket=bucket)) == ["a"]


def test_large_documents_are_refused(bucket: str, url: str) -> None:
    answer = Raw(url, "POST", f"/{bucket}", "delete=", body=b" " * (5 << 20)).send()
    assert (answer.status, b"MaxMessageLengthExceeded" in answer.body) == (400, True)


def test_a_bucket_with_uploads_may_go(s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=io.BytesIO(b"x"))
    s3.delete_bucket(Bucket=bucket)
    s3.create_bucket(Bucket=bucket)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_an_empty_token_is_no_token(s3: Any, bucket: str) -> None:
    for key in "abc":
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    found = s3.list_objects_v2(Bucket=bucket, ContinuationToken="", StartAfter="a")
    assert ([each["Key"] for each in found["Contents"]], found["ContinuationToken"]) == (["b", "c"], "")


def test_a_bucket_that_comes_and_goes_is_made_whenever_that_is_asked(s3: Any) -> None:
    def come_and_go(_: int) -> None:
        for _ in range(20):
            s3.create_bucket(Bucket="comes-and-goes")
            with suppress(s3.exceptions.NoSuchBucket):
                s3.delete_bucket(Bucket="comes-and-goes")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(come_and_go, range(4)))
