"""Tables of other programs, read by SQL and never written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from pegbox.sources.base import SourceError

POSTGRESQL = "postgresql+psycopg"  #: whatever driver the other program uses


@contextmanager
def reading(url: str) -> Iterator[Connection]:
    """The database at an SQLAlchemy URL, at one moment.  Raises SourceError."""
    engine = _engine(url)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
            elif engine.dialect.name == "postgresql":
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield connection
    except SQLAlchemyError as error:
        raise SourceError(f"{shown(url)}: {_line(getattr(error, 'orig', None) or error)}") from None
    finally:
        engine.dispose()


def rows(connection: Connection, table: str, condition: str = "1 = 1", **given: Any) -> list[Mapping[str, Any]]:
    """The rows of a table, with all columns that this version of it has."""
    found = connection.execute(text(f"SELECT * FROM {table} WHERE {condition}"), given)
    return [dict(row) for row in found.mappings()]


def shown(url: str) -> str:
    """A URL without its password, and without its query, which may have one as well."""
    try:
        return make_url(url).set(query={}).render_as_string(hide_password=True)
    except (SQLAlchemyError, ValueError):
        return url.rpartition("@")[2].partition("?")[0]


def _engine(url: str) -> Engine:
    try:
        place = make_url(url)
        if place.get_backend_name() == "sqlite":
            return _sqlite(Path(place.database or ""))
        if place.get_backend_name() == "postgresql":
            place = place.set(drivername=POSTGRESQL)
        return create_engine(place)
    except (SQLAlchemyError, ValueError) as error:
        raise SourceError(f"{shown(url)} is no URL of a database: {_line(error)}") from None
    except ImportError as error:
        raise SourceError(
            f"{shown(url)}: {_line(error)}; this database needs a driver: for PostgreSQL pip install 'pegbox[postgres]'"
        ) from None


def _sqlite(file: Path) -> Engine:
    if not file.is_file():  # SQLite would make an empty one
        raise SourceError(f"{file}: there is no such file")
    address = f"file:{quote(str(file.absolute()))}?mode=ro"
    return create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(address, uri=True, isolation_level=None, timeout=30),
        poolclass=StaticPool,
    )


def _line(error: object) -> str:
    return " ".join(str(error).split())
