"""Small files, read and replaced with as few calls of the system as it takes.

Python's `open` asks for a file's state, kind and place each time, and in a server with many threads every call of the
system may hand on to another thread.
"""

from __future__ import annotations

import os

from pegbox.baton import put_down

_BLOCK = 1 << 16  #: bytes read at a time


def whole(path: str | os.PathLike[str]) -> bytes:
    """All that is in a file.  Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = os.read(fd, _BLOCK)
        while found and (block := os.read(fd, _BLOCK)):
            found += block
        return found
    finally:
        os.close(fd)


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """Make a file with `data` in it that only its owner may read, or write it anew.  Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
    finally:
        os.close(fd)


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Bring the names in a folder to disk.  Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with put_down():
            os.fsync(fd)
    finally:
        os.close(fd)
