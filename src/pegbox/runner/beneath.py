"""Opening what a program may have made: below a folder, step by step, and no link is followed (openat(2)).

A path would lead wherever the program lets a link point at that moment, and a pipe would be waited for.
"""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

_STEP = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_file(folder: Path, path: str) -> BinaryIO:
    """Open the regular file `path` below `folder`.  Raises OSError for what is none, and for a link on the way."""
    *above, last = path.split("/")
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in above:
            fd = _into(fd, name)
        found = os.open(last, _STEP, dir_fd=fd)
    finally:
        os.close(fd)
    if not S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise OSError(f"{path} is no regular file")
    return open(found, "rb")


def open_folder(fd: int, name: str) -> int:
    """A descriptor of the folder `name` in the open folder `fd`.  Raises OSError for a link and what is no folder."""
    return os.open(name, _STEP | os.O_DIRECTORY, dir_fd=fd)


def _into(fd: int, name: str) -> int:
    """As `open_folder`; `fd` is closed when that was possible."""
    inner = open_folder(fd, name)
    os.close(fd)
    return inner
