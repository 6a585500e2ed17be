"""Bodies that are large enough to be read past h11: whole or not at all, and nothing of what follows them is lost."""

from __future__ import annotations

import base64
import hashlib
import random
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pegbox.wire.rest_s3.blocks import LARGE, MOST
from raw_requests import connect, signed
from running import RunningServer, wait_for

STEP = 1 << 20  #: bytes of the end of a body, which goes the usual way
DATA = random.Random(1).randbytes(4 * LARGE + STEP + 12_345)
PATIENCE = 1.5  #: seconds


@pytest.fixture(scope="module")
def ours(start_server: Callable[..., RunningServer]) -> RunningServer:
    server = start_server(environment={"PEGBOX_CLIENT_TIMEOUT": str(PATIENCE)})
    server.client("s3").create_bucket(Bucket="large")
    return server


@pytest.fixture(scope="module")
def s3(ours: RunningServer) -> Any:
    return ours.client("s3")


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def put(server: RunningServer, key: str, size: int = len(DATA), **more: str) -> bytes:
    return signed(server, "PUT", f"/large/{key}", content_length=str(size), **more)


def answer_to(connection: socket.socket) -> tuple[int, bytes]:
    """The next answer; nothing of what follows it is read."""
    connection.settimeout(60)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        assert piece, f"the connection ended after {head!r}"
        head += piece
    status, lines = int(head.split()[1]), head.lower().split(b"\r\n")
    (length,) = [int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")] or [0]
    body = b""
    while len(body) < length:
        body += connection.recv(length - len(body))
    return status, body


def incoming(server: RunningServer) -> int:
    return len(list((server.home / "objects" / "incoming").iterdir()))


def is_absent(s3: Any, key: str) -> bool:
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket="large", Key=key)
    return True


