"""Files that grow while a program runs: what the disk has no room for waits in memory until there is."""

from __future__ import annotations

import errno
import os
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})  #: a disk or a quota


class GrowingFile:
    """A file that is appended to.  The caller stops giving while something waits."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.waiting = b""  #: taken and not yet written

    @property
    def size(self) -> int:
        """Bytes written and waiting."""
        return os.fstat(self._fd).st_size + len(self.waiting)

    def take(self, data: bytes) -> None:
        """Have `data` written by the next settle(), after what waits."""
        self.waiting += data

    def settle(self) -> bool:
        """Write what waits, however often the kernel takes only a part.  False as long as there is no room for all.

        Raises OSError for another reason, after which nothing waits any more and the file may end anywhere.
        """
        if not self.waiting:
            return True
        rest = memoryview(self.waiting)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            if error.errno not in FULL:
                rest = rest[:0]
                raise
        finally:
            self.waiting = bytes(rest)
        return not self.waiting

    def sync(self) -> None:
        """Make what was written durable."""
        os.fsync(self._fd)
