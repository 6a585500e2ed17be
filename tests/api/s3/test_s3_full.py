"""A disk without room left."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from s3_client import client, code, read

from running import wait_for

#: a small file system that only this process and its children see
PROGRAM = 'mount -t tmpfs -o size=$4 none "$1" && exec "$2" "$3" "$1" 0'


@pytest.fixture(params=["2m"])
def small(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Any, Path]]:
    """A client of a store of few megabytes, and where the server logs."""
    root, log = tmp_path / "root", tmp_path / "log"
    root.mkdir()
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], stderr=-3).returncode:
        pytest.skip("no namespaces here")
    program = ["sh", "-c", PROGRAM, "sh", str(root), sys.executable, str(Path(__file__).with_name("s3_server.py"))]
    program.append(request.param)
    with (
        log.open("wb") as output,
        subprocess.Popen(["unshare", "-rm", *program], stdout=output, stderr=output) as process,
    ):
        try:
            wait_for("its port", lambda: log.read_text().endswith("\n"))
            yield client(f"http://127.0.0.1:{log.read_text().split()[0]}"), log
        finally:
            process.kill()


def test_a_full_disk_is_told_and_what_was_there_stays(small: tuple[Any, Path]) -> None:
    s3, log = small
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="kept", Body=b"old")
    for key in ("kept", "new"):
        assert code(s3.put_object, Bucket="bucket", Key=key, Body=b"x" * 3_000_000) == ("InsufficientStorage", 507)
    assert read(s3, "bucket", "kept") == b"old"
    assert code(s3.get_object, Bucket="bucket", Key="new") == ("NoSuchKey", 404)
    s3.put_object(Bucket="bucket", Key="small", Body=b"fits again")
    told = [line for line in log.read_text().splitlines() if "disk is full" in line]
    assert len(told) == 2 and "/bucket/new" in told[1]
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("small", ["16m"], indirect=True)
def test_a_full_disk_is_told_at_the_end_of_a_long_complete(small: tuple[Any, Path]) -> None:
    """Its answer has begun with status 200 by then, which botocore takes for 500."""
    s3, log = small
    s3.create_bucket(Bucket="bucket")
    at = {"Bucket": "bucket", "Key": "k"}
    at["UploadId"] = s3.create_multipart_upload(**at)["UploadId"]
    parts = []
    for number in (1, 2):
        etag = s3.upload_part(**at, PartNumber=number, Body=bytes(5 << 20))["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    assert code(s3.complete_multipart_upload, **at, MultipartUpload={"Parts": parts}) == ("InsufficientStorage", 500)
    assert [each["PartNumber"] for each in s3.list_parts(**at)["Parts"]] == [1, 2]
    assert "disk is full" in log.read_text() and "Traceback" not in log.read_text()
