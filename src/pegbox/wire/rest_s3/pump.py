"""Bring a body from its connection to what takes it in: in threads, a block at a time, while the next one arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from starlette.requests import Request

from pegbox.objects.files import STEP
from pegbox.wire.exchange import exchange_of
from pegbox.wire.inflow import Inflow, inflow_of
from pegbox.wire.rest_s3.blocks import BLOCKS
from pegbox.wire.rest_s3.call import in_thread

Piece = bytes | memoryview


class Sink(Protocol):
    """What a body goes into: each block through `unframe`, then through `digest` and `keep`, maybe at the same time."""

    @property
    def is_framed(self) -> bool:
        """Whether `unframe` has anything to do."""
        ...

    def unframe(self, block: Piece) -> Sequence[Piece]:
        """The data in what was on the wire."""
        ...

    def digest(self, pieces: Sequence[Piece]) -> None:
        """Take data into the slowest of the checksums."""
        ...

    def keep(self, pieces: Sequence[Piece]) -> None:
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
        await feeder.rest()
    except BaseException:
        await feeder.abandon()
        raise
    return b"".join(pieces)


def _has_more(inflow: Inflow | None) -> bool:
    return inflow is not None and inflow.left > STEP


class _Feeder:
    """Feeds one block at a time."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._feeding: asyncio.Future[None] | None = None

    async def feed(self, block: Piece) -> asyncio.Future[None]:
        """Begin with a block when the one before is done.  It must not change until the future is."""
        await self.rest()
        self._feeding = asyncio.ensure_future(_feed(self._sink, block))
        return self._feeding

    async def pour(self, inflow: Inflow) -> int:
        """A block from the connection; returns its length."""
        block = BLOCKS.take()
        try:
            filled = block[: inflow.left - 1]
            await inflow.fill(filled)
            feeding = await self.feed(filled)
        except BaseException:
            BLOCKS.give(block)
            raise
        feeding.add_done_callback(lambda _: BLOCKS.give(block))
        return len(filled)

    async def rest(self) -> None:
        """Wait for the block that is under way.  Raises what it raised."""
        if self._feeding is not None:
            await asyncio.shield(self._feeding)

    async def abandon(self) -> None:
        """Wait for it whatever becomes of it: a file is not closed under its writer."""
        if self._feeding is not None:
            await asyncio.gather(self._feeding, return_exceptions=True)


async def _feed(sink: Sink, block: Piece) -> None:
    # Data in chunks of a byte takes up a hundred times its size when it is unframed.
    step = STEP if sink.is_framed else len(block)
    for at in range(0, len(block), step):
        await _feed_step(sink, block[at : at + step])


async def _feed_step(sink: Sink, block: Piece) -> None:
    # Without framing there is nothing to do that would be worth a thread.
    pieces = await in_thread(sink.unframe, block) if sink.is_framed else sink.unframe(block)
    both = (partial(sink.digest, pieces), partial(sink.keep, pieces))
    for outcome in await asyncio.gather(*map(in_thread, both), return_exceptions=True):
        if outcome is not None:
            raise outcome
