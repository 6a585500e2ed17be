"""HTTP connections with limits: clients that are slow, silent, deaf or too many leave room for the others.

uvicorn's protocol limits how long an idle connection is kept, and nothing else.  Here a connection has patience, in
seconds, which is spent while it waits for its client and comes back with the bytes that pass:

    HEAD    a head is awaited, or half of it is there        `head` seconds, nothing comes back
    BODY    more of a body is awaited, of a stranger         `head` seconds, nothing comes back
            of a client whose key is known                   `stall` seconds, one second for `rate` bytes;
            of one that has proven it                        the same, and then it hears why
    ANSWER  the client does not take what is sent            as for BODY
    REST    answered, but the client sends on, or is deaf    `head` seconds

While the server itself works nothing is spent.  When there are `most` connections, a new one takes the place of the
one that has waited longest for a request.  If there is none, it takes that of the one with the least patience among
those that wait for clients who have proven no key; if there is none either, it is told so and closed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum
from typing import Any

import h11
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from pegbox.wire.exchange import Standing, standing_of
from pegbox.wire.inflow import STATE, Cut, Inflow, inflow_of
from pegbox.wire.joined import Joined

TICK = 0.5  #: seconds between two looks at all connections
NO_HTTP = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n"
)
CLOSE = (b"connection", b"close")
GONE: Message = {"type": "http.disconnect"}
FRAMES = {b"content-length", b"transfer-encoding"}
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a client may ask of the server's patience."""

    head: float = 20.0  #: seconds
    stall: float = 60.0  #: seconds
    rate: float = 1000.0  #: bytes a second, in the long run
    most: int = 1000  #: connections


def parting(app: ASGIApp) -> ASGIApp:
    """`app`, after whose answers a connection ends if its client waits to be asked for a body, and has not been.

    Such a client sends its next request where the body would have been (RFC 9110, 10.1.1).  Of a body that is framed
    twice nobody can say where it ends, so such a request is refused (RFC 9112, 6.1).  Of a body that is awaited no more
    (see Inflow.cut) the rest is never read.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        names = {name for name, _ in scope["headers"]}
        if names >= FRAMES:
            await send({"type": "http.response.start", "status": 400, "headers": [CLOSE, (b"content-length", b"0")]})
            await send({"type": "http.response.body"})
            return
        asked, inflow = b"expect" not in names, inflow_of(scope)

        def is_cut() -> bool:
            return inflow is not None and inflow.cut_by is not None

        async def asking() -> Message:
            nonlocal asked
            asked = True
            message = GONE if is_cut() else await receive()
            return GONE if is_cut() else message

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start" and (is_cut() or not asked):
                kept = [pair for pair in message.get("headers", ()) if pair[0].lower() != CLOSE[0]]
                message = {**message, "headers": [*kept, CLOSE]}
            await send(message)

        await app(scope, asking, telling)

    return answer


class Phase(Enum):
    """What a connection waits for."""

    HEAD = "head"
    BODY = "body"
    ANSWER = "answer"
    REST = "rest"


class Crowd:
    """All connections of a server."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._strangers: dict[Connection, None] = {}  #: those that have not had an answer, oldest first
        self._guests: dict[Connection, None] = {}

    def protocol(self, config: Config, server_state: ServerState, app_state: dict[str, Any], **rest: Any) -> Connection:
        """A new connection; for uvicorn's `http`."""
        return Connection(self, config=config, server_state=server_state, app_state=app_state, **rest)

    def enter(self, connection: Connection) -> bool:
        """Take a connection in; False when there is no room for it."""
        if len(self._strangers) + len(self._guests) >= self.limits.most and not self._make_room():
            return False
        self._strangers[connection] = None
        return True

    def answered(self, connection: Connection) -> None:
        """It has made a request: it may stay longer than those that have not."""
        if connection in self._strangers:
            del self._strangers[connection]
        self._guests.pop(connection, None)
        self._guests[connection] = None

    def leave(self, connection: Connection) -> None:
        """It is closed."""
        self._strangers.pop(connection, None)
        self._guests.pop(connection, None)

    async def watch(self) -> None:
        """Spend everybody's patience, for ever."""
        clock = asyncio.get_running_loop().time
        before = clock()
        while True:
            await asyncio.sleep(TICK)
            now = clock()
            for connection in [*self._strangers, *self._guests]:
                # A tick that came late says nothing about clients: the server itself was busy.
                connection.wait(min(now - before, 2 * TICK))
            before = now

    def _make_room(self) -> bool:
        everybody = [*self._strangers, *self._guests]
        leaving = next((each for each in everybody if each.is_free), None)
        if leaving is None:
            unproven = [each for each in everybody if each.waits_for_unproven]
            leaving = min(unproven, key=lambda each: each.patience, default=None)
        if leaving is not None:
            leaving.drop()
        return leaving is not None


