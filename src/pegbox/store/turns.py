"""Turns: writers that count the same thing wait for each other."""

from __future__ import annotations

import zlib

from sqlalchemy import Connection, text

from pegbox.store.prepared import Prepared

_lock = Prepared(text("SELECT pg_advisory_xact_lock(:lock)"))


def alone(connection: Connection, what: str) -> None:
    """Wait for the other transactions that count the same thing; SQLite's writers wait for each other anyway."""
    if connection.dialect.name == "postgresql":
        _lock.rows(connection, {"lock": zlib.crc32(what.encode())})
