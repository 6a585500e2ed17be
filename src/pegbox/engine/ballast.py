"""Room on the disk that is given back when the database has none left.

A job that fills the disk fails, and its files are then removed; but its failure has to be written down first.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import structlog

log = structlog.get_logger()

SIZE = 16 << 20  #: bytes
LEAST = 1 << 20  #: bytes without which a server cannot start


class Ballast:
    """A file without meaning in the home."""

    def __init__(self, home: Path, size: int = SIZE) -> None:
        self._file, self._size = home / "ballast", size

    def lay(self) -> None:
        """Take the room, if it is not taken and there is plenty."""
        with contextlib.suppress(OSError):  # the next time
            if self._is_laid() or not self._is_room():
                return
            scratch = self._file.with_name(f".{self._file.name}")
            try:
                self._allocate(scratch)
                scratch.rename(self._file)  # not before it has its room: an empty one would count as laid
            finally:
                scratch.unlink(missing_ok=True)

    def drop(self) -> None:
        """Give the room back."""
        try:
            self._file.unlink()
        except FileNotFoundError:
            return
        log.warning("the disk is full: the ballast was dropped, make room", file=str(self._file))

    def make_room(self) -> None:
        """Give the room back if there is none: a server that starts has to write a few small files."""
        with contextlib.suppress(OSError):  # the start says what is wrong
            if self._free() < LEAST:
                self.drop()

    def _allocate(self, file: Path) -> None:
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, self._size)
        finally:
            os.close(fd)

    def _is_laid(self) -> bool:
        return self._file.exists() and self._file.stat().st_size >= self._size

    def _is_room(self) -> bool:
        return self._free() > 3 * self._size

    def _free(self) -> int:
        found = os.statvfs(self._file.parent)
        return found.f_bavail * found.f_frsize
