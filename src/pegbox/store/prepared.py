"""Statements whose text is made once, for what is done many times a second.

SQLAlchemy writes them, for both dialects.  SQLite's driver is then given the text directly: to pass each statement
through SQLAlchemy costs several times what SQLite does with it.  PostgreSQL's go through SQLAlchemy, which knows what
to do when a connection is lost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Executable
from sqlalchemy.sql.compiler import SQLCompiler

Given = Mapping[str, Any]  #: parameters by name
Row = Sequence[Any]

_NOTHING: Given = {}


class Prepared:
    """A statement; its parameters have always the same names.  Several threads may use it."""

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._compiled: SQLCompiler | None = None

    def rows(self, connection: Connection, given: Given = _NOTHING) -> Sequence[Row]:
        """All rows of a SELECT or of RETURNING."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._statement, given).all()
        return self._run(connection, given).fetchall()

    def first(self, connection: Connection, given: Given = _NOTHING) -> Row | None:
        """The only row, or None."""
        found = self.rows(connection, given)
        return found[0] if found else None

    def change(self, connection: Connection, given: Given) -> int:
        """How many rows an INSERT or UPDATE has changed."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._statement, given).rowcount
        return self._run(connection, given).rowcount

    def change_each(self, connection: Connection, given: Sequence[Given]) -> None:
        """The same for each of several sets of parameters."""
        if not given:
            return
        if connection.dialect.name != "sqlite":
            connection.execute(self._statement, given)
            return
        compiled = self._text(connection, given[0])
        names = compiled.positiontup or ()
        _driver(connection).executemany(str(compiled), [_values(compiled, names, each) for each in given])

    def _run(self, connection: Connection, given: Given) -> sqlite3.Cursor:
        compiled = self._text(connection, given)
        if compiled.post_compile_params:  # IN with a list
            state = compiled.construct_expanded_state({**compiled.params, **given})
            return _driver(connection).execute(state.statement, state.positional_parameters)
        values = _values(compiled, compiled.positiontup or (), given)
        return _driver(connection).execute(compiled.string, values)

    def _text(self, connection: Connection, given: Given) -> SQLCompiler:
        if self._compiled is None:
            compiled: Any = self._statement.compile(  # type: ignore[attr-defined]
                dialect=connection.dialect, column_keys=list(given)
            )
            self._compiled = compiled
        assert self._compiled is not None
        return self._compiled


def _values(compiled: SQLCompiler, names: Sequence[str], given: Given) -> list[Any]:
    constants = compiled.params
    return [given[name] if name in given else constants[name] for name in names]


def _driver(connection: Connection) -> sqlite3.Connection:
    driver: Any = connection.connection.dbapi_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver
