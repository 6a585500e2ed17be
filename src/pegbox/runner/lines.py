"""From chunks of bytes to blocks of whole lines."""

from __future__ import annotations

from collections.abc import Iterator

LINE_LIMIT = 64 << 10  #: bytes of a line that are matched; the rest of it is ignored


class LineBlocks:
    """Cut a stream into blocks: whole lines, each ended by `\\n`, valid UTF-8, none longer than `limit`.

    Lines end at `\\n` and at `\\r` (progress bars).  Memory stays below the limit plus one chunk.
    """

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self._limit = limit
        self._open = b""  # the unfinished line, at most the limit of it

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The blocks that `chunk` completes, each two limits long at most (before bytes that are no UTF-8 grow)."""
        data = chunk.replace(b"\r", b"\n") if b"\r" in chunk else chunk
        end = data.rfind(b"\n") + 1
        if not end:
            self._open += data[: self._limit - len(self._open)]
            return
        first = data.index(b"\n")
        head = self._open + data[: min(first, self._limit - len(self._open))] + b"\n"
        self._open = data[end : end + self._limit]
        yield from self._blocks(head, data, first + 1, end)

    def finish(self) -> Iterator[bytes]:
        """The last line when it has no end."""
        if self._open:
            yield valid(self._open) + b"\n"
            self._open = b""

    def _blocks(self, head: bytes, data: bytes, start: int, end: int) -> Iterator[bytes]:
        """`head`, then the lines of `data` between `start` and `end`."""
        while start < end:
            cut = data.rfind(b"\n", start, min(end, start + self._limit + 1)) + 1
            if cut:
                yield valid(head + data[start:cut])
                start = cut
            else:  # a line over the limit
                yield valid(head + data[start : start + self._limit]) + b"\n"
                start = data.index(b"\n", start) + 1
            head = b""
        if head:
            yield valid(head)


def valid(data: bytes) -> bytes:
    """`data` as UTF-8; whatever is no UTF-8 becomes U+FFFD."""
    if data.isascii():
        return data
    return data.decode("utf-8", "replace").encode()
