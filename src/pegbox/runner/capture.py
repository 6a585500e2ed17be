"""What a trainer prints: kept byte for byte up to a limit, indexed by time, and cut into lines.

Of a log beyond the limit the beginning is kept and, written when all is over, the end.  All lines are searched.
What a full disk has no room for waits in memory; the caller reads no more meanwhile, so the trainer has to wait.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

from pegbox.crashpoints import AFTER, BEFORE, reach
from pegbox.runner.growing import GrowingFile
from pegbox.runner.lines import LineBlocks

CHUNK = 256 << 10  #: most bytes of one read
TAIL = 64 << 10  #: bytes of the end of a log beyond its limit
RECORD = struct.Struct("<QQ")  #: offset in the log, epoch milliseconds

Sink = Callable[[str, float, bytes], None]  #: host, epoch seconds, block of lines


class Capture:
    """The log of one host.  Not thread-safe."""

    def __init__(self, directory: Path, host: str, sink: Sink, clock: Callable[[], float], most: int) -> None:
        self._most = most
        self._left_out = 0  # bytes
        self._tail = b""
        self._host, self._sink, self._clock = host, sink, clock
        self._log, self._index = (GrowingFile(directory / f"{host}.{kind}") for kind in ("log", "idx"))
        self._offset = self._log.size
        self._indexed = -1  # milliseconds of the last record
        self._last = b"\n"
        self._lines = LineBlocks()

    @property
    def waiting(self) -> bytes:
        """The end of the log, as far as it waits for room on the disk."""
        return self._log.waiting

    @property
    def is_waiting(self) -> bool:
        """Whether something waits for room on the disk."""
        return bool(self._log.waiting or self._index.waiting)

    def settle(self) -> None:
        """Write what waits, as far as there is room; bytes only when the index tells when they arrived."""
        if self._index.settle():
            self._log.settle()

    def read(self, fd: int) -> bool:
        """Take what the pipe holds.  False at its end."""
        try:
            chunk = os.read(fd, CHUNK)
        except BlockingIOError:
            return True
        if not chunk:
            return False
        at = self._clock()
        self._take(chunk, at)
        for block in self._lines.feed(chunk):
            self._sink(self._host, at, block)
        return True

    def finish(self) -> None:
        """The pipe has ended: the last line is a line, too."""
        for block in self._lines.finish():
            self._sink(self._host, self._clock(), block)

    def conclude(self) -> None:
        """Nothing follows: of what was left out, add the end."""
        tail, self._tail = self._tail, b""
        if tail:
            tail = tail if len(tail) == self._left_out else tail[tail.find(b"\n") + 1 :]
            self.note(f"{self._left_out - len(tail)} bytes are left out here: a log has at most {self._most}")
            self._keep(tail, self._clock())

    def _take(self, chunk: bytes, at: float) -> None:
        room = 0 if self._left_out else max(0, self._most - self._offset)
        if room:
            self._keep(chunk[:room], at)
        if rest := chunk[room:]:
            self._left_out += len(rest)
            self._tail = (self._tail + rest)[-TAIL:]

    def note(self, text: str) -> None:
        """Add a line of our own to the log; no metric is looked for in it."""
        start = "" if self._last == b"\n" else "\n"
        self._keep(f"{start}pegbox: {text}\n".encode(), self._clock())

    def _keep(self, chunk: bytes, at: float) -> None:
        milliseconds = int(at * 1000)
        if milliseconds > self._indexed:
            self._index.take(RECORD.pack(self._offset, milliseconds))
            self._indexed = milliseconds
        self._log.take(chunk)
        self._offset += len(chunk)
        self._last = chunk[-1:]
        reach(BEFORE, "log append")
        self.settle()
        reach(AFTER, "log append")
