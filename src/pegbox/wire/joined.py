"""The head of an answer and what follows it in one piece."""

from __future__ import annotations

import asyncio
from typing import Any


class Joined:
    """A connection's transport that keeps a head back until the body's first bytes are there, or the loop's next turn.

    Sent by itself a head is a whole answer to some clients (botocore among them), if the server dies just then: one
    that says nothing.  And two pieces cost two system calls, here and there.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""

    def write(self, data: bytes) -> None:
        """Send it; a head with what comes next."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 1"):
            self._head = data
            asyncio.get_running_loop().call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        """Close it when all is sent."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head and not self._transport.is_closing():
            self._transport.write(self._head)
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