def check(s3: Any, key: str, data: bytes = DATA) -> None:
    found = s3.get_object(Bucket="large", Key=key)
    assert found["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    assert found["Body"].read() == data


@pytest.mark.parametrize("size", [STEP - 1, STEP, STEP + 1, STEP + 2, LARGE, LARGE + 1, LARGE + STEP + 1, len(DATA)])
def test_bodies_of_every_size_around_the_steps(ours: RunningServer, s3: Any, sockets: ExitStack, size: int) -> None:
    connection = connect(ours, sockets, put(ours, f"size-{size}", size), DATA[:size])
    assert answer_to(connection) == (200, b"")
    check(s3, f"size-{size}", DATA[:size])


@pytest.mark.parametrize("seed", range(4))
def test_bodies_that_come_in_odd_pieces(ours: RunningServer, s3: Any, sockets: ExitStack, seed: int) -> None:
    luck = random.Random(seed)
    wire = put(ours, f"odd-{seed}") + DATA
    connection = connect(ours, sockets)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    at = 0
    while at < len(wire):
        count = luck.choice([1, 7, 1000, 65_536, 65_537, 300_000, LARGE - 1])
        connection.sendall(wire[at : at + count])
        at += count
    assert answer_to(connection) == (200, b"")
    check(s3, f"odd-{seed}")


def test_requests_behind_a_body_are_answered_in_order(ours: RunningServer, s3: Any, sockets: ExitStack) -> None:
    one, two = DATA, DATA[: LARGE + 3 * STEP]
    get = signed(ours, "GET", "/large/first")
    wire = put(ours, "first", len(one)) + one + get + put(ours, "second", len(two)) + two + get
    connection = connect(ours, sockets)
    sending = threading.Thread(target=connection.sendall, args=(wire,))
    sending.start()
    for expected in ((200, b""), (200, one), (200, b""), (200, one)):
        assert answer_to(connection) == expected
    sending.join()
    check(s3, "second", two)
    connection.sendall(put(ours, "third", 3) + b"abc")
    assert answer_to(connection) == (200, b"")


@pytest.mark.parametrize("sent", [LARGE // 2, LARGE + STEP, len(DATA) - STEP - 1, len(DATA) - 1])
def test_a_client_that_leaves_leaves_nothing(ours: RunningServer, s3: Any, sockets: ExitStack, sent: int) -> None:
    connection = connect(ours, sockets, put(ours, "left"), DATA[:sent])
    wait_for("the file", lambda: incoming(ours))
    connection.close()
    wait_for("the end of the file", lambda: not incoming(ours))
    assert is_absent(s3, "left")


SENT = [0, 1, LARGE // 2, LARGE + STEP, len(DATA) - STEP - 1, len(DATA) - 1]


@pytest.mark.parametrize("sent", SENT)
def test_a_client_that_sends_no_more_hears_that_something_is_missing(
    ours: RunningServer, s3: Any, sockets: ExitStack, sent: int
) -> None:
    connection = connect(ours, sockets, put(ours, "short"), DATA[:sent])
    connection.shutdown(socket.SHUT_WR)
    status, body = answer_to(connection)
    assert (status, b"<Code>IncompleteBody</Code>" in body) == (400, True)
    assert connection.recv(1) == b""
    wait_for("the end of the file", lambda: not incoming(ours))
    assert is_absent(s3, "short")


@pytest.mark.parametrize("sent", SENT)
def test_a_client_that_stalls_hears_of_it(ours: RunningServer, s3: Any, sockets: ExitStack, sent: int) -> None:
    connection = connect(ours, sockets, put(ours, "stalled"), DATA[:sent])
    status, body = answer_to(connection)
    assert (status, b"<Code>RequestTimeout</Code>" in body) == (400, True)
    assert connection.recv(1) == b""
    wait_for("the end of the file", lambda: not incoming(ours))
    assert is_absent(s3, "stalled")


def test_a_client_that_sends_no_more_requests_hears_all_answers(ours: RunningServer, sockets: ExitStack) -> None:
    wire = put(ours, "last", 3) + b"abc" + signed(ours, "GET", "/large/last")
    connection = connect(ours, sockets, wire)
    connection.shutdown(socket.SHUT_WR)
    assert [answer_to(connection) for _ in range(2)] == [(200, b""), (200, b"abc")]
    assert connection.recv(1) == b""


def test_a_client_that_is_slow_but_goes_on_is_waited_for(ours: RunningServer, s3: Any, sockets: ExitStack) -> None:
    connection = connect(ours, sockets, put(ours, "slow"))
    pause = threading.Event()
    for at in range(0, 10 * 4096, 4096):
        connection.sendall(DATA[at : at + 4096])
        pause.wait(2.5 * PATIENCE / 10)  # the client's own pace
    connection.sendall(DATA[10 * 4096 :])
    assert answer_to(connection) == (200, b"")
    check(s3, "slow")


def md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


SAID: dict[str, Callable[[bytes], dict[str, str]]] = {
    "BadDigest": lambda data: {"content_md5": md5(data)},
    "BadDigest crc": lambda data: {"x_amz_checksum_crc32": crc32(data)},
    "XAmzContentSHA256Mismatch": lambda data: {"payload": hashlib.sha256(data).hexdigest()},
}


@pytest.mark.parametrize("kind", SAID)
def test_what_is_said_of_a_body_is_checked(ours: RunningServer, s3: Any, sockets: ExitStack, kind: str) -> None:
    connection = connect(ours, sockets, put(ours, "said", **SAID[kind](DATA)), DATA)
    assert answer_to(connection) == (200, b"")
    for at in (0, LARGE - 1, LARGE, len(DATA) - STEP, len(DATA) - 1):  # on the same connection
        changed = bytearray(DATA)
        changed[at] ^= 1
        connection.sendall(put(ours, "changed", **SAID[kind](DATA)))
        connection.sendall(changed)
        status, body = answer_to(connection)
        assert (status, f"<Code>{kind.split()[0]}</Code>".encode() in body) == (400, True)
    assert is_absent(s3, "changed")
    assert not incoming(ours)


def test_a_client_is_asked_for_its_body(ours: RunningServer, s3: Any, sockets: ExitStack) -> None:
    connection = connect(ours, sockets, put(ours, "asked", expect="100-continue"))
    assert answer_to(connection) == (100, b"")
    connection.sendall(DATA)
    assert answer_to(connection) == (200, b"")
    check(s3, "asked")
    head = put(ours, "asked", expect="100-continue").replace(b"/large/", b"/absent/")  # whose signature is wrong now
    connection.sendall(head)
    assert answer_to(connection)[0] == 403
    assert connection.recv(1) == b""


def test_a_body_that_nobody_wants_is_read_over(ours: RunningServer, sockets: ExitStack) -> None:
    head = signed(ours, "PUT", "/absent/key", content_length=str(len(DATA)))
    connection = connect(ours, sockets, head, DATA, put(ours, "next", 3) + b"abc")
    status, body = answer_to(connection)
    assert (status, b"<Code>NoSuchBucket</Code>" in body) == (404, True)
    assert answer_to(connection) == (200, b"")


def test_a_framed_body(ours: RunningServer, s3: Any, sockets: ExitStack) -> None:
    pieces = [DATA[at : at + 65_536] for at in range(0, len(DATA), 65_536)]
    trailer = f"x-amz-checksum-crc32:{crc32(DATA)}\r\n\r\n".encode()
    wire = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n" + trailer
    about = {
        "payload": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "content_encoding": "aws-chunked",
        "x_amz_decoded_content_length": str(len(DATA)),
        "x_amz_trailer": "x-amz-checksum-crc32",
    }
    connection = connect(ours, sockets, put(ours, "framed", len(wire), **about), wire)
    assert answer_to(connection) == (200, b"")
    check(s3, "framed")
    wrong = wire.replace(b"\r\n10000\r\n", b"\r\n10001\r\n")
    connection.sendall(put(ours, "wrong", len(wrong), **about) + wrong)
    assert b"<Code>IncompleteBody</Code>" in answer_to(connection)[1]
    assert is_absent(s3, "wrong")


def test_chunks_of_a_byte_take_no_more_memory(ours: RunningServer, s3: Any, sockets: ExitStack) -> None:
    """Each chunk has an object of its own while a block is unframed."""
    data = DATA[:STEP]
    wire = b"".join(b"1\r\n%c\r\n" % byte for byte in data) + b"0\r\n\r\n"
    about = {
        "payload": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "content_encoding": "aws-chunked",
        "x_amz_decoded_content_length": str(len(data)),
    }
    Path(f"/proc/{ours.process.pid}/clear_refs").write_text("5")  # what was the most is forgotten
    before = memory(ours)
    connection = connect(ours, sockets, put(ours, "bytes", len(wire), **about), wire)
    assert answer_to(connection) == (200, b"")
    check(s3, "bytes", data)
    assert memory(ours, "VmHWM") - before < 40 * STEP + MOST * LARGE


def memory(server: RunningServer, name: str = "VmRSS") -> int:
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def test_many_large_bodies_at_once_take_bounded_memory(ours: RunningServer, s3: Any, sockets: ExitStack) -> None:
    before = memory(ours)
    connections = [connect(ours, sockets, put(ours, f"many-{number}")) for number in range(60)]
    half = LARGE + STEP

    def send(connection: socket.socket) -> None:
        connection.sendall(DATA[:half])

    with ThreadPoolExecutor(60) as pool:
        list(pool.map(send, connections))
        most = memory(ours)
        assert most - before < MOST * LARGE + 60 * STEP
        for outcome in pool.map(lambda each: (each.sendall(DATA[half:]), answer_to(each))[1], connections):
            assert outcome == (200, b"")
    assert memory(ours) - before < MOST * LARGE + 60 * STEP
    check(s3, "many-59")
    assert not incoming(ours)


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_server_that_stops_in_the_middle_of_a_body(
    start_server: Callable[..., RunningServer], sockets: ExitStack, goes_on: bool
) -> None:
    server = start_server()
    server.client("s3").create_bucket(Bucket="large")
    connection = connect(server, sockets, put(server, "key"), DATA[: LARGE + STEP])
    wait_for("the file", lambda: incoming(server))
    server.process.terminate()
    if goes_on:
        connection.sendall(DATA[LARGE + STEP :])
        assert answer_to(connection) == (200, b"")
        assert connection.recv(1) == b""
    assert server.process.wait(30) == 0
    assert not incoming(server)
    server.start()
    listed = server.client("s3").list_objects_v2(Bucket="large").get("Contents", [])
    assert [each["Key"] for each in listed] == (["key"] if goes_on else [])
