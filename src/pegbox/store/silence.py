"""A PostgreSQL that takes connections and statements and says nothing, as one that is stopped or swapped out does.

No option of libpq ends the wait for it: the kernel beneath it acknowledges all that it is sent.  So a wait in which
nothing arrives for too long is given up, and its connection with it.  What a statement that was given up has done is
not known, as when a connection is cut.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Generator
from typing import Any

import psycopg
from psycopg import errors
from sqlalchemy import Engine, event


class HastyConnection(psycopg.Connection[Any]):
    """A connection whose waits are given up."""

    patience: float | None = None  #: seconds without a sign of life; None: for ever
    door: Door | None = None

    def wait(self, gen: Generator[Any, Any, Any], *given: Any, **named: Any) -> Any:
        """Let a generator of psycopg's do its work.  Raises OperationalError when PostgreSQL is silent for too long."""
        if self.patience is None:
            return super().wait(gen, *given, **named)
        return super().wait(self._until_silent(gen, self.patience), *given, **named)

    def _until_silent(self, gen: Generator[Any, Any, Any], patience: float) -> Generator[Any, Any, Any]:
        """`gen`; psycopg sends it 0 several times a second while its socket is not ready."""
        try:
            wanted = next(gen)
            heard = time.monotonic()
            while True:
                ready = yield wanted
                now = time.monotonic()
                if ready:
                    heard = now
                elif now - heard > patience:
                    gen.close()
                    self._give_up(patience)
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value

    def _give_up(self, patience: float) -> None:
        self.close()
        if self.door is not None:
            self.door.is_silent = True
        raise errors.OperationalError(f"no answer for {patience:g} seconds")


class Door:
    """Makes an engine's connections.  After a silence one thread at a time tries; the others need not wait as well."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._turn = threading.Lock()
        self.is_silent = False

    def connect(self, *given: Any, **named: Any) -> HastyConnection:
        """A new connection.  Raises OperationalError."""
        if not self.is_silent:
            return self._connect(*given, **named)
        if not self._turn.acquire(blocking=False):
            raise errors.OperationalError("no answer for some time")
        try:
            return self._connect(*given, **named)
        finally:
            self._turn.release()

    def _connect(self, *given: Any, **named: Any) -> HastyConnection:
        try:
            connection = HastyConnection.connect(*given, **named)
        except errors.ConnectionTimeout as error:
            self.is_silent = True
            # The half-made connection would be kept by a cycle of references, and be one too many when all comes back.
            for each in (error, error.__context__):
                if each is not None:
                    traceback.clear_frames(each.__traceback__)
            raise
        connection.patience, connection.door = self._patience, self
        self.is_silent = False
        return connection


def hurry(engine: Engine, patience: float) -> None:
    """Have all connections of a PostgreSQL engine give up after so many seconds of silence."""
    door = Door(patience)
    event.listen(engine, "do_connect", lambda dialect, record, given, named: door.connect(*given, **named))
