"""Bring a body from its connection to what takes it in: in threads, a block at a time, while the next ones arrive."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from starlette.requests import Request

from pegbox.objects.files import STEP
from pegbox.wire.exchange import exchange_of
from pegbox.wire.inflow import Inflow, inflow_of
from pegbox.wire.rest_s3.blocks import BLOCKS, LARGE
from pegbox.wire.rest_s3.call import in_thread
from pegbox.wire.rest_s3.lanes import Lane

AHEAD = 2  #: blocks that wait to be taken in while one more arrives
AHEAD_LARGE = 6  #: the same of large blocks, of which there are few: so many that the slowest thread never waits
FRAMED = 256 << 10  #: bytes that are unframed at once: in chunks of a byte they take up forty times as much meanwhile

Piece = bytes | memoryview
Done = tuple[None, None]  #: what two lanes give


class Sink(Protocol):
    """What a body goes into: each block through `unframe`, then through `digest` and `keep`, each in its own thread."""

    @property
    def is_framed(self) -> bool:
        """Whether `unframe` has anything to do."""
        ...

    def unframe(self, block: Piece) -> Piece:
        """The data in what was on the wire."""
        ...

    def digest(self, data: Piece) -> None:
        """Take data into the slowest of the checksums."""
        ...

    def keep(self, data: Piece) -> None:
        """Take data into all the rest."""
        ...


async def pump(request: Request, sink: Sink) -> bytes:
    """Feed the body to `sink`, but for the end of it, which is returned: with that the caller has a thread to itself.

    Raises ClientDisconnect, and what `sink` raises; `sink` is at rest then.
    """
    inflow = inflow_of(request.scope)
    feeder = _Feeder(sink)
    pieces: list[bytes] = []
    size = 0
    try:
        async for piece in request.stream():
            pieces.append(piece)
            size += len(piece)
            if size >= STEP or _has_more(inflow):
                await feeder.feed(b"".join(pieces))
                pieces, size = [], 0
            while inflow is not None and _has_more(inflow):
                exchange_of(request.scope).received += await feeder.pour(inflow)
        await feeder.finish()
    finally:
        await feeder.rest()
    return b"".join(pieces)


def _has_more(inflow: Inflow | None) -> bool:
    return inflow is not None and inflow.left > STEP


class _Feeder:
    """Feeds blocks, in order."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._digest, self._keep = Lane(sink.digest), Lane(sink.keep)
        self._under_way: deque[asyncio.Future[Done]] = deque()

    async def feed(self, block: Piece, ahead: int = AHEAD) -> asyncio.Future[Done] | None:
        """Hand over a block, which must not change until the future is done.  Raises what earlier ones raised."""
        step = FRAMED if self._sink.is_framed else len(block)
        done = None
        for at in range(0, len(block), step):
            while len(self._under_way) >= ahead:
                await asyncio.shield(self._under_way[0])
                self._under_way.popleft()
            data = await self._unframed(block[at : at + step])
            done = asyncio.gather(self._digest.do(data), self._keep.do(data))
            self._under_way.append(done)
        return done

    async def pour(self, inflow: Inflow) -> int:
        """A block from the connection; returns its length."""
        block = BLOCKS.take()
        try:
            filled = block[: inflow.left - 1]
            await inflow.fill(filled)
            done = await self.feed(filled, AHEAD_LARGE if len(block) == LARGE else AHEAD)
        except BaseException:
            await self.rest()
            BLOCKS.give(block)
            raise
        assert done is not None
        done.add_done_callback(lambda _: BLOCKS.give(block))
        return len(filled)

    async def finish(self) -> None:
        """All blocks are taken in.  Raises what any of them raised."""
        while self._under_way:
            await asyncio.shield(self._under_way[0])
            self._under_way.popleft()

    async def rest(self) -> None:
        """No thread is at work any more: a file is not closed under its writer."""
        await self._digest.rest()
        await self._keep.rest()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        self._under_way.clear()

    async def _unframed(self, block: Piece) -> Piece:
        # Without framing there is nothing to do that would be worth a thread.
        if self._sink.is_framed:
            return await in_thread(self._sink.unframe, block)
        return self._sink.unframe(block)
