"""Clients that are slow, silent, deaf or too many: they go, and the others hardly notice."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from raw_requests import connect, signed
from running import RunningServer, wait_for

PATIENCE = 1.5  #: seconds; a head has a third of it
BIG = 32 << 20  #: bytes, more than the buffers of two sockets take


@pytest.fixture(scope="module")
def hasty(start_server: Callable[..., RunningServer]) -> RunningServer:
    server = start_server(environment={"PEGBOX_CLIENT_TIMEOUT": str(PATIENCE)})
    s3 = server.client("s3")
    s3.create_bucket(Bucket="slow")
    s3.put_object(Bucket="slow", Key="big", Body=bytes(BIG))
    return server


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def ended(connection: socket.socket) -> bool:
    """Read what comes until the server ends the connection."""
    try:
        while connection.recv(1 << 20):
            pass
    except ConnectionError:
        pass
    return True


def seconds_to_end(connection: socket.socket) -> float:
    begin = time.monotonic()
    assert ended(connection)
    return time.monotonic() - begin


def test_half_a_head_is_not_awaited_for_ever(hasty: RunningServer, sockets: ExitStack) -> None:
    silent = connect(hasty, sockets)
    half = connect(hasty, sockets, b"GET /health HTTP/1.1\r\nHos")
    second = connect(hasty, sockets, b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"200 OK" in second.recv(4096)
    second.sendall(b"GET /he")
    for connection in (silent, half, second):
        assert seconds_to_end(connection) < 10


def trickle_until_cut_off(connection: socket.socket, piece: bytes) -> None:
    """Send a piece, wait for an answer as long as the connection's timeout says, and so on."""

    def cut_off() -> bool:
        try:
            connection.sendall(piece)
            return connection.recv(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    wait_for("the end of the patience", cut_off, 10)


def test_a_trickle_is_no_head(hasty: RunningServer, sockets: ExitStack) -> None:
    connection = connect(hasty, sockets, b"GET /health HTTP/1.1\r\n")
    connection.settimeout(0.1)
    trickle_until_cut_off(connection, b"a: b\r\n")


def test_a_body_that_stalls_leaves_nothing(hasty: RunningServer, sockets: ExitStack) -> None:
    head = signed(hasty, "PUT", "/slow/stalled", content_length=str(8 << 20))
    connection = connect(hasty, sockets, head, bytes(2 << 20))
    incoming = hasty.home / "objects" / "incoming"
    wait_for("the file", lambda: any(incoming.iterdir()))
    assert seconds_to_end(connection) < 10
    wait_for("the end of the file", lambda: not any(incoming.iterdir()))
    json = b"POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: SageMaker.ListTrainingJobs\r\nContent-Length: 100\r\n\r\n{"
    assert seconds_to_end(connect(hasty, sockets, json)) < 10


def test_a_slow_body_that_goes_on_is_taken(hasty: RunningServer, sockets: ExitStack) -> None:
    head = signed(hasty, "PUT", "/slow/steady", content_length=str(10 * 4096))
    connection = connect(hasty, sockets, head)
    for _ in range(10):
        connection.sendall(bytes(4096))
        time.sleep(2.5 * PATIENCE / 10)  # the client's own pace
    assert b"200 OK" in connection.recv(4096)


def test_a_client_that_does_not_read_lets_go_of_the_file(hasty: RunningServer, sockets: ExitStack) -> None:
    connection = connect(hasty, sockets, signed(hasty, "GET", "/slow/big"))
    assert b"200 OK" in connection.recv(100)

    def open_contents() -> int:
        descriptors = Path(f"/proc/{hasty.process.pid}/fd")
        return sum("/objects/content/" in os.readlink(each) for each in descriptors.iterdir() if each.is_symlink())

    wait_for("the file to be open", open_contents)
    wait_for("the file to be closed", lambda: not open_contents(), 20)
    hasty.client("s3").head_object(Bucket="slow", Key="big")


def test_uploads_and_downloads_that_hang_hold_up_nobody(hasty: RunningServer, sockets: ExitStack) -> None:
    get = signed(hasty, "GET", "/slow/big")
    for number in range(100):
        put = signed(hasty, "PUT", f"/slow/hangs-{number}", content_length=str(4 << 20))
        connect(hasty, sockets, put, bytes(100_000))
        connect(hasty, sockets, get)
    begin = time.monotonic()
    hasty.client("sagemaker").list_training_jobs()
    assert time.monotonic() - begin < PATIENCE + 5


JSON = b"POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: SageMaker.ListTrainingJobs\r\nContent-Length: 1000\r\n\r\n"
FORM = (
    b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=XX\r\nContent-Length: 1000\r\n\r\n"
    b'--XX\r\nContent-Disposition: form-data; name="key"\r\n\r\n'
)


@pytest.mark.parametrize("sent", [b"GET / HT", JSON, JSON + b"{", FORM], ids=["head", "json", "half", "form"])
def test_more_connections_than_descriptors(small: RunningServer, sockets: ExitStack, sent: bytes) -> None:
    """The server cannot have more files than its hard limit: newcomers take the places of those who prove no key."""
    proven = connect(small, sockets, signed(small, "PUT", "/slow/key", content_length="2"), b"1")
    wait_for("its file", lambda: any((small.home / "objects" / "incoming").iterdir()))
    crowd = [connect(small, sockets, sent) for _ in range(200)]
    assert small.client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []
    gone = sum(_is_gone(each) for each in crowd)
    assert 150 <= gone < 200
    proven.sendall(b"2")
    assert proven.recv(4096).startswith(b"HTTP/1.1 200 OK")
    assert "level=error" not in small.log.read_text()
    assert "Too many open files" not in small.log.read_text()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that may have few files."""
    server = RunningServer(
        tmp_path_factory.mktemp("small") / "home",
        before="import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (320, 320))",
    )
    server.client("s3").create_bucket(Bucket="slow")
    yield server
    server.kill()


def test_a_stranger_has_the_time_of_a_head_for_a_body(hasty: RunningServer, sockets: ExitStack) -> None:
    connection = connect(hasty, sockets, JSON)
    connection.settimeout(0.05)
    begin = time.monotonic()
    trickle_until_cut_off(connection, b" ")
    assert time.monotonic() - begin < PATIENCE + 1  # a third of it, and two looks


def _is_gone(connection: socket.socket) -> bool:
    connection.settimeout(0)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_who_sends_no_http_does_not_fill_the_log(hasty: RunningServer, sockets: ExitStack) -> None:
    before = hasty.log.stat().st_size
    for sent in (b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"\x00" * 1000, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
        connection = connect(hasty, sockets, sent)
        answer: Any = connection.recv(4096)
        assert not answer or answer.startswith(b"HTTP/1.1 4")
    assert hasty.log.stat().st_size == before
