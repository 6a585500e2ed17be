"""Bringing the write-ahead log of an SQLite database to disk for many transactions at once.

With synchronous=FULL SQLite waits for the disk at each commit while it holds the only write lock, so ten milliseconds
of a slow disk are a hundred commits a second, whoever makes them.  Here a commit only writes to the log
(synchronous=NORMAL), the next writer goes on at once, and whoever promises that its changes last waits for one fsync
that serves all who came before it ("group commit": DeWitt et al., SIGMOD 1984, section 5.2).  The log is one
sequence: what is on disk is always a whole number of transactions, none without those before it.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from pegbox.baton import put_down

CHECKPOINT_SECONDS = 5.0  #: how long readers may keep the log from being moved to the database


class WriteAheadLog:
    """The log beside the database `path`; a database that has no file is never waited for.

    An error in bringing it to disk is told once: the kernel forgets what it could not write, and the next fsync would
    succeed without it (Rebello et al., USENIX ATC 2020, "Can Applications Recover from fsync Failures?").  So after
    one nothing is confirmed until everything has been moved to the database, which is written and synced anew.
    """

    def __init__(self, path: str | Path | None, sync: Callable[[int], None] = os.fsync) -> None:
        self._path = path
        self._sync = sync
        self._begun = self._done = 0  # fsyncs
        self._running = False
        self._is_doubtful = False
        self._changed = threading.Condition()

    def wait(self) -> None:
        """Return when everything committed before this call is on disk.  Raises OSError."""
        if self._path is not None:
            with put_down():
                self._wait()

    def _wait(self) -> None:
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
        if self._is_doubtful:
            self._move()
            self._is_doubtful = False
            return
        try:
            self._sync_file()
        except OSError:
            self._is_doubtful = True
            raise

    def _move(self) -> None:
        where = f"{Path(os.path.realpath(str(self._path))).as_uri()}?mode=rw"
        try:
            with closing(sqlite3.connect(where, CHECKPOINT_SECONDS, isolation_level=None, uri=True)) as connection:
                connection.execute("pragma synchronous=full")
                (is_blocked, _, _) = connection.execute("pragma wal_checkpoint(truncate)").fetchone()
        except sqlite3.Error as error:
            is_full = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
            raise OSError(errno.ENOSPC if is_full else errno.EIO, str(error)) from error
        if is_blocked:
            raise OSError(errno.EIO, "the log could not be brought to disk, and somebody reads what it would replace")

    def _sync_file(self) -> None:
        # Opened each time: whoever has moved all changes to the database, on disk, may have removed the log.
        with suppress(FileNotFoundError):
            path = str(self._path)
            path = os.path.realpath(path) if os.path.islink(path) else path  # beside the file itself
            fd = os.open(f"{path}-wal", os.O_RDONLY | os.O_CLOEXEC)
            try:
                self._sync(fd)
            finally:
                os.close(fd)
