"""Bringing the write-ahead log of an SQLite database to disk for many transactions at once.

With synchronous=FULL SQLite waits for the disk at each commit while it holds the only write lock, so ten milliseconds
of a slow disk are a hundred commits a second, whoever makes them.  Here a commit only writes to the log
(synchronous=NORMAL), the next writer goes on at once, and whoever promises that its changes last waits for one fsync
that serves all who came before it ("group commit": DeWitt et al., SIGMOD 1984, section 5.2).  The log is one
sequence: what is on disk is always a whole number of transactions, none without those before it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


class WriteAheadLog:
    """The log beside the database `path`; a database that has no file is never waited for."""

    def __init__(self, path: str | Path | None, sync: Callable[[int], None] = os.fsync) -> None:
        self._path = path
        self._sync = sync
        self._begun = self._done = 0  # fsyncs
        self._running = False
        self._changed = threading.Condition()

    def wait(self) -> None:
        """Return when everything committed before this call is on disk.  Raises OSError."""
        if self._path is None:
            return
        with self._changed:
            wanted = self._begun + 1  # one that is running may have begun too early
            self._changed.wait_for(lambda: self._done >= wanted or not self._running)
            if self._done >= wanted:
                return
            self._running = True
            self._begun += 1
            mine = self._begun
        try:
            self._bring()
        except BaseException:
            mine = 0  # the next one tries for itself
            raise
        finally:
            with self._changed:
                self._running, self._done = False, max(self._done, mine)
                self._changed.notify_all()

    def _bring(self) -> None:
        # Opened each time: whoever has moved all changes to the database, on disk, may have removed the log.
        with suppress(FileNotFoundError):
            fd = os.open(f"{os.path.realpath(str(self._path))}-wal", os.O_RDONLY | os.O_CLOEXEC)
            try:
                self._sync(fd)
            finally:
                os.close(fd)
