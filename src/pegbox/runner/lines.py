"""From chunks of bytes to blocks of whole lines."""

from __future__ import annotations

from collections.abc import Iterator

LINE_LIMIT = 64 << 10  #: bytes of a line that are matched; the rest of it is ignored


class LineBlocks:
    """Cut a stream into blocks: whole lines, each ended by `\\n`, valid UTF-8, none longer than LINE_LIMIT.

    Lines end at `\\n` and at `\\r` (progress bars).  Memory stays below LINE_LIMIT plus one chunk.
    """

    def __init__(self) -> None:
        self._open = b""  # the unfinished line, at most LINE_LIMIT of it

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The blocks that `chunk` completes, each at most LINE_LIMIT long or a little more."""
        data = chunk.replace(b"\r", b"\n") if b"\r" in chunk else chunk
        end = data.rfind(b"\n") + 1
        if not end:
            self._open += data[: LINE_LIMIT - len(self._open)]
            return
        first = data.index(b"\n")
        head = self._open + data[: min(first, LINE_LIMIT - len(self._open))] + b"\n"
        self._open = data[end : end + LINE_LIMIT]
        yield from _blocks(head, data, first + 1, end)

    def finish(self) -> Iterator[bytes]:
        """The last line when it has no end."""
        if self._open:
            yield valid(self._open) + b"\n"
            self._open = b""


def _blocks(head: bytes, data: bytes, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        cut = data.rfind(b"\n", start, min(end, start + LINE_LIMIT + 1)) + 1
        if cut:
            yield valid(head + data[start:cut])
            head, start = b"", cut
            continue
        if head:
            yield valid(head)
            head = b""
        yield valid(data[start : start + LINE_LIMIT]) + b"\n"
        start = data.index(b"\n", start) + 1
    if head:
        yield valid(head)


def valid(data: bytes) -> bytes:
    """`data` as UTF-8; whatever is no UTF-8 becomes U+FFFD."""
    if data.isascii():
        return data
    return data.decode("utf-8", "replace").encode()
