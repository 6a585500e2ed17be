"""Connections for reading and for writing, with trouble of the database itself told apart from everything else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError

from pegbox.store.base import Unavailable


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that may write; commits at the end, rolls back on an exception."""
    with told(), engine.connect().execution_options(pegbox_write=True) as connection, connection.begin():
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one moment: PostgreSQL is asked for it, SQLite gives it by itself."""
    moment = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with told(), engine.connect().execution_options(**moment) as connection, connection.begin():
        yield connection


@contextmanager
def told() -> Iterator[None]:
    """Raise Unavailable for a database that does not answer, is full, stays locked or has no connection left."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise Unavailable(str(error.orig)) from error
    except TimeoutError as error:
        raise Unavailable("no connection became free") from error
