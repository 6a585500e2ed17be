"""The lines of a file that may still grow, forwards and backwards, with the same result."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

BLOCK = 256 << 10  #: bytes that are read at a time
_RUN = re.compile(rb"[^\r\n]+")
_ENDS = b"\r\n"

Line = tuple[int, int, bytes]  #: where it begins and ends, and what it is, without its end


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a file; empty ones are none.  A file that has been removed has no lines.

    What is appended later is not seen: the index that says when it arrived is as old as this.

    A line of more than `longest` bytes is cut wherever its offset in the file is a multiple of that.  So where it is
    cut can be seen from anywhere, and what is cut off a line that has not ended is as it will be.
    """

    path: Path
    longest: int
    is_whole: bool  #: nothing will be added: the last line needs no end
    size: int = field(init=False)  #: bytes

    def __post_init__(self) -> None:
        """Ask for the size."""
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            size = 0
        object.__setattr__(self, "size", size)

    def forward(self, begin: int) -> Iterator[Line]:
        """The lines from `begin` on, which is where a line, or a piece of one, begins or has ended."""
        data, place, is_all = b"", 0, False
        while True:
            found = _RUN.search(data, place)
            if found and (found.end() < len(data) or is_all):
                yield from self._pieces(begin + found.start(), found[0])
                place = found.end()
                continue
            rest = found.start() if found else len(data)
            begin, data, place = begin + rest, data[rest:], 0
            while len(data) > self.longest:  # it has not ended, and is too long already
                cut = self._cut_after(begin) - begin
                yield begin, begin + cut, data[:cut]
                begin, data = begin + cut, data[cut:]
            block = b"" if is_all else self._read(begin + len(data), BLOCK)
            if not block and (is_all or not self.is_whole):
                return
            data, is_all = data + block, not block

    def backward(self, end: int) -> Iterator[Line]:
        """The lines before `end`, which is such a place too; the last one first."""
        while end > 0:
            data = self._before(end)
            if not data:  # removed meanwhile
                return
            blank = len(data) - len(data.rstrip(_ENDS))
            if blank:
                end -= blank  # then look again, at all that may belong to the line
                continue
            begin = self._begin(data, end)
            yield begin, end, data[begin - end :]
            end = begin

    def end(self) -> int:
        """Where the last line has ended that has."""
        size = self.size
        return size if self.is_whole else self._begin(self._before(size), size)

    def begin_of(self, offset: int) -> int:
        """Where the first line, or piece, begins that ends at this byte or later; `end()` if there is none."""
        near = self._begin(self._before(offset), offset)  # there, or a piece or two further
        return next((begin for begin, end, _ in self.forward(near) if end >= offset), self.end())

    def _begin(self, data: bytes, end: int) -> int:
        """Where what ends at `end` has begun; `data` is what is before that, as far as it matters."""
        start = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if start or end <= self.longest:
            return end - len(data) + start
        return (end - 1) // self.longest * self.longest

    def _pieces(self, begin: int, line: bytes) -> Iterator[Line]:
        while len(line) > self.longest:
            cut = self._cut_after(begin) - begin
            yield begin, begin + cut, line[:cut]
            begin, line = begin + cut, line[cut:]
        yield begin, begin + len(line), line

    def _cut_after(self, offset: int) -> int:
        return (offset // self.longest + 1) * self.longest

    def _before(self, end: int) -> bytes:
        """One byte more than a line may have."""
        size = min(end, self.longest + 1)
        return self._read(end - size, size)

    def _read(self, offset: int, size: int) -> bytes:
        try:
            with open(self.path, "rb") as file:
                file.seek(offset)
                return file.read(max(0, min(size, self.size - offset)))
        except FileNotFoundError:
            return b""
