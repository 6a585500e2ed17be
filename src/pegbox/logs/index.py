"""When the bytes of a log arrived (format: docstring of the runner's package)."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

RECORD = struct.Struct("<QQ")  #: offset in the log, epoch milliseconds; both increase
BLOCK = 256  #: records that are read at a time
STEPS = 8  #: records that are looked at one after the other before they are searched by halves

Record = tuple[int, int]


class Index:
    """The records of one log, as many as there were when it was made."""

    def __init__(self, path: Path, otherwise: int) -> None:
        """`otherwise`: the time (epoch milliseconds) of bytes that no record speaks of."""
        self._path, self._otherwise = path, otherwise
        try:
            self._count = os.stat(path).st_size // RECORD.size
        except OSError:
            self._count = 0
        self._block = -1
        self._records: list[Record] = []
        self._last = 0  # the record of the last byte that was asked for

    def time(self, offset: int) -> int:
        """When the byte at `offset` arrived."""
        if not self._count or self._record(0)[0] > offset:
            return self._otherwise
        for number in range(self._last, min(self._last + STEPS, self._count)):
            if self._record(number)[0] <= offset and not self._begins_by(number + 1, offset):
                self._last = number
                return self._record(number)[1]
        self._last = self._search(lambda record: record[0] <= offset) - 1
        return self._record(self._last)[1]

    def offset(self, at: int) -> int | None:
        """The first byte that arrived at this time or later; None if there is none."""
        if not self._count:
            return 0 if self._otherwise >= at else None
        number = self._search(lambda record: record[1] < at)
        return None if number == self._count else self._record(number)[0]

    def _begins_by(self, number: int, offset: int) -> bool:
        return number < self._count and self._record(number)[0] <= offset

    def _search(self, is_before: Callable[[Record], bool]) -> int:
        """The number of the first record that is not before."""
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            if is_before(self._record(middle)):
                low = middle + 1
            else:
                high = middle
        return low

    def _record(self, number: int) -> Record:
        block = number // BLOCK
        if block != self._block:
            self._block, self._records = block, self._read(block)
        return self._records[number % BLOCK]

    def _read(self, block: int) -> list[Record]:
        size = min(BLOCK, self._count - block * BLOCK)
        try:
            with open(self._path, "rb") as file:
                file.seek(block * BLOCK * RECORD.size)
                return list(RECORD.iter_unpack(file.read(size * RECORD.size)))
        except FileNotFoundError:  # it has been removed, and the log too
            return [(0, self._otherwise)] * size