class Connection(H11Protocol):
    """uvicorn's protocol with patience."""

    def __init__(self, crowd: Crowd, app_state: dict[str, Any], **given: Any) -> None:
        self._inflow = Inflow(self, self._passed, self.eof_received)
        super().__init__(app_state={**app_state, STATE: self._inflow}, **given)
        self._crowd = crowd
        self._phase: Phase | None = None
        self._about: tuple[object, Standing] | None = None  #: the request that the phase is of, and whose it is
        self._patience = 0.0
        self._unsent = 0
        self._has_ended = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        self.transport = Joined(transport)  # type: ignore[assignment]
        if not self._crowd.enter(self):
            transport.write(BUSY)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, whoever did it."""
        self._crowd.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes have come."""
        if self.transport.is_closing():
            return
        self._passed(len(data))
        super().data_received(data)

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends no more; True while it may still hear answers."""
        self._has_ended = True
        if self._inflow.is_awaited:
            self._inflow.cut(Cut.END)
        return not self.is_free

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP.  A request that it is part of has no other answer; h11 may be in no state to write."""
        is_under_way = not self.is_free
        if is_under_way:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if is_under_way and self.cycle.response_started:
            self.drop()
            return
        body = b"" if is_under_way and self.scope["method"] == "HEAD" else msg.encode()
        self.transport.write(NO_HTTP % len(body) + body)
        self.transport.close()

    def on_response_complete(self) -> None:
        """A request has been answered."""
        self._crowd.answered(self)
        super().on_response_complete()
        if self._has_ended and self.is_free:
            self.transport.close()

    @property
    def is_free(self) -> bool:
        """Whether no request is under way."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def waits_for_unproven(self) -> bool:
        """Whether it waits for a client in the middle of a request, and that has proven no key so far."""
        return self._current() in (Phase.BODY, Phase.ANSWER) and self._standing() is not Standing.PROVEN

    @property
    def patience(self) -> float:
        """Seconds that are left."""
        phase = self._current()
        return self._patience if self._is_as_before(phase) else self._most(phase)

    def wait(self, seconds: float) -> None:
        """So much time has passed.  Ends the connection if its patience is at an end."""
        phase = self._current()
        if not self._is_as_before(phase):
            self._phase, self._about = phase, (self.cycle, self._standing())
            self._patience = self._most(phase)
            self._unsent = self._buffered()
            return
        if phase is None:
            return
        if phase is Phase.ANSWER:
            self._gain(self._unsent - self._buffered())
            self._unsent = self._buffered()
        self._patience -= seconds
        if self._patience < 0:
            self._lose()

    def drop(self) -> None:
        """Close it now; an answer that nobody takes is lost."""
        self._crowd.leave(self)
        self.transport.abort()

    def _lose(self) -> None:
        if self._phase is Phase.BODY and self._standing() is Standing.PROVEN and self._inflow.is_awaited:
            self._inflow.cut(Cut.SILENCE)
        else:
            self.drop()

    def _current(self) -> Phase | None:
        if self.transport.is_closing():
            return Phase.REST
        if self.is_free:
            return self._between_requests()
        if self.flow.write_paused:
            return Phase.ANSWER
        awaits_body = self.cycle.more_body and not self.flow.read_paused and not self.cycle.waiting_for_100_continue
        return Phase.BODY if awaits_body and self._inflow.cut_by is None else None

    def _between_requests(self) -> Phase | None:
        if self.cycle is not None and (self.conn.their_state is h11.SEND_BODY or self._buffered()):
            return Phase.REST
        is_head = self.cycle is None or bool(self.conn.trailing_data[0])
        return Phase.HEAD if is_head else None  # uvicorn's timer ends idle connections

    def _is_as_before(self, phase: Phase | None) -> bool:
        return phase is self._phase and self._about == (self.cycle, self._standing())

    def _standing(self) -> Standing:
        return Standing.STRANGER if self.cycle is None else standing_of(self.scope)  # type: ignore[arg-type]

    def _most(self, phase: Phase | None) -> float:
        limits = self._crowd.limits
        is_awaited = phase is Phase.ANSWER or (phase is Phase.BODY and self._standing() is not Standing.STRANGER)
        return limits.stall if is_awaited else limits.head

    def _passed(self, count: int) -> None:
        if self._phase is Phase.BODY:
            self._gain(count)

    def _gain(self, count: int) -> None:
        limits = self._crowd.limits
        if self._phase is Phase.BODY and self._standing() is Standing.STRANGER:
            return
        self._patience = min(limits.stall, self._patience + max(count, 0) / limits.rate)

    def _buffered(self) -> int:
        return int(self.transport.get_write_buffer_size())
