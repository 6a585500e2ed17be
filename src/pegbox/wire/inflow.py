"""A large body, read from the socket straight into the memory of whoever takes it.

On their usual way through h11 and ASGI's messages the bytes of a body are copied five times, in pieces of some 64 kB,
each with its own turn of the event loop.  Here the transport writes them where they are wanted, and h11 only hears how
many there were.  The end of the body always goes the usual way, and with it all that follows from it: h11 has to know
the request's end, and what the client has sent behind it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum

import h11
from h11._readers import ContentLengthReader  # h11 has no public way to be told about bytes that it does not see
from starlette.requests import ClientDisconnect
from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

STATE = "pegbox.inflow"  #: where a connection's inflow is in the state of its ASGI scopes


class Cut(Enum):
    """Why no more of a body is awaited, though the client may still hear an answer."""

    SILENCE = "nothing came for too long"
    END = "the client has said that it sends no more"


class Inflow(asyncio.BufferedProtocol):
    """The body of the request that a connection is at.  It is the transport's protocol only while `fill` waits."""

    def __init__(
        self, connection: H11Protocol, passed: Callable[[int], None], ended: Callable[[], bool | None]
    ) -> None:
        self._connection, self._ended = connection, ended
        self._passed = passed  #: hears how many bytes have come
        self._room = memoryview(b"")
        self._filled: asyncio.Future[None] | None = None
        self.cut_by: Cut | None = None

    @property
    def is_awaited(self) -> bool:
        """Whether there is a request whose body has not come whole and that nobody has begun to answer."""
        connection = self._connection
        cycle = connection.cycle
        if cycle is None or cycle.response_started or self.cut_by is not None:
            return False
        return connection.conn.their_state is h11.SEND_BODY and cycle.more_body

    def cut(self, why: Cut) -> None:
        """Await no more of it: who asks for it gets ClientDisconnect, and may answer.  Then the connection ends."""
        self.cut_by = why
        self._end(ClientDisconnect())
        self._connection.cycle.message_event.set()

    @property
    def left(self) -> int:
        """Bytes of the body that nobody has taken so far, if its length is known and it has not come whole; else 0."""
        connection = self._connection
        reader = connection.conn._reader
        is_awaited = connection.conn.their_state is h11.SEND_BODY and not connection.cycle.response_complete
        if not is_awaited or not isinstance(reader, ContentLengthReader):
            return 0
        return reader._remaining + len(connection.cycle.body)

    async def fill(self, room: memoryview) -> None:
        """Fill `room` with the bytes that are next; there must be more of them left.  Raises ClientDisconnect.

        The body must have been asked for, by `receive`, before.
        """
        if len(room) >= self.left:
            raise ValueError("the end of a body goes the usual way")
        cycle = self._connection.cycle
        ready = min(len(cycle.body), len(room))
        room[:ready] = cycle.body[:ready]
        del cycle.body[:ready]
        if ready < len(room):
            if cycle.disconnected or self.cut_by is not None:
                raise ClientDisconnect
            await self._read(room[ready:])

    async def _read(self, room: memoryview) -> None:
        connection = self._connection
        connection._unset_keepalive_if_required()
        self._room, self._filled = room, asyncio.get_running_loop().create_future()
        connection.transport.set_protocol(self)
        connection.flow.resume_reading()
        try:
            await self._filled
        finally:
            self._hand_back()
            self._room, self._filled = memoryview(b""), None

    def _hand_back(self) -> None:
        if self._connection.transport.get_protocol() is self:
            self._connection.flow.pause_reading()
            self._connection.transport.set_protocol(self._connection)

    # -- for the transport

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """Some bytes have come."""
        reader = self._connection.conn._reader
        assert isinstance(reader, ContentLengthReader)
        reader._remaining -= nbytes
        self._passed(nbytes)
        self._room = self._room[nbytes:]
        if not self._room:
            self._hand_back()
            self._end(None)

    def eof_received(self) -> bool | None:
        """The client sends no more."""
        return self._ended()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, whoever did it."""
        self._connection.connection_lost(exc)
        self._end(ClientDisconnect())

    def pause_writing(self) -> None:
        """The client does not take what is sent."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """It does again."""
        self._connection.resume_writing()

    def _end(self, error: Exception | None) -> None:
        if self._filled is None or self._filled.done():  # nobody waits any more
            return
        if error is None:
            self._filled.set_result(None)
        else:
            self._filled.set_exception(error)


def inflow_of(scope: Scope) -> Inflow | None:
    """The inflow of the request's connection, where there is one."""
    found: Inflow | None = scope.get("state", {}).get(STATE)
    return found
