"""The memory that large bodies pass through on their way to files: bounded, and used again.

Fresh memory costs as much as a copy, because the system clears it first.
"""

from __future__ import annotations

LARGE = 2 << 20  #: bytes; what it takes to hand a block to a thread does not count beside its MD5
MOST = 8  #: large blocks, of all bodies together
SMALL = 256 << 10  #: bytes of a block while all of these are in use


class Blocks:
    """Large blocks while there are any, small ones when not.  For one thread."""

    def __init__(self) -> None:
        self._made = 0
        self._free: list[memoryview] = []

    def take(self) -> memoryview:
        """A block, with anything in it."""
        if self._free:
            return self._free.pop()
        if self._made == MOST:
            return memoryview(bytearray(SMALL))
        self._made += 1
        return memoryview(bytearray(LARGE))

    def give(self, block: memoryview) -> None:
        """Nobody uses the block any more."""
        if len(block) == LARGE:
            self._free.append(block)


BLOCKS = Blocks()  #: of the server
