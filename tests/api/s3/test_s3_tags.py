"""Tags of objects and buckets."""

from __future__ import annotations

import io
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from s3_client import Raw, code, read

PAIR = {"a": "b", "c d": "ü/@=+-._:"}
AS_HEADER = "a=b&c%20d=%C3%BC/%40%3D%2B-._:"


def tag_set(tags: dict[str, str]) -> dict[str, Any]:
    return {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}


def tags(s3: Any, bucket: str, key: str) -> dict[str, str]:
    found = s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
    return {tag["Key"]: tag["Value"] for tag in found}


def test_tagging_leaves_the_object_as_it_is(s3: Any, bucket: str) -> None:
    at = {"Bucket": bucket, "Key": "k"}
    s3.put_object(**at, Body=b"kept", Metadata={"m": "1"}, ContentType="text/x", ChecksumAlgorithm="SHA256")

    def seen() -> dict[str, Any]:
        found = s3.head_object(**at, ChecksumMode="ENABLED")
        names = ("ETag", "LastModified", "Metadata", "ContentType", "ContentLength", "ChecksumSHA256")
        return {name: found[name] for name in names}

    before = seen()
    assert tags(s3, bucket, "k") == {}
    s3.put_object_tagging(**at, Tagging=tag_set(PAIR))
    assert tags(s3, bucket, "k") == PAIR
    assert s3.get_object(**at)["TagCount"] == 2
    assert s3.head_object(**at)["TagCount"] == 2
    s3.put_object_tagging(**at, Tagging=tag_set({"only": ""}), VersionId="null")
    assert tags(s3, bucket, "k") == {"only": ""}
    s3.delete_object_tagging(**at)
    assert tags(s3, bucket, "k") == {}
    assert "TagCount" not in s3.head_object(**at)
    assert (seen(), read(s3, bucket, "k")) == (before, b"kept")


def test_tags_are_told_by_key(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="foo=bar&bar")
    found = s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]
    assert found == [{"Key": "bar", "Value": ""}, {"Key": "foo", "Value": "bar"}]


def test_tags_come_with_a_write(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging=AS_HEADER)
    assert tags(s3, bucket, "k") == PAIR
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert tags(s3, bucket, "k") == {}
    parts = TransferConfig(multipart_threshold=1)
    s3.upload_fileobj(io.BytesIO(b"x" * 100), bucket, "parts", ExtraArgs={"Tagging": AS_HEADER}, Config=parts)
    assert tags(s3, bucket, "parts") == PAIR


