"""Damage of objects and of their contents is found, repaired, and found no more."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Callable
from contextlib import closing

import pytest
from botocore.exceptions import ClientError

from examination import content_of, examine, fill, found, repaired
from running import RunningServer

Start = Callable[..., RunningServer]


def test_an_object_without_its_content(live: RunningServer) -> None:
    fill(live)
    path = content_of(live, "missing")
    path.unlink()
    assert repaired(live, "content-missing")["about"] == "s3://kept/missing"
    with pytest.raises(ClientError, match="NoSuchKey"):
        live.client("s3").get_object(Bucket="kept", Key="missing")
    rows = [json.loads(row) for row in (live.home / "lost+found" / "objects" / "rows.jsonl").read_text().splitlines()]
    (row,) = [row for row in rows if row["key"] == "missing"]
    assert (row["table"], row["bucket"], row["size"], row["content"]) == ("object", "kept", 7, path.name)


@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
def test_contents_that_are_away_cost_no_object(start_server: Start, left: str) -> None:
    server = start_server()
    s3 = server.client("s3")
    s3.create_bucket(Bucket="kept")
    for number in range(3):
        s3.put_object(Bucket="kept", Key=str(number), Body=b"whole")
    content = server.home / "objects" / "content"
    content.rename(server.home / "elsewhere")
    if left == "an empty folder":
        content.mkdir()
    code, findings = examine(server.home, "--repair")
    assert (code, [(each["kind"], each["repairable"]) for each in findings]) == (1, [("content-away", False)])
    assert "3 of 3" in findings[0]["message"]
    assert not any(content.glob("*"))
    if left == "an empty folder":
        content.rmdir()
    (server.home / "elsewhere").rename(content)
    assert examine(server.home, "--deep") == (0, [])
    assert s3.get_object(Bucket="kept", Key="2")["Body"].read() == b"whole"


def test_an_object_of_another_size(live: RunningServer) -> None:
    path = content_of(live, "short")
    path.write_bytes(b"cont")
    repaired(live, "content-size")
    assert (live.home / "lost+found" / "objects" / path.name).read_bytes() == b"cont"


def test_an_object_of_another_digest(live: RunningServer) -> None:
    path = content_of(live, "rotten")
    path.write_bytes(b"cOntent")
    assert found(live) == []
    repaired(live, "content-digest", "--deep")
    assert (live.home / "lost+found" / "objects" / path.name).read_bytes() == b"cOntent"


def test_an_object_of_parts_has_its_digest(live: RunningServer) -> None:
    s3 = live.client("s3")
    upload = s3.create_multipart_upload(Bucket="kept", Key="parts")["UploadId"]
    parts = []
    for number, body in ((1, b"1" * (5 << 20)), (2, b"2")):
        answer = s3.upload_part(Bucket="kept", Key="parts", UploadId=upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    s3.complete_multipart_upload(Bucket="kept", Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
    assert found(live, "--deep") == []
    s3.delete_object(Bucket="kept", Key="parts")


@pytest.mark.parametrize("place, kind", [("content/ab", "content-unnamed"), ("incoming", "incoming-leftover")])
def test_files_of_no_object(live: RunningServer, place: str, kind: str) -> None:
    path = live.home / "objects" / place / f"ab{uuid.uuid4().hex[2:]}"
    path.write_bytes(b"nobody's")
    assert found(live) == []
    done = repaired(live, kind, "--stale", "0")["repaired"]
    assert not path.exists()
    if kind == "content-unnamed":
        aside = live.home / "lost+found" / "objects" / "content"
        assert (aside / "ab" / path.name).read_bytes() == b"nobody's"
        assert done == f"moved to {aside}"


def test_an_upload_that_was_forgotten(live: RunningServer) -> None:
    upload = live.client("s3").create_multipart_upload(Bucket="kept", Key="forgotten")["UploadId"]
    with closing(sqlite3.connect(live.home / "objects" / "index.db", 30)) as index, index:
        index.execute("update upload set started = started - 90000000 where id = ?", (upload,))
    repaired(live, "upload-idle")
    assert "Uploads" not in live.client("s3").list_multipart_uploads(Bucket="kept")


SPOILT = {
    "description": "{",
    "tags": "5",
    "part_sizes": "[",
    "part_checksums": "null",
    "modified": "never",
    "key": b"caf\xe9",
}


@pytest.mark.parametrize("column", SPOILT)
def test_a_row_that_is_spoilt(live: RunningServer, column: str) -> None:
    s3, name = live.client("s3"), f"spoilt-{column}"
    path = content_of(live, name)
    spoil(live, f"update object set {column} = ? where content = ?", SPOILT[column], path.name)
    with pytest.raises(ClientError, match=r"InternalError.*cannot be read; pegbox doctor"):
        s3.list_objects_v2(Bucket="kept")
    finding = repaired(live, "row-unreadable", "--deep")
    assert finding["about"] == ("s3://kept/caf\N{REPLACEMENT CHARACTER}" if column == "key" else f"s3://kept/{name}")
    assert name not in [each["Key"] for each in s3.list_objects_v2(Bucket="kept").get("Contents", [])]
    aside = live.home / "lost+found" / "objects"
    assert (aside / path.name).read_bytes() == b"content"
    assert path.name in [json.loads(row)["content"] for row in (aside / "rows.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("way", ["put", "delete"])
def test_an_object_whose_row_is_spoilt_can_be_replaced_and_removed(live: RunningServer, way: str) -> None:
    s3 = live.client("s3")
    path = content_of(live, "again")
    spoil(live, "update object set description = '{' where content = ?", path.name)
    if way == "put":
        s3.put_object(Bucket="kept", Key="again", Body=b"new")
    s3.delete_object(Bucket="kept", Key="again")
    assert examine(live.home, "--deep") == (0, [])
    assert not path.exists()


def test_rows_of_uploads_that_are_spoilt(live: RunningServer) -> None:
    s3 = live.client("s3")
    uploads = [s3.create_multipart_upload(Bucket="kept", Key=key)["UploadId"] for key in ("first", "second")]
    for upload, key in zip(uploads, ("first", "second"), strict=True):
        s3.upload_part(Bucket="kept", Key=key, UploadId=upload, PartNumber=1, Body=b"part")
    spoil(live, "update part set checksum = 'none' where upload = ?", uploads[0])
    assert repaired(live, "row-unreadable")["about"] == f"part 1 of upload {uploads[0]}"
    spoil(live, "update upload set description = '[1]' where id = ?", uploads[1])
    assert repaired(live, "row-unreadable")["about"] == f"upload {uploads[1]}"
    assert [each["UploadId"] for each in s3.list_multipart_uploads(Bucket="kept")["Uploads"]] == [uploads[0]]
    s3.abort_multipart_upload(Bucket="kept", Key="first", UploadId=uploads[0])


def test_a_bucket_whose_row_is_spoilt_is_told(start_server: Start) -> None:
    server = start_server()
    server.client("s3").create_bucket(Bucket="kept")
    spoil(server, "update bucket set tags = '['")
    code, findings = examine(server.home, "--repair")
    assert (code, [(each["kind"], each["repairable"]) for each in findings]) == (1, [("row-unreadable", False)])


def spoil(server: RunningServer, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(server.home / "objects" / "index.db", 30)) as index, index:
        assert index.execute(statement, values).rowcount == 1
