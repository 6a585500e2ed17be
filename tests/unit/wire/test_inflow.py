"""Bodies that are read past h11: which bytes come which way, and what h11 knows afterwards."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import BinaryIO

import pytest
import uvicorn
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from pegbox.wire.connections import Crowd, Limits, parting
from pegbox.wire.inflow import Inflow, inflow_of

DATA = random.Random(2).randbytes(3_000_000)

Reading = Callable[[Inflow, Receive], Awaitable[bytes]]


def request(data: bytes) -> bytes:
    return b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(data) + data


@contextmanager
def serving(reading: Reading) -> Iterator[socket.socket]:
    """A connection to a server that answers with what `reading` gives."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        inflow = inflow_of(scope)
        assert inflow is not None
        body = await reading(inflow, receive)
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})

    http = Crowd(Limits()).protocol
    config = uvicorn.Config(parting(app), log_level="critical", lifespan="off", http=http)  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        with socket.create_connection(listener.getsockname(), timeout=60) as connection:
            yield connection
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def answer(file: BinaryIO) -> bytes:
    head = list(iter(file.readline, b"\r\n"))
    assert head[0].startswith(b"HTTP/1.1 200")
    (length,) = (int(line.split(b":")[1]) for line in head if line.startswith(b"content-length:"))
    return file.read(length)


async def usual(receive: Receive) -> bytes:
    """All that is still to come."""
    pieces = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.append(message["body"])
        if not message["more_body"]:
            return b"".join(pieces)


@pytest.mark.parametrize(("size", "length"), [(1, 3000), (1000, 200_000), (65_537, 3_000_000), (2_000_000, 3_000_000)])
def test_blocks_and_the_end_make_up_the_body(size: int, length: int) -> None:
    begun, blocks = Event(), 0

    async def reading(inflow: Inflow, receive: Receive) -> bytes:
        nonlocal blocks
        first = await receive()
        begun.set()
        pieces = [first["body"]]
        while (before := inflow.left) > size:
            block = bytearray(size)
            await inflow.fill(memoryview(block))
            assert inflow.left == before - size
            pieces.append(block)
            blocks += 1
        return b"".join(pieces) + (await usual(receive) if first["more_body"] else b"")

    data = DATA[:length]
    wire = request(data) + request(data[1:])  # one behind the other
    with serving(reading) as connection, connection.makefile("rb") as file:
        connection.sendall(wire[:200])
        assert begun.wait(60)
        connection.sendall(wire[200:])
        assert answer(file) == data
        assert blocks
        assert answer(file) == data[1:]
        connection.sendall(request(data))
        assert answer(file) == data


def test_only_a_body_of_known_length_that_is_not_here_has_anything_left() -> None:
    asked = Event()

    async def reading(inflow: Inflow, receive: Receive) -> bytes:
        first = await receive()
        left = inflow.left
        with pytest.raises(ValueError, match="usual way"):
            await inflow.fill(memoryview(bytearray(left or 1)))
        asked.set()
        return b"%d " % left + first["body"] + (await usual(receive) if first["more_body"] else b"")

    chunked = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"
    wires = {request(b"abcdef"): b"3 ", request(b"abc"): b"0 ", chunked: b"0 "}
    with serving(reading) as connection, connection.makefile("rb") as file:
        for wire, left in wires.items():
            asked.clear()
            at = wire.index(b"abc") + 3
            connection.sendall(wire[:at])
            if at < len(wire):
                assert asked.wait(60)
                connection.sendall(wire[at:])
            assert answer(file) == left + (b"abcdef" if b"def" in wire else b"abc")


def test_a_wait_that_is_given_up_loses_nothing() -> None:
    given_up = Event()

    async def reading(inflow: Inflow, receive: Receive) -> bytes:
        begun = (await receive())["body"]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(inflow.fill(memoryview(bytearray(1000))), 0.1)
        given_up.set()
        return begun + await usual(receive)

    wire = request(DATA)
    with serving(reading) as connection, connection.makefile("rb") as file:
        begun = len(wire) - len(DATA) + 1
        connection.sendall(wire[:begun])
        assert given_up.wait(60)
        connection.sendall(wire[begun:])
        assert answer(file) == DATA


@pytest.mark.parametrize("when", ["while it waits", "before"])
def test_a_client_that_leaves(when: str) -> None:
    waiting, outcome = Event(), []

    async def reading(inflow: Inflow, receive: Receive) -> bytes:
        await receive()
        waiting.set()
        if when == "before":
            while (await receive())["type"] != "http.disconnect":
                pass
        try:
            await inflow.fill(memoryview(bytearray(1_000_000)))
        except ClientDisconnect:
            outcome.append(inflow.left)
        return b""

    with serving(reading) as connection:
        connection.sendall(request(DATA)[:1000])
        assert waiting.wait(60)
        connection.close()
    assert len(outcome) == 1
