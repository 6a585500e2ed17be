"""Work that is done in order, in a thread, while the event loop brings more of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from pegbox.wire.rest_s3.call import in_thread

#: Things after which a lane lets others have its thread.  Many: on another thread the hashing may land on the processor
#: that receives, and then both wait for each other.
TURN = 64

T = TypeVar("T")


class Lane(Generic[T]):
    """Does `work` with one thing after another, in a thread that it has only while there are any.

    To bring each to a thread by way of the event loop would leave gaps between them.
    """

    def __init__(self, work: Callable[[T], None]) -> None:
        self._work = work
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[T, asyncio.Future[None]]] = deque()
        self._working: asyncio.Task[None] | None = None
        self._error: Exception | None = None

    def do(self, thing: T) -> asyncio.Future[None]:
        """Done when the work is.  When it has failed once, nothing more is done, and all fails as it did."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append((thing, done))
        if self._working is None:
            self._working = asyncio.create_task(self._work_off())
        return done

    async def rest(self) -> None:
        """Wait until everything is done."""
        if self._working is not None:
            await asyncio.shield(self._working)

    async def _work_off(self) -> None:
        while self._waiting:
            await in_thread(self._take_turn)
        self._working = None

    def _take_turn(self) -> None:
        for _ in range(TURN):
            if not self._waiting:
                return
            thing, done = self._waiting.popleft()
            try:
                if self._error is None:
                    self._work(thing)
            except Exception as error:
                self._error = error
            self._loop.call_soon_threadsafe(_settle, done, self._error)


def _settle(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.cancelled():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
