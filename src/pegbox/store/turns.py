"""Turns: writers that count or begin the same thing wait for each other."""

from __future__ import annotations

import zlib

from sqlalchemy import Connection, text

from pegbox.store.prepared import Prepared

_lock = Prepared(text("SELECT pg_advisory_xact_lock(:lock)"))
_share = Prepared(text("SELECT pg_advisory_xact_lock_shared(:lock)"))


def alone(connection: Connection, what: str) -> None:
    """Wait for the other transactions that count the same thing; SQLite's writers wait for each other anyway."""
    if connection.dialect.name == "postgresql":
        _lock.rows(connection, {"lock": zlib.crc32(what.encode())})


def together(connection: Connection, what: str) -> None:
    """Wait for those who want to be alone with it, and have them wait, but nobody else."""
    if connection.dialect.name == "postgresql":
        _share.rows(connection, {"lock": zlib.crc32(what.encode())})
