"""Pickled messages over pipes: each its length, then its bytes.  The asking side never waits beyond a deadline."""

from __future__ import annotations

import os
import pickle
import select
import struct
import time
from typing import BinaryIO

_LENGTH = struct.Struct("!Q")
_CHUNK = 1 << 20  #: bytes read at once


def send(pipe: BinaryIO, message: object) -> None:
    """Write a message, however long it takes."""
    pipe.write(_framed(message))
    pipe.flush()


def receive(pipe: BinaryIO) -> object:
    """Read a message, however long it takes.  Raises EOFError at the pipe's end."""
    (length,) = _LENGTH.unpack(_exactly(pipe, _LENGTH.size))
    return pickle.loads(_exactly(pipe, length))


def send_until(pipe: int, message: object, deadline: float) -> None:
    """Write a message before `deadline` (monotonic) to a descriptor that does not block.

    Raises TimeoutError, OSError when nobody reads any more.
    """
    rest = memoryview(_framed(message))
    while rest:
        try:
            rest = rest[os.write(pipe, rest) :]
        except BlockingIOError:
            _wait(pipe, select.POLLOUT, deadline)


def receive_until(pipe: int, deadline: float) -> object:
    """Read a message before `deadline` (monotonic) from a descriptor that does not block; nothing may follow it.

    Raises TimeoutError, EOFError at the pipe's end.
    """
    data = _read_until(pipe, b"", _LENGTH.size, deadline)
    (length,) = _LENGTH.unpack_from(data)
    return pickle.loads(memoryview(_read_until(pipe, data, _LENGTH.size + length, deadline))[_LENGTH.size :])


def _framed(message: object) -> bytes:
    data = pickle.dumps(message)
    return _LENGTH.pack(len(data)) + data


def _exactly(pipe: BinaryIO, length: int) -> bytes:
    data = pipe.read(length)
    if len(data) < length:
        raise EOFError("the pipe closed")
    return data


def _read_until(pipe: int, begun: bytes, length: int, deadline: float) -> bytes:
    """At least `length` bytes, the first of which have been read."""
    pieces, left = [begun], length - len(begun)
    while left > 0:
        _wait(pipe, select.POLLIN, deadline)
        piece = os.read(pipe, _CHUNK)
        if not piece:
            raise EOFError("the pipe closed")
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _wait(pipe: int, event: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(pipe, event)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError("the other end of the pipe is late")
