"""One request and its answer, as far as is known: for the lines of the log and for whoever counts."""

from __future__ import annotations

import secrets
import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

import structlog
from starlette.types import Message, Receive, Scope, Send

log = structlog.get_logger()

NOT_IMPLEMENTED = 501  #: what S3 says to a client that asks for something that is not served

UNKNOWN = "unknown"  #: a service or operation that is not served; what clients send never becomes a name here
_PLACE = "pegbox.exchange"  #: in the ASGI scope


class Standing(Enum):
    """What is known of whoever sends a request."""

    STRANGER = "nothing"
    KNOWN = "it names a key that is there"
    PROVEN = "it is signed with it"


@dataclass(slots=True, kw_only=True)
class Exchange:
    """Filled in while the request is answered."""

    request_id: str  #: as the client reads it in the answer
    service: str = UNKNOWN
    operation: str = UNKNOWN
    status: int = 0  #: of HTTP; 0 while, or when, there is no answer
    received: int = 0  #: bytes of the request's body that were read
    sent: int = 0  #: bytes of the answer's body
    standing: Standing = Standing.STRANGER
    began: float = field(default_factory=time.perf_counter)

    def means(self, service: str | None, operation: str = UNKNOWN) -> None:
        """The request is for this operation, which is served."""
        self.service, self.operation = service or UNKNOWN, operation
        structlog.contextvars.bind_contextvars(service=self.service, operation=operation)

    def receiving(self, receive: Receive) -> Receive:
        """`receive`, counted."""

        async def counted() -> MutableMapping[str, Any]:
            message = await receive()
            self.received += len(message.get("body", b""))
            return message

        return counted

    def sending(self, send: Send) -> Send:
        """`send`, counted."""

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
            await send(message)
            self.sent += len(message.get("body", b""))

        return counted

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.perf_counter() - self.began

    def tell(self) -> None:
        """Its line in the log.  What a client did wrong is for the client; what we did wrong is for the operator."""
        about = {"status": self.status, "seconds": round(self.seconds, 4), "received": self.received, "sent": self.sent}
        if self.status >= 500 and self.status != NOT_IMPLEMENTED:
            log.warning("a request was answered with a fault", **about)
        else:
            log.debug("request", **about)


class Observer(Protocol):
    """Counts requests."""

    def answered(self, exchange: Exchange) -> None:
        """A request has its answer, or its client is gone."""
        ...


class Unobserved:
    """An Observer that does not look."""

    def answered(self, exchange: Exchange) -> None:
        """Nothing."""


def exchange_of(scope: Scope) -> Exchange:
    """The exchange that a request belongs to; a new one when nobody has noted it."""
    found: Exchange | None = scope.get(_PLACE)
    return found or begin(scope, s3_id())


def standing_of(scope: Scope) -> Standing:
    """What is known by now of whoever sends a request."""
    found: Exchange | None = scope.get(_PLACE)
    return found.standing if found else Standing.STRANGER


def s3_id() -> str:
    """A request id in the form of S3's."""
    return secrets.token_hex(8).upper()


def begin(scope: Scope, request_id: str) -> Exchange:
    """Note a request that has just come in."""
    exchange = Exchange(request_id=request_id)
    scope[_PLACE] = exchange
    return exchange
