"""Objects are whole or not there: cut-off bodies, clients that go away, overwriting readers, a killed server."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import BotoCoreError
from s3_client import Raw, client, code, read

from pegbox.objects.files import FileStore


def eventually(holds: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def half_a_put(url: str, path: str, length: int, sent: int) -> socket.socket:
    """A connection on which a PUT has stopped in the middle."""
    request = Raw(url, "PUT", path, body=b"n" * length)
    headers = "".join(f"{name}: {value}\r\n" for name, value in request.sign().items())
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname or "", address.port or 0))
    head = f"PUT {path} HTTP/1.1\r\nHost: {address.netloc}\r\n{headers}Content-Length: {length}\r\n\r\n"
    connection.sendall(head.encode() + b"n" * sent)
    return connection


@pytest.fixture
def incoming(tmp_path: Path) -> Path:
    return tmp_path / "objects" / "incoming"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    from s3_server import running

    with running(tmp_path / "objects") as address:
        yield address


@pytest.fixture
def s3(url: str) -> Any:
    return client(url)


@pytest.mark.parametrize(("length", "sent"), [(1000, 999), (5_000_000, 3_000_000), (1000, 0)])
def test_a_body_that_is_cut_off_becomes_nothing(
    s3: Any, url: str, bucket: str, incoming: Path, length: int, sent: int
) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    with half_a_put(url, f"/{bucket}/k", length, sent), half_a_put(url, f"/{bucket}/new", length, sent):
        eventually(lambda: len(list(incoming.iterdir())) == 2)
    eventually(lambda: not list(incoming.iterdir()))
    assert read(s3, bucket, "k") == b"old"
    assert code(s3.get_object, Bucket=bucket, Key="new") == ("NoSuchKey", 404)


def test_a_reader_that_goes_away_leaves_nothing_open(s3: Any, url: str, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * (64 << 20))

    def open_files() -> int:
        folder = Path("/proc/self/fd")
        return sum("content" in os.readlink(each) for each in folder.iterdir() if each.is_symlink())

    body = s3.get_object(Bucket=bucket, Key="k")["Body"]
    assert body.read(1000) == b"x" * 1000
    assert open_files() == 1
    body.close()
    eventually(lambda: open_files() == 0)


def test_overwriting_never_tears(s3: Any, url: str, bucket: str) -> None:
    versions = [bytes([letter]) * size for letter, size in ((97, 8 << 20), (98, 9 << 20), (99, 5))]
    s3.put_object(Bucket=bucket, Key="k", Body=versions[0])
    sums = {hashlib.md5(version).hexdigest() for version in versions}
    done = threading.Event()

    def write(version: bytes) -> None:
        for _ in range(4):
            client(url).put_object(Bucket=bucket, Key="k", Body=version)

    def readings() -> int:
        count = 0
        while not done.is_set() or not count:
            found = s3.get_object(Bucket=bucket, Key="k")
            body = found["Body"].read()
            assert hashlib.md5(body).hexdigest() in sums
            assert found["ETag"].strip('"') == hashlib.md5(body).hexdigest()
            count += 1
        return count

    with ThreadPoolExecutor(4) as pool:
        reader = pool.submit(readings)
        list(pool.map(write, versions))
        done.set()
        assert reader.result() >= 1


@contextlib.contextmanager
def killed_server(root: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """A server in a process of its own, and how to kill it."""
    command = [sys.executable, str(Path(__file__).with_name("s3_server.py")), str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}", lambda: process.send_signal(signal.SIGKILL)
        finally:
            process.kill()


def test_a_server_killed_in_the_middle_of_a_put(tmp_path: Path) -> None:
    root = tmp_path / "killed"
    old = os.urandom(3_000_000)
    with killed_server(root) as (url, kill):
        s3 = client(url)
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="k", Body=old)
        with half_a_put(url, "/bucket/k", 10_000_000, 8_000_000):
            eventually(lambda: any(path.stat().st_size > 1 << 20 for path in (root / "incoming").iterdir()))
            kill()
    with killed_server(root) as (url, _):
        assert read(client(url), "bucket", "k") == old
    store = FileStore(root)
    assert store.sweep(seconds=-1) == 1
    assert list((root / "incoming").iterdir()) == []
    store.close()


def test_a_server_killed_among_many_writes(tmp_path: Path) -> None:
    root = tmp_path / "killed"
    answered: dict[str, int] = {}

    def body(key: str, version: int) -> bytes:
        return f"{key}:{version}:".encode() * 3000

    def write(url: str, key: str) -> None:
        s3 = client(url)
        with contextlib.suppress(BotoCoreError):
            for version in range(10_000):
                s3.put_object(Bucket="bucket", Key=key, Body=body(key, version))
                answered[key] = version

    with killed_server(root) as (url, kill), ThreadPoolExecutor(4) as pool:
        client(url).create_bucket(Bucket="bucket")
        writers = [pool.submit(write, url, key) for key in "abcd"]
        eventually(lambda: len(answered) == 4 and sum(answered.values()) > 60, 30)
        kill()
        for writer in writers:
            writer.result()
    with killed_server(root) as (url, _):
        s3 = client(url)
        for key, version in answered.items():
            assert read(s3, "bucket", key) in (body(key, version), body(key, version + 1))
    store = FileStore(root)
    store.sweep(seconds=-1, share=1.0)
    assert len(list((root / "content").glob("*/*"))) == 4
    store.close()


def test_uploads_of_a_killed_server_are_collected(tmp_path: Path) -> None:
    root = tmp_path / "killed"
    begun: list[str] = []

    def upload(url: str, key: str) -> None:
        s3 = client(url)
        with contextlib.suppress(BotoCoreError):
            while True:
                at = {"Bucket": "bucket", "Key": key}
                at["UploadId"] = s3.create_multipart_upload(**at)["UploadId"]
                begun.append(at["UploadId"])
                s3.upload_part(**at, PartNumber=1, Body=b"p" * 300_000)
                s3.abort_multipart_upload(**at)

    with killed_server(root) as (url, kill), ThreadPoolExecutor(4) as pool:
        s3 = client(url)
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="k", Body=b"kept")
        s3.create_multipart_upload(Bucket="bucket", Key="left")
        writers = [pool.submit(upload, url, key) for key in "abcd"]
        eventually(lambda: len(begun) > 20, 30)
        kill()
        for writer in writers:
            writer.result()
    with contextlib.closing(FileStore(root)) as store:
        assert store.collect_uploads(seconds=-1) >= 1
        store.sweep(seconds=-1, share=1.0)
        assert store.uploads.in_progress("111111111111", "bucket").uploads == ()
        assert store.totals().objects == len(list((root / "content").glob("*/*"))) == 1
        assert list((root / "incoming").iterdir()) == []
    with killed_server(root) as (url, _):
        assert read(client(url), "bucket", "k") == b"kept"
