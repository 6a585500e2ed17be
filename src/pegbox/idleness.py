"""When a server that was started for a while may end: it has had nothing to do for so long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

LOOKS = 10  #: within the time that has to pass


class Idleness:
    """An application that knows since when nobody has asked it anything.

    `has_work` says whether there are jobs that have not ended; a database that does not answer may know of some.
    """

    def __init__(self, inner: ASGIApp, has_work: Callable[[], bool], seconds: float) -> None:
        self._inner, self._has_work, self._seconds = inner, has_work, seconds
        self._open = 0  # requests
        self._since = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        self._open += 1
        try:
            await self._inner(scope, receive, send)
        finally:
            self._open -= 1
            self._since = time.monotonic()

    async def wait(self) -> None:
        """Return once there has been neither a request nor a job for as long as was said."""
        while time.monotonic() - self._since < self._seconds:
            await asyncio.sleep(self._seconds / LOOKS)
            if self._open or await asyncio.to_thread(self._works):
                self._since = time.monotonic()

    def _works(self) -> bool:
        try:
            return self._has_work()
        except Exception:
            return True