def test_copies_keep_or_replace_tags(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=b", Metadata={"m": "1"})
    to = {"Bucket": bucket, "Key": "to", "CopySource": f"{bucket}/k"}
    s3.copy_object(**to, Tagging="ignored=1")
    assert tags(s3, bucket, "to") == {"a": "b"}
    s3.copy_object(**to, TaggingDirective="REPLACE", Tagging="c=d")
    assert tags(s3, bucket, "to") == {"c": "d"}
    assert s3.head_object(Bucket=bucket, Key="to")["Metadata"] == {"m": "1"}
    s3.copy_object(**to, MetadataDirective="REPLACE", Metadata={"n": "2"})
    assert tags(s3, bucket, "to") == {"a": "b"}
    s3.copy_object(**to, TaggingDirective="REPLACE")
    assert tags(s3, bucket, "to") == {}
    assert code(s3.copy_object, **to, TaggingDirective="DROP") == ("InvalidArgument", 400)


TOO_MUCH = [
    {str(number): "" for number in range(11)},
    {"k" * 129: ""},
    {"k": "v" * 257},
    {"a;b": ""},
    {"k": "a\tb"},
    {"aws:k": ""},
]


@pytest.mark.parametrize("wrong", TOO_MUCH)
def test_the_rules_for_tags(s3: Any, bucket: str, wrong: dict[str, str]) -> None:
    at = {"Bucket": bucket, "Key": "k"}
    s3.put_object(**at, Body=b"x", Tagging="a=b")
    assert code(s3.put_object_tagging, **at, Tagging=tag_set(wrong)) == ("InvalidTag", 400)
    assert tags(s3, bucket, "k") == {"a": "b"}


def test_the_most_that_is_allowed(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    most = {f"{number:0128d}": "ü" * 256 for number in range(10)}
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(most))
    assert tags(s3, bucket, "k") == most


def test_no_key_twice(s3: Any, bucket: str) -> None:
    at = {"Bucket": bucket, "Key": "k"}
    assert code(s3.put_object, **at, Body=b"x", Tagging="a=1&a=2") == ("InvalidArgument", 400)
    assert code(s3.put_object, **at, Body=b"x", Tagging="%FF=1") == ("InvalidArgument", 400)
    assert code(s3.put_object, **at, Body=b"x", Tagging="a=" + "v" * 257) == ("InvalidTag", 400)
    assert code(s3.put_object, **at, Body=b"x", Tagging="=v") == ("InvalidTag", 400)
    assert code(s3.head_object, **at) == ("404", 404)
    s3.put_object(**at, Body=b"x")
    twice = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
    assert code(s3.put_object_tagging, **at, Tagging=twice) == ("InvalidTag", 400)


def test_tags_of_what_is_not_there(s3: Any, bucket: str) -> None:
    at = {"Bucket": bucket, "Key": "no"}
    assert code(s3.get_object_tagging, **at) == ("NoSuchKey", 404)
    assert code(s3.put_object_tagging, **at, Tagging=tag_set(PAIR)) == ("NoSuchKey", 404)
    assert code(s3.delete_object_tagging, **at) == ("NoSuchKey", 404)


@pytest.mark.parametrize(
    "body", [b"", b"<Tagging/>", b"<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>", b"x"]
)
def test_tags_that_cannot_be_read(url: str, s3: Any, bucket: str, body: bytes) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=b")
    answer = Raw(url, "PUT", f"/{bucket}/k", "tagging", body=body).send()
    assert (answer.status, b"MalformedXML" in answer.body) == (400, True)
    assert (tags(s3, bucket, "k"), read(s3, bucket, "k")) == ({"a": "b"}, b"x")


def test_a_bucket_is_made_with_tags(s3: Any) -> None:
    tags = [{"Key": "team", "Value": "a"}, {"Key": "x", "Value": ""}]
    s3.create_bucket(Bucket="made-with-tags", CreateBucketConfiguration={"Tags": tags})
    assert s3.get_bucket_tagging(Bucket="made-with-tags")["TagSet"] == tags
    wrong = {"Tags": [{"Key": "aws:x", "Value": ""}], "LocationConstraint": "eu-west-1"}
    assert code(s3.create_bucket, Bucket="not-made", CreateBucketConfiguration=wrong) == ("InvalidTag", 400)
    assert code(s3.head_bucket, Bucket="not-made") == ("404", 404)


def test_tags_of_a_bucket(s3: Any, bucket: str) -> None:
    assert code(s3.get_bucket_tagging, Bucket=bucket) == ("NoSuchTagSet", 404)
    many = {f"{number:02d}": "v" for number in range(50)}
    s3.put_bucket_tagging(Bucket=bucket, Tagging=tag_set(many))
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tag_set(many)["TagSet"]
    assert code(s3.put_bucket_tagging, Bucket=bucket, Tagging=tag_set({**many, "x": ""})) == ("InvalidTag", 400)
    s3.delete_bucket_tagging(Bucket=bucket)
    assert code(s3.get_bucket_tagging, Bucket=bucket) == ("NoSuchTagSet", 404)
    assert code(s3.put_bucket_tagging, Bucket="no-such-bucket", Tagging=tag_set(PAIR)) == ("NoSuchBucket", 404)
