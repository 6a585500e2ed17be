"""Statements whose text is made once, for what is done many times a second.

SQLAlchemy writes them, for both dialects.  SQLite's driver is then given the text directly: to pass each statement
through SQLAlchemy costs several times what SQLite does with it.  PostgreSQL's go through SQLAlchemy, which knows what
to do when a connection is lost.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Executable, Table
from sqlalchemy.sql.compiler import SQLCompiler

from pegbox.store.dialects import DIALECTS, insert

Given = Mapping[str, Any]  #: parameters by name
Row = Sequence[Any]

_NOTHING: Given = {}


def made_once(connection: Connection, given: Given) -> dict[str, Any]:
    """Parameters for several statements: lists are brought into the driver's form once."""
    if connection.dialect.name != "sqlite":
        return dict(given)
    return {name: _listed(value) if isinstance(value, list) else value for name, value in given.items()}


def _listed(values: list[Any]) -> str:
    return json.dumps(values) if values else "[]"


class Prepared:
    """A statement; its parameters have always the same names.  Several threads may use it."""

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._text: _Text | None = None

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
        text = self._made(connection, given[0])
        _driver(connection).executemany(text.sql, [text.values(each) for each in given])

    def _run(self, connection: Connection, given: Given) -> sqlite3.Cursor:
        text = self._made(connection, given)
        return _driver(connection).execute(text.sql, text.values(given))

    def _made(self, connection: Connection, given: Given) -> _Text:
        if self._text is None:
            compiled: SQLCompiler = self._statement.compile(  # type: ignore[attr-defined]
                dialect=connection.dialect, column_keys=list(given)
            )
            self._text = _text_of(compiled, given)
        return self._text


def _text_of(compiled: SQLCompiler, given: Given) -> _Text:
    names = tuple(compiled.positiontup or ())
    return _Text(
        sql=str(compiled),
        ordered=_ordered(names),
        constants={name: value for name, value in compiled.params.items() if name not in given},
        has_lists=any(isinstance(value, list) for value in given.values()),
    )


def _ordered(names: tuple[str, ...]) -> Callable[[Given], Sequence[Any]]:
    """What puts parameters in the order of these names; itemgetter gives one alone no tuple."""
    return itemgetter(*names) if len(names) > 1 else lambda given: tuple(given[name] for name in names)


@dataclass(frozen=True, slots=True)
class _Text:
    """A statement as SQLite's driver takes it."""

    sql: str
    ordered: Callable[[Given], Sequence[Any]]  #: its parameters, in their order
    constants: Given  #: those of the statement itself
    has_lists: bool  #: whether some of those that are given are lists

    def values(self, given: Given) -> Sequence[Any]:
        """The parameters in their order; lists as JSON, see `one_of`."""
        found = self.ordered({**self.constants, **given} if self.constants else given)
        return [_listed(value) if isinstance(value, list) else value for value in found] if self.has_lists else found


def _driver(connection: Connection) -> sqlite3.Connection:
    driver: Any = connection.connection.dbapi_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def unless_there(table: Table, *returning: ColumnElement[Any]) -> Mapping[str, Prepared]:
    """dialect -> the INSERT of a row, which changes nothing, and returns nothing, when there is one of its keys."""
    made = {dialect: insert(dialect, table).on_conflict_do_nothing() for dialect in DIALECTS}
    return {dialect: Prepared(each.returning(*returning) if returning else each) for dialect, each in made.items()}
