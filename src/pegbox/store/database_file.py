"""The file of an SQLite database, which somebody may remove or replace while a server has it open.

SQLite itself would go on writing to the file that no name leads to any more, and all that would be lost with it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

Identity = tuple[int, int]  #: st_dev, st_ino
COMPANIONS = ("-wal", "-shm", "-journal")  #: what SQLite keeps beside the file (its manual, "Temporary Files")


class DatabaseFile:
    """Has an engine look at the file before it uses or makes a connection.  A new one is for its owner only."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen = False

    def watch(self, engine: Engine) -> None:
        """Connections to a file that is gone are given up, and no empty file is made in its place."""
        event.listen(engine, "do_connect", self._before)
        event.listen(engine, "connect", self._made)
        event.listen(engine, "checkout", self._taken)

    def _before(self, *_: Any) -> None:
        if self.identity() is not None:
            return
        if self._seen:
            raise sqlite3.OperationalError(f"the database file {self._path} is gone; put it back")
        with contextlib.suppress(OSError):  # SQLite will say what is wrong; its other files get the mode of this one
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def _made(self, _: Any, record: Any) -> None:
        self._seen = True
        record.info["file"] = self.identity()

    def _taken(self, _: Any, record: Any, __: Any) -> None:
        if record.info["file"] != self.identity():
            raise DisconnectionError("the database file was removed or replaced")

    def identity(self) -> Identity | None:
        """What file has the name now; None while there is none."""
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino
