"""Multipart uploads of the S3 API."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from s3_client import Raw, code, read

PART = 5 << 20
BODY = os.urandom(2 * PART + 1000)
PIECES = [BODY[:PART], BODY[PART : 2 * PART], BODY[2 * PART :]]


def begin(s3: Any, bucket: str, **arguments: Any) -> dict[str, Any]:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", **arguments)["UploadId"]
    return {"Bucket": bucket, "Key": "k", "UploadId": upload}


def send(s3: Any, at: dict[str, Any], number: int, body: bytes, **arguments: Any) -> dict[str, Any]:
    answer = s3.upload_part(**at, PartNumber=number, Body=body, **arguments)
    sums = {name: value for name, value in answer.items() if name.startswith("Checksum")}
    return {"PartNumber": number, "ETag": answer["ETag"], **sums}


def complete(s3: Any, at: dict[str, Any], *parts: dict[str, Any], **arguments: Any) -> Any:
    return s3.complete_multipart_upload(**at, MultipartUpload={"Parts": list(parts)}, **arguments)


def test_an_upload_in_parts(s3: Any, bucket: str) -> None:
    at = begin(s3, bucket, ContentType="text/csv", Metadata={"a": "b"})
    parts = [send(s3, at, number, piece) for number, piece in reversed(list(enumerate(PIECES, 1)))][::-1]
    assert code(s3.get_object, Bucket=bucket, Key="k") == ("NoSuchKey", 404)
    done = complete(s3, at, *parts)
    md5s = b"".join(hashlib.md5(piece).digest() for piece in PIECES)
    assert done["ETag"] == f'"{hashlib.md5(md5s).hexdigest()}-3"'
    assert (done["Bucket"], done["Key"]) == (bucket, "k")
    assert done["Location"].endswith(f"/{bucket}/k")
    found = s3.get_object(Bucket=bucket, Key="k")
    assert (found["ContentType"], found["Metadata"], found["ETag"]) == ("text/csv", {"a": "b"}, done["ETag"])
    assert found["Body"].read() == BODY
    assert code(s3.list_parts, **at) == ("NoSuchUpload", 404)


def test_parts_can_be_read_alone(s3: Any, bucket: str) -> None:
    at = begin(s3, bucket)
    complete(s3, at, *(send(s3, at, number, piece) for number, piece in enumerate(PIECES, 1)))
    for number, piece in enumerate(PIECES, 1):
        found = s3.get_object(Bucket=bucket, Key="k", PartNumber=number)
        assert (found["Body"].read() == piece, found["PartsCount"]) == (True, 3)
        assert found["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert s3.head_object(Bucket=bucket, Key="k", PartNumber=number)["ContentLength"] == len(piece)
    assert code(s3.get_object, Bucket=bucket, Key="k", PartNumber=4) == ("InvalidPartNumber", 416)
    s3.put_object(Bucket=bucket, Key="single", Body=b"x")
    assert read(s3, bucket, "single", PartNumber=1) == b"x"


def test_a_lost_answer_to_complete_does_no_harm(s3: Any, bucket: str) -> None:
    at = begin(s3, bucket)
    part = send(s3, at, 1, b"x")
    assert complete(s3, at, part)["ETag"] == complete(s3, at, part)["ETag"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"new")
    assert code(complete, s3, at, part) == ("NoSuchUpload", 404)
    assert read(s3, bucket, "k") == b"new"


def test_what_complete_refuses(s3: Any, bucket: str) -> None:
    at = begin(s3, bucket)
    small, last = send(s3, at, 1, b"small"), send(s3, at, 2, b"last")
    assert code(complete, s3, at, small, last) == ("EntityTooSmall", 400)
    assert code(complete, s3, at, last, small) == ("InvalidPartOrder", 400)
    assert code(complete, s3, at, small, small) == ("InvalidPartOrder", 400)
    assert code(complete, s3, at, {**last, "PartNumber": 7}) == ("InvalidPart", 400)
    assert code(complete, s3, at, {**last, "ETag": small["ETag"]}) == ("InvalidPart", 400)
    assert code(complete, s3, at, {**last, "ETag": "nonsense"}) == ("InvalidPart", 400)
    assert code(complete, s3, at, {**last, "ChecksumCRC32": "AAAAAA=="}) == ("InvalidPart", 400)
    assert code(complete, s3, at) == ("MalformedXML", 400)
    assert code(complete, s3, at, last, MpuObjectSize=3) == ("InvalidRequest", 400)
    assert code(complete, s3, at, last, IfMatch='"x"') == ("NoSuchKey", 404)
    assert code(complete, s3, at, last, IfNoneMatch='"x"') == ("NotImplemented", 501)
    complete(s3, at, last, MpuObjectSize=4, IfNoneMatch="*")
    assert read(s3, bucket, "k") == b"last"
    again = begin(s3, bucket)
    part = send(s3, again, 1, b"x")
    assert code(complete, s3, again, part, IfNoneMatch="*") == ("PreconditionFailed", 412)
    assert read(s3, bucket, "k") == b"last"
    assert complete(s3, again, part)


def test_a_part_may_be_sent_again(s3: Any, bucket: str) -> None:
    at = begin(s3, bucket)
    old, new = send(s3, at, 1, b"old"), send(s3, at, 1, b"new")
    assert code(complete, s3, at, old) == ("InvalidPart", 400)
    complete(s3, at, new)
    assert read(s3, bucket, "k") == b"new"


def test_an_aborted_upload_is_gone(s3: Any, bucket: str) -> None:
    at = begin(s3, bucket)
    send(s3, at, 1, b"x")
    s3.abort_multipart_upload(**at)
    assert code(s3.abort_multipart_upload, **at) == ("NoSuchUpload", 404)
    assert code(send, s3, at, 1, b"x") == ("NoSuchUpload", 404)
    assert code(s3.get_object, Bucket=bucket, Key="k") == ("NoSuchKey", 404)


@pytest.mark.parametrize("number", [0, 10_001, -1])
def test_numbers_of_parts_have_limits(s3: Any, bucket: str, number: int) -> None:
    assert code(send, s3, begin(s3, bucket), number, b"x") == ("InvalidArgument", 400)


def test_parts_are_listed(s3: Any, bucket: str) -> None:
    at = begin(s3, bucket, ChecksumAlgorithm="SHA256")
    for number in (3, 1, 2):
        send(s3, at, number, b"x" * number, ChecksumAlgorithm="SHA256")
    pages = list(s3.get_paginator("list_parts").paginate(**at, PaginationConfig={"PageSize": 2}))
    assert [(part["PartNumber"], part["Size"]) for page in pages for part in page["Parts"]] == [(1, 1), (2, 2), (3, 3)]
    assert [page["IsTruncated"] for page in pages] == [True, False]
    assert pages[0]["ChecksumAlgorithm"] == "SHA256"
    assert pages[0]["Parts"][0]["ChecksumSHA256"]


def test_uploads_are_listed(s3: Any, bucket: str) -> None:
    keys = ["a", "b", "b", "c/1"]
    made = [(key, s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]) for key in keys]
    pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, PaginationConfig={"PageSize": 1})
    assert [(each["Key"], each["UploadId"]) for page in pages for each in page["Uploads"]] == sorted(made)
    assert [each["Key"] for each in s3.list_multipart_uploads(Bucket=bucket, Prefix="c/")["Uploads"]] == ["c/1"]
    assert [each["Key"] for each in s3.list_multipart_uploads(Bucket=bucket, KeyMarker="b")["Uploads"]] == ["c/1"]


def test_listed_uploads_tell_their_checksums(s3: Any, bucket: str) -> None:
    s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256")
    s3.create_multipart_upload(Bucket=bucket, Key="plain")
    summed, plain = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert (summed["ChecksumAlgorithm"], summed["ChecksumType"]) == ("SHA256", "COMPOSITE")
    assert not {"ChecksumAlgorithm", "ChecksumType"} & plain.keys()


def test_uploads_are_listed_as_folders(s3: Any, bucket: str) -> None:
    for key in ("a", "b/1", "b/2", "c/1", "d", "d", "e/f/g"):
        s3.create_multipart_upload(Bucket=bucket, Key=key)
    for size in (1, 2, 100):
        pages = list(
            s3.get_paginator("list_multipart_uploads").paginate(
                Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": size}
            )
        )
        assert [each["Key"] for page in pages for each in page.get("Uploads", [])] == ["a", "d", "d"]
        folders = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])]
        assert folders == ["b/", "c/", "e/"]
    below = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/", Prefix="e/")
    assert [each["Prefix"] for each in below["CommonPrefixes"]] == ["e/f/"]


def test_the_attributes_of_parts(s3: Any, bucket: str) -> None:
    names = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    at = begin(s3, bucket, ChecksumAlgorithm="SHA256")
    sent = [send(s3, at, n, piece, ChecksumAlgorithm="SHA256") for n, piece in enumerate(PIECES, 1)]
    done = complete(s3, at, *sent)
    found = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=names)
    assert (found["ETag"], found["ObjectSize"], found["StorageClass"]) == (done["ETag"][1:-1], len(BODY), "STANDARD")
    assert (found["Checksum"]["ChecksumType"], found["ObjectParts"]["TotalPartsCount"]) == ("COMPOSITE", 3)
    parts = found["ObjectParts"]["Parts"]
    assert [part["Size"] for part in parts] == [len(piece) for piece in PIECES]
    assert [part["ChecksumSHA256"] for part in parts] == [part["ChecksumSHA256"] for part in sent]
    page = s3.get_object_attributes(
        Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts"], MaxParts=1, PartNumberMarker=1
    )
    assert [part["PartNumber"] for part in page["ObjectParts"]["Parts"]] == [2]
    assert (page["ObjectParts"]["NextPartNumberMarker"], page["ObjectParts"]["IsTruncated"]) == (2, True)
    assert "ETag" not in page


def test_copies_of_ranges_become_parts(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=BODY)
    at = begin(s3, bucket)
    source = {"Bucket": bucket, "Key": "source"}
    parts = []
    for number, (first, last) in enumerate([(0, PART - 1), (PART, len(BODY) - 1)], 1):
        copied = s3.upload_part_copy(
            **at, PartNumber=number, CopySource=source, CopySourceRange=f"bytes={first}-{last}"
        )
        assert copied["CopyPartResult"]["ETag"] == f'"{hashlib.md5(BODY[first : last + 1]).hexdigest()}"'
        parts.append({"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]})
    whole = s3.upload_part_copy(**at, PartNumber=3, CopySource=source)
    complete(s3, at, *parts, {"PartNumber": 3, "ETag": whole["CopyPartResult"]["ETag"]})
    assert read(s3, bucket, "k") == BODY + BODY
    at = begin(s3, bucket)
    bad = {**at, "PartNumber": 1, "CopySource": source}
    assert code(s3.upload_part_copy, **bad, CopySourceRange=f"bytes=0-{len(BODY)}") == ("InvalidRange", 416)
    assert code(s3.upload_part_copy, **bad, CopySourceRange="bytes=0-") == ("InvalidArgument", 400)
    assert code(s3.upload_part_copy, **bad, CopySourceIfMatch='"x"') == ("PreconditionFailed", 412)


def base64_of(number: int, length: int) -> str:
    return base64.b64encode(number.to_bytes(length, "big")).decode()


def test_checksum_of_checksums(s3: Any, bucket: str) -> None:
    at = begin(s3, bucket, ChecksumAlgorithm="CRC32")
    done = complete(s3, at, *(send(s3, at, n, piece, ChecksumAlgorithm="CRC32") for n, piece in enumerate(PIECES, 1)))
    of_parts = b"".join(zlib.crc32(piece).to_bytes(4, "big") for piece in PIECES)
    assert (done["ChecksumCRC32"], done["ChecksumType"]) == (f"{base64_of(zlib.crc32(of_parts), 4)}-3", "COMPOSITE")
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumCRC32"] == done["ChecksumCRC32"]


def test_checksum_of_the_whole_without_reading_it_again(s3: Any, bucket: str) -> None:
    whole = base64_of(zlib.crc32(BODY), 4)
    at = begin(s3, bucket, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    parts = [send(s3, at, n, piece, ChecksumAlgorithm="CRC32") for n, piece in enumerate(PIECES, 1)]
    assert code(complete, s3, at, *parts, ChecksumCRC32="AAAAAA==") == ("BadDigest", 400)
    done = complete(s3, at, *parts, ChecksumCRC32=whole, ChecksumType="FULL_OBJECT")
    assert (done["ChecksumCRC32"], done["ChecksumType"]) == (whole, "FULL_OBJECT")
    assert read(s3, bucket, "k") == BODY


def test_checksums_of_parts_must_be_of_the_kind_announced(s3: Any, bucket: str) -> None:
    at = begin(s3, bucket, ChecksumAlgorithm="SHA256")
    assert code(send, s3, at, 1, b"x", ChecksumAlgorithm="CRC32") == ("InvalidRequest", 400)
    for algorithm, kind in (("SHA256", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")):
        assert code(begin, s3, bucket, ChecksumAlgorithm=algorithm, ChecksumType=kind) == ("InvalidRequest", 400)
    assert code(begin, s3, bucket, ServerSideEncryption="aws:kms") == ("NotImplemented", 501)


WRONG, OF_SHA256 = "AAAAAA==", "A" * 43 + "="
UNFIT = [
    ({}, {"ChecksumSHA256": OF_SHA256}, "InvalidRequest"),
    ({}, {"ChecksumType": "FULL_OBJECT"}, "BadDigest"),
    ({"ChecksumAlgorithm": "CRC32"}, {"ChecksumSHA256": OF_SHA256}, "InvalidRequest"),
    ({"ChecksumAlgorithm": "CRC32"}, {"ChecksumCRC32": WRONG}, "BadDigest"),
    ({"ChecksumAlgorithm": "CRC32"}, {"ChecksumType": "FULL_OBJECT"}, "BadDigest"),
    ({"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}, {"ChecksumType": "COMPOSITE"}, "BadDigest"),
]


def test_checksums_that_cannot_be_compared_complete_nothing(s3: Any, bucket: str) -> None:
    for planned, claimed, refused in UNFIT:
        at = begin(s3, bucket, **planned)
        part = send(s3, at, 1, b"hello")
        assert code(complete, s3, at, part, **claimed) == (refused, 400), (planned, claimed)
        other = {name: value for name, value in part.items() if not name.startswith("Checksum")}
        for claim in ({"ChecksumSHA256": OF_SHA256}, {"ChecksumCRC32": WRONG}):
            assert code(complete, s3, at, {**other, **claim}) == ("InvalidPart", 400)
        assert code(s3.head_object, Bucket=bucket, Key="k") == ("404", 404)
        s3.abort_multipart_upload(**at)
    at = begin(s3, bucket, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    crc = base64.b64encode(zlib.crc32(b"hello").to_bytes(4, "big")).decode()
    complete(s3, at, send(s3, at, 1, b"hello"), ChecksumCRC32=crc, ChecksumType="FULL_OBJECT")


def test_a_checksum_is_computed_if_the_client_names_none(url: str, s3: Any, bucket: str) -> None:
    at = begin(s3, bucket, ChecksumAlgorithm="SHA1")
    answer = Raw(url, "PUT", f"/{bucket}/k", f"partNumber=1&uploadId={at['UploadId']}", body=b"x").send()
    assert answer.headers["x-amz-checksum-sha1"] == base64.b64encode(hashlib.sha1(b"x").digest()).decode()


def test_boto3_transfers(s3: Any, bucket: str, tmp_path: Path) -> None:
    body = os.urandom(17 << 20)
    (tmp_path / "up").write_bytes(body)
    config = TransferConfig(multipart_threshold=1 << 20, multipart_chunksize=5 << 20, max_concurrency=4)
    s3.upload_file(str(tmp_path / "up"), bucket, "k", Config=config, ExtraArgs={"Metadata": {"a": "b"}})
    s3.download_file(bucket, "k", str(tmp_path / "down"), Config=config)
    assert (tmp_path / "down").read_bytes() == body
    s3.copy({"Bucket": bucket, "Key": "k"}, bucket, "copy", Config=config)
    assert read(s3, bucket, "copy") == body
    s3.upload_fileobj(io.BytesIO(b"small"), bucket, "k")
    assert read(s3, bucket, "k") == b"small"


def test_concurrent_completes_of_one_key(s3: Any, bucket: str) -> None:
    def upload(letter: bytes) -> None:
        at = begin(s3, bucket)
        complete(s3, at, send(s3, at, 1, letter * PART), send(s3, at, 2, letter * 1000))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upload, [b"a", b"b", b"c", b"d"]))
    body = read(s3, bucket, "k")
    assert (len(body), len(set(body))) == (PART + 1000, 1)


def test_clients_that_complete_an_upload_at_once_are_all_told_the_same(s3: Any, bucket: str) -> None:
    for _ in range(5):
        at = begin(s3, bucket)
        part = send(s3, at, 1, BODY)
        with ThreadPoolExecutor(4) as clients:
            answers = [clients.submit(complete, s3, at, part) for _ in range(4)]
        assert len({answer.result()["ETag"] for answer in answers}) == 1


def test_a_part_that_is_replaced_is_not_completed_as_it_was(s3: Any, bucket: str) -> None:
    """One of the two is first: the other finds no upload, or another part."""

    def outcome(work: Any, *arguments: Any) -> str:
        try:
            work(s3, *arguments)
        except s3.exceptions.ClientError as error:
            return str(error.response["Error"]["Code"])
        return "done"

    for _ in range(10):
        at = begin(s3, bucket)
        part = send(s3, at, 1, BODY)
        with ThreadPoolExecutor(2) as clients:
            completed = clients.submit(outcome, complete, at, part)
            replaced = clients.submit(outcome, send, at, 1, b"another")
        assert (completed.result(), replaced.result()) in (("done", "NoSuchUpload"), ("InvalidPart", "done"))
