"""All rows of a database, out of one and into another of either dialect.

Tables and columns are those that the database has, not those that this version knows: a dump of an older schema is
loaded as it was written, and then upgraded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Column, Connection, Engine, MetaData, Table, func, insert, inspect, select, text

from pegbox.store import bulk, connections, schema
from pegbox.store.transaction import SqlTransaction
from pegbox.store.upgrade import check_known, revision_of, run

BATCH = 1000  #: rows at a time
VERSION_TABLE = "alembic_version"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A database at one moment."""

    revision: str  #: of its schema
    tables: Sequence[str]  #: referenced ones first; without those that are derived
    _connection: Connection
    _metadata: MetaData

    def count(self, table: str) -> int:
        """How many rows there are."""
        return int(
            self._connection.execute(select(func.count()).select_from(self._metadata.tables[table])).scalar_one()
        )

    def rows(self, table: str) -> Iterator[Row]:
        """All rows, a few in memory at a time."""
        columns = [each for each in self._metadata.tables[table].c if (table, each.name) not in schema.DERIVED_COLUMNS]
        found = self._connection.execution_options(yield_per=BATCH).execute(select(*columns))
        for row in found:
            yield dict(row._mapping)


class NoSchema(Exception):
    """The database has no tables of pegbox."""


@contextmanager
def snapshot(engine: Engine) -> Iterator[Snapshot]:
    """The database as it is now, whatever is written meanwhile.  Raises NoSchema, SchemaTooNew."""
    with connections.reading(engine) as connection:
        _take_time(connection)
        revision = revision_of(connection)
        if revision is None:
            raise NoSchema("the database is empty")
        check_known(revision)
        metadata = _tables(connection)
        names = [table.name for table in metadata.sorted_tables if table.name not in schema.DERIVED_TABLES]
        yield Snapshot(revision, names, connection, metadata)


def is_empty(engine: Engine) -> bool:
    """Whether nothing would be lost if the database were written anew."""
    with connections.reading(engine) as connection:
        metadata = _tables(connection)
        return not any(connection.execute(select(table).limit(1)).first() for table in metadata.sorted_tables)


def load(
    engine: Engine,
    revision: str,
    tables: Mapping[str, Callable[[], Iterable[Row]]],
    *,
    replace: bool = False,
    index: Callable[[SqlTransaction], None] | None = None,
) -> None:
    """Fill an empty database with tables of schema `revision` and bring it to this version's, in one transaction.

    `replace` drops what is there; `index` writes what is derived of the rows.  Raises SchemaTooNew.
    """
    check_known(revision)
    with connections.writing(engine) as connection:
        _take_time(connection)
        _empty(connection, replace)
        run(connection, revision)
        metadata = _tables(connection)
        for table in metadata.sorted_tables:
            if table.name in tables:
                rows = tables[table.name]()
                _insert(connection, table, rows if index is None else _indexed(table, rows))
        run(connection)
        if index is not None:
            index(SqlTransaction(connection))
        bulk.analyze(connection)


def _take_time(connection: Connection) -> None:
    """Keep the transaction while the other side, a disk that is slow or gone for a while, lets us wait."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))


def _empty(connection: Connection, replace: bool) -> None:
    names = set(inspect(connection).get_table_names())
    if VERSION_TABLE not in names:
        return
    metadata = _tables(connection)
    if not replace and any(connection.execute(select(table).limit(1)).first() for table in metadata.sorted_tables):
        raise ValueError("the database is not empty")
    metadata.drop_all(connection)
    connection.execute(text(f"DROP TABLE {VERSION_TABLE}"))


def _insert(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH)):
        connection.execute(insert(table), batch)
    if connection.dialect.name == "postgresql":
        for column in table.primary_key.columns:
            _go_on_after(connection, table, column)


def _indexed(table: Table, rows: Iterable[Row]) -> Iterable[Row]:
    """Let resources count as indexed, as they will be: to say so of each afterwards would write it once more."""
    if table.name != schema.resource.name or schema.resource.c.indexed_version.name not in table.c:
        return rows
    return ({**row, "indexed_version": row["version"]} for row in rows)


def _go_on_after(connection: Connection, table: Table, column: Column[Any]) -> None:
    """Let the sequence of an id that was inserted by hand go on after the largest."""
    sequence = connection.execute(
        text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table.name, "column": column.name}
    ).scalar()
    if sequence:
        most = connection.execute(select(func.coalesce(func.max(column), 0))).scalar_one()
        connection.execute(select(func.setval(sequence, max(most, 1), most > 0)))


def _tables(connection: Connection) -> MetaData:
    """The tables of pegbox that the database has; others, in a shared PostgreSQL schema, are left alone."""
    metadata = MetaData()
    if not inspect(connection).has_table(VERSION_TABLE):
        return metadata
    ours = set(schema.metadata.tables) & set(inspect(connection).get_table_names())
    metadata.reflect(connection, only=sorted(ours))
    return metadata
