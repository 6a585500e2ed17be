"""Objects of the S3 API: put, get, head, copy, delete, ranges, conditions, checksums."""

from __future__ import annotations

import base64
import hashlib
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from s3_client import Raw, code, read


def test_what_is_put_comes_back(s3: Any, bucket: str) -> None:
    put = s3.put_object(
        Bucket=bucket,
        Key="k",
        Body=b"hello",
        ContentType="text/csv",
        CacheControl="no-cache",
        ContentDisposition="attachment",
        ContentEncoding="gzip",
        ContentLanguage="de",
        Expires=datetime(2030, 1, 1, tzinfo=UTC),
        Metadata={"who": "me", "Mixed-Case": "Value, with comma"},
    )
    assert put["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    for found in (s3.get_object(Bucket=bucket, Key="k"), s3.head_object(Bucket=bucket, Key="k")):
        assert (found["ContentType"], found["CacheControl"], found["ContentEncoding"]) == (
            "text/csv",
            "no-cache",
            "gzip",
        )
        assert (found["ContentDisposition"], found["ContentLanguage"]) == ("attachment", "de")
        assert found["ExpiresString"] == "Tue, 01 Jan 2030 00:00:00 GMT"
        assert found["Metadata"] == {"who": "me", "mixed-case": "Value, with comma"}
        assert (found["ETag"], found["ContentLength"]) == (put["ETag"], 5)
        assert abs(found["LastModified"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert read(s3, bucket, "k") == b"hello"


def test_a_new_object_forgets_the_old_one(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", ContentType="text/csv", Metadata={"a": "b"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    found = s3.head_object(Bucket=bucket, Key="k")
    assert (found["Metadata"], found["ContentType"], found["ContentLength"]) == ({}, "binary/octet-stream", 0)
    assert read(s3, bucket, "k") == b""


def test_what_is_not_there_is_told(s3: Any, bucket: str) -> None:
    assert code(s3.get_object, Bucket=bucket, Key="no") == ("NoSuchKey", 404)
    assert code(s3.head_object, Bucket=bucket, Key="no") == ("404", 404)
    assert code(s3.get_object, Bucket="no-such-bucket", Key="no") == ("NoSuchBucket", 404)
    assert code(s3.put_object, Bucket="no-such-bucket", Key="no", Body=b"x") == ("NoSuchBucket", 404)
    s3.delete_object(Bucket=bucket, Key="no")


def test_a_refused_put_does_not_spoil_the_connection(s3: Any, bucket: str) -> None:
    for _ in range(3):
        assert code(s3.put_object, Bucket="no-such-bucket", Key="k", Body=b"x" * 3_000_000)[0] == "NoSuchBucket"
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert read(s3, bucket, "k") == b"x"


def test_errors_carry_an_id(url: str, bucket: str) -> None:
    answer = Raw(url, "GET", f"/{bucket}/no").send()
    request_id = answer.headers["x-amz-request-id"]
    assert f"<RequestId>{request_id}</RequestId>".encode() in answer.body
    assert f"<Resource>/{bucket}/no</Resource>".encode() in answer.body
    assert Raw(url, "GET", f"/{bucket}").send().headers["x-amz-request-id"] != request_id


RANGES = [
    ("bytes=0-0", b"0"),
    ("bytes=2-4", b"234"),
    ("bytes=7-", b"789"),
    ("bytes=-3", b"789"),
    ("bytes=-30", b"0123456789"),
    ("bytes=5-500", b"56789"),
]


@pytest.mark.parametrize(("wanted", "expected"), RANGES)
def test_ranges(s3: Any, bucket: str, wanted: str, expected: bytes) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    found = s3.get_object(Bucket=bucket, Key="k", Range=wanted)
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert (found["Body"].read(), found["ContentLength"]) == (expected, len(expected))
    start = 10 - len(expected) if wanted != "bytes=2-4" and wanted != "bytes=0-0" else int(wanted[6])
    assert found["ContentRange"] == f"bytes {start}-{start + len(expected) - 1}/10"
    assert s3.head_object(Bucket=bucket, Key="k", Range=wanted)["ContentLength"] == len(expected)


@pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=10-12", "bytes=-0"])
def test_ranges_behind_the_end(s3: Any, bucket: str, wanted: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    assert code(s3.get_object, Bucket=bucket, Key="k", Range=wanted) == ("InvalidRange", 416)


@pytest.mark.parametrize("wanted", ["bytes=4-2", "bytes=a-b", "lines=1-2", "bytes=0-1,3-4", "bytes=-"])
def test_senseless_ranges_are_ignored(s3: Any, bucket: str, wanted: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    found = s3.get_object(Bucket=bucket, Key="k", Range=wanted)
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert found["Body"].read() == b"0123456789"


def test_ranges_of_a_large_object(s3: Any, bucket: str) -> None:
    body = bytes(range(256)) * 20_000
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    assert read(s3, bucket, "k", Range="bytes=1000000-4000000") == body[1_000_000:4_000_001]
    assert read(s3, bucket, "k") == body


def test_conditional_reads(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    at = {"Bucket": bucket, "Key": "k"}
    before, after = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1)
    assert s3.get_object(**at, IfMatch=etag, IfNoneMatch='"other"')
    assert s3.get_object(**at, IfMatch=etag, IfUnmodifiedSince=before)
    assert code(s3.get_object, **at, IfMatch='"other"') == ("PreconditionFailed", 412)
    assert code(s3.get_object, **at, IfNoneMatch=etag) == ("304", 304)
    assert code(s3.get_object, **at, IfModifiedSince=after) == ("304", 304)
    assert s3.get_object(**at, IfModifiedSince=before)
    assert code(s3.get_object, **at, IfUnmodifiedSince=before) == ("PreconditionFailed", 412)
    assert code(s3.head_object, **at, IfMatch='"other"') == ("412", 412)


def test_if_range(url: str, s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"0123")["ETag"]
    request = Raw(url, "GET", f"/{bucket}/k", headers={"Range": "bytes=1-2"})
    assert request.send(if_range=etag).body == b"12"
    assert request.send(if_range='"other"').body == b"0123"


def test_conditional_writes(s3: Any, bucket: str) -> None:
    at = {"Bucket": bucket, "Key": "k"}
    assert code(s3.put_object, **at, Body=b"0", IfMatch='"x"') == ("NoSuchKey", 404)
    etag = s3.put_object(**at, Body=b"1", IfNoneMatch="*")["ETag"]
    assert code(s3.put_object, **at, Body=b"2", IfNoneMatch="*") == ("PreconditionFailed", 412)
    assert code(s3.put_object, **at, Body=b"3", IfMatch='"other"') == ("PreconditionFailed", 412)
    assert read(s3, bucket, "k") == b"1"
    for other in (etag, '"other"', '"*"', "*, *"):  # S3 knows the asterisk alone
        assert code(s3.put_object, **at, Body=b"3", IfNoneMatch=other) == ("NotImplemented", 501)
        assert code(s3.copy_object, Bucket=bucket, Key="c", CopySource=at, IfNoneMatch=other) == ("NotImplemented", 501)
    assert code(s3.put_object, **at, Body=b"3", IfMatch=etag, IfNoneMatch="*") == ("NotImplemented", 501)
    assert code(s3.put_object, Bucket=bucket, Key="new", Body=b"3", IfNoneMatch='"x"') == ("NotImplemented", 501)
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["k"]
    assert read(s3, bucket, "k") == b"1"
    s3.put_object(**at, Body=b"4", IfMatch=etag)
    assert code(s3.delete_object, **at, IfMatch=etag) == ("PreconditionFailed", 412)
    assert read(s3, bucket, "k") == b"4"


def test_overrides_of_a_response(s3: Any, bucket: str, url: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    found = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="text/x", ResponseContentDisposition="a; b=é")
    assert (found["ContentType"], found["ContentDisposition"]) == ("text/x", "a; b=é")
    for evil in ("a%0D%0Ab%3A%20c", "%E6%97%A5", "%00"):
        answer = Raw(url, "GET", f"/{bucket}/k", f"response-content-type={evil}").send()
        assert (answer.status, b"InvalidArgument" in answer.body) == (400, True)


def test_copies(s3: Any, bucket: str) -> None:
    key = "a+b/é &?%20.csv"
    s3.put_object(Bucket=bucket, Key=key, Body=b"hello", Metadata={"a": "b"}, ContentType="text/csv")
    source = {"Bucket": bucket, "Key": key}
    copied = s3.copy_object(Bucket=bucket, Key="kept", CopySource=source)
    assert copied["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    kept = s3.head_object(Bucket=bucket, Key="kept")
    assert (kept["Metadata"], kept["ContentType"]) == ({"a": "b"}, "text/csv")
    new = {"MetadataDirective": "REPLACE", "Metadata": {"c": "d"}}
    s3.copy_object(Bucket=bucket, Key="new", CopySource=source, **new)
    assert s3.head_object(Bucket=bucket, Key="new")["Metadata"] == {"c": "d"}
    assert code(s3.copy_object, Bucket=bucket, Key=key, CopySource=source) == ("InvalidRequest", 400)
    s3.copy_object(Bucket=bucket, Key=key, CopySource=source, **new)
    assert s3.head_object(Bucket=bucket, Key=key)["Metadata"] == {"c": "d"}
    s3.delete_object(Bucket=bucket, Key=key)
    assert (read(s3, bucket, "kept"), read(s3, bucket, "new")) == (b"hello", b"hello")
    assert code(s3.copy_object, Bucket=bucket, Key="x", CopySource=source) == ("NoSuchKey", 404)
    assert code(s3.copy_object, Bucket=bucket, Key="x", CopySource=f"{bucket}/kept?versionId=1")[0] == "InvalidArgument"


def test_a_copy_to_itself_that_names_its_storage_class(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"a": "b"})
    before = s3.head_object(Bucket=bucket, Key="k")
    s3.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/k", StorageClass="STANDARD")
    after = s3.head_object(Bucket=bucket, Key="k")
    assert (after["ETag"], after["Metadata"]) == (before["ETag"], before["Metadata"])


def test_a_copy_has_the_checksum_that_is_asked_for(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 3000, ChecksumAlgorithm="CRC32")
    right = {"SHA256": hashlib.sha256(b"x" * 3000).digest(), "CRC32": zlib.crc32(b"x" * 3000).to_bytes(4, "big")}
    for algorithm, digest in right.items():
        source = {"CopySource": f"{bucket}/k", "ChecksumAlgorithm": algorithm}
        told = s3.copy_object(Bucket=bucket, Key="c", **source)["CopyObjectResult"]
        found = s3.head_object(Bucket=bucket, Key="c", ChecksumMode="ENABLED")
        for answer in (told, found):
            kept = {name: answer[name] for name in answer if name.startswith("Checksum")}
            value = base64.b64encode(digest).decode()
            assert kept == {f"Checksum{algorithm}": value, "ChecksumType": "FULL_OBJECT"}


def test_conditional_copies(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    to = {"Bucket": bucket, "Key": "to", "CopySource": f"{bucket}/k"}
    before = datetime.now(UTC) - timedelta(hours=1)
    assert code(s3.copy_object, **to, CopySourceIfMatch='"other"') == ("PreconditionFailed", 412)
    assert code(s3.copy_object, **to, CopySourceIfNoneMatch=etag) == ("PreconditionFailed", 412)
    assert code(s3.copy_object, **to, CopySourceIfUnmodifiedSince=before) == ("PreconditionFailed", 412)
    assert s3.copy_object(**to, CopySourceIfMatch=etag, CopySourceIfModifiedSince=before, IfNoneMatch="*")
    assert code(s3.copy_object, **to, IfNoneMatch="*") == ("PreconditionFailed", 412)


CHECKSUMS = {
    "CRC32": "y/Q5Jg==",
    "CRC32C": "4waSgw==",
    "CRC64NVME": "rosUhgp5mIg=",
    "SHA1": base64.b64encode(hashlib.sha1(b"123456789").digest()).decode(),
    "SHA256": base64.b64encode(hashlib.sha256(b"123456789").digest()).decode(),
}


@pytest.mark.parametrize("algorithm", CHECKSUMS)
def test_checksums_are_checked_and_kept(s3: Any, bucket: str, algorithm: str) -> None:
    right, field = CHECKSUMS[algorithm], f"Checksum{algorithm}"
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"123456789", **{field: right})
    assert put[field] == right
    found = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (found[field], found["ChecksumType"]) == (right, "FULL_OBJECT")
    assert field not in s3.head_object(Bucket=bucket, Key="k")
    assert code(s3.put_object, Bucket=bucket, Key="k", Body=b"other", **{field: right}) == ("BadDigest", 400)
    assert code(s3.put_object, Bucket=bucket, Key="k", Body=b"other", **{field: "AAA="}) == ("InvalidRequest", 400)
    assert read(s3, bucket, "k") == b"123456789"
    assert s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/k")["CopyObjectResult"][field] == right


@pytest.mark.parametrize(("algorithm", "right"), [("crc32c", "b9BjxA=="), ("crc64nvme", "HXnZtLFbnvg=")])
def test_checksums_of_large_objects_are_checked(url: str, bucket: str, algorithm: str, right: str) -> None:
    body = b"0123456789" * 300_000
    for claimed, expected in ((right, 200), (right[:2] + "A" + right[3:], 400)):
        headers = {f"x-amz-checksum-{algorithm}": claimed}
        assert Raw(url, "PUT", f"/{bucket}/k", headers=headers, body=body).send().status == expected


def test_content_md5_is_checked(url: str, bucket: str) -> None:
    right = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    for value, expected in ((right, 200), ("AAAA", 400), (base64.b64encode(bytes(16)).decode(), 400)):
        assert Raw(url, "PUT", f"/{bucket}/k", headers={"Content-MD5": value}, body=b"x").send().status == expected
    bad = Raw(url, "PUT", f"/{bucket}/k", headers={"Content-MD5": "!"}, body=b"x").send()
    assert b"<Code>InvalidDigest</Code>" in bad.body


def test_two_checksums_are_one_too_many(url: str, bucket: str) -> None:
    headers = {"x-amz-checksum-crc32": CHECKSUMS["CRC32"], "x-amz-checksum-sha1": CHECKSUMS["SHA1"]}
    answer = Raw(url, "PUT", f"/{bucket}/k", headers=headers, body=b"123456789").send()
    assert (answer.status, b"InvalidRequest" in answer.body) == (400, True)


def test_metadata_has_a_limit(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"", Metadata={"a": "x" * 2047})
    assert code(s3.put_object, Bucket=bucket, Key="k", Body=b"", Metadata={"a": "x" * 2048})[0] == "MetadataTooLarge"


def test_the_owner_may_be_named(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"", ExpectedBucketOwner="111111111111")
    assert code(s3.head_object, Bucket=bucket, Key="k", ExpectedBucketOwner="222222222222") == ("403", 403)


def test_attributes(s3: Any, bucket: str) -> None:
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"x", ChecksumAlgorithm="SHA1")
    found = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["Checksum", "ObjectParts", "ETag"])
    assert found["Checksum"] == {"ChecksumSHA1": put["ChecksumSHA1"], "ChecksumType": "FULL_OBJECT"}
    assert (found["ETag"], "ObjectParts" in found, "ObjectSize" in found) == (put["ETag"][1:-1], False, False)
    assert found["LastModified"] == s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    wrong = {"Bucket": bucket, "Key": "k", "ObjectAttributes": ["Colour"]}
    assert code(s3.get_object_attributes, **wrong) == ("InvalidArgument", 400)
    assert code(s3.get_object_attributes, **{**wrong, "Key": "no", "ObjectAttributes": ["ETag"]})[0] == "NoSuchKey"


def test_versions_of_a_bucket_without_versions(s3: Any, bucket: str) -> None:
    keys = ["a", "b/1", "b/2", "c", "d e"]
    for key in keys:
        etag = s3.put_object(Bucket=bucket, Key=key, Body=b"x")["ETag"]
    found = s3.list_object_versions(Bucket=bucket)
    assert [each["Key"] for each in found["Versions"]] == keys
    first = found["Versions"][0]
    assert (first["VersionId"], first["IsLatest"], first["ETag"], first["Size"]) == ("null", True, etag, 1)
    assert (first["StorageClass"], first["Owner"]["ID"]) == ("STANDARD", "111111111111")
    assert ("DeleteMarkers" in found, found["IsTruncated"]) == (False, False)
    for size in (1, 2, 3):
        pages = list(
            s3.get_paginator("list_object_versions").paginate(
                Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": size}
            )
        )
        assert [each["Key"] for page in pages for each in page.get("Versions", [])] == ["a", "c", "d e"]
        assert [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])] == ["b/"]
    assert [v["Key"] for v in s3.list_object_versions(Bucket=bucket, Prefix="b/")["Versions"]] == ["b/1", "b/2"]
    assert code(s3.list_object_versions, Bucket=bucket, VersionIdMarker="null") == ("InvalidArgument", 400)
    doomed = {"Objects": [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in found["Versions"]]}
    assert "Errors" not in s3.delete_objects(Bucket=bucket, Delete=doomed)
    assert "Versions" not in s3.list_object_versions(Bucket=bucket)


def test_versions_other_than_null_are_refused(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert read(s3, bucket, "k", VersionId="null") == b"x"
    assert code(s3.delete_object, Bucket=bucket, Key="k", VersionId="abc") == ("InvalidArgument", 400)
    assert read(s3, bucket, "k") == b"x"


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/b-x/k"), ("PATCH", "/b-x/k"), ("POST", "/"), ("POST", "/b-x"), ("OPTIONS", "/b-x"), ("COPY", "/b-x/k")],
)
def test_methods_that_are_none_of_a_resource_are_refused(url: str, method: str, path: str) -> None:
    answer = Raw(url, method, path).send()
    assert (answer.status, b"<Code>MethodNotAllowed</Code>" in answer.body) == (405, True)


def test_a_put_needs_a_length(url: str, bucket: str) -> None:
    request = Raw(url, "PUT", f"/{bucket}/k")
    assert request.send(transfer_encoding="chunked").status == 411


def test_a_put_has_a_limit(url: str, bucket: str) -> None:
    request = Raw(url, "PUT", f"/{bucket}/k", headers={"Content-Length": str((5 << 30) + 1)})
    answer = request.send()
    assert (answer.status, b"EntityTooLarge" in answer.body) == (400, True)


def test_the_body_must_be_the_signed_one(url: str, s3: Any, bucket: str) -> None:
    request = Raw(url, "PUT", f"/{bucket}/k", body=b"signed")
    headers = request.sign()
    request.body, request.sign = b"change", lambda: headers  # type: ignore[method-assign]
    answer = request.send()
    assert (answer.status, b"XAmzContentSHA256Mismatch" in answer.body) == (400, True)
    assert code(s3.head_object, Bucket=bucket, Key="k")[1] == 404


def test_crc32_of_zlib_is_that_of_the_table() -> None:
    assert base64.b64encode(zlib.crc32(b"123456789").to_bytes(4, "big")).decode() == CHECKSUMS["CRC32"]
