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
