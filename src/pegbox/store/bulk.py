"""Many resources that have ended, written at once with their properties; or the properties alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Table, bindparam, select

from pegbox.domain.properties import Property
from pegbox.store import index, schema
from pegbox.store.base import Stale
from pegbox.store.connections import unhurried
from pegbox.store.deleted import Deleted
from pegbox.store.dialects import one_of
from pegbox.store.made import BEGINNING, Made
from pegbox.store.prepared import Prepared
from pegbox.store.resources import Kind, Resource
from pegbox.store.rows import readable, to_columns
from pegbox.store.turns import together

CACHE = 1 << 17  #: KiB that SQLite may take: the indexes of properties are written to everywhere
TAKEN = "23505"  #: SQLSTATE of PostgreSQL

_rows = schema.resource.c
_scope = ("account", "region", "kind")
_named = {
    dialect: Prepared(
        select(schema.resource).where(
            *(_rows[name] == bindparam(name) for name in _scope), one_of(_rows.key, "keys", dialect)
        )
    )
    for dialect in ("sqlite", "postgresql")
}
_ended = Prepared(
    select(schema.resource)
    .where(
        *(_rows[name] == bindparam(name) for name in _scope),
        _rows.ended_at.is_not(None),
        _rows.id > bindparam("above"),
    )
    .order_by(_rows.id)
    .limit(bindparam("most"))
)


def named(connection: Connection, account: str, region: str, kind: Kind, names: Iterable[str]) -> dict[str, Resource]:
    """Those that there are, by their names in lower case."""
    keys = sorted({name.lower() for name in names})
    given = {"account": account, "region": region, "kind": kind.value, "keys": keys}
    return {each.name.lower(): each for each in readable(_named[connection.dialect.name].rows(connection, given))}


def ended(connection: Connection, account: str, region: str, kind: Kind, above: int, most: int) -> list[Resource]:
    """Resources that have ended, in the order of their ids, from above one on."""
    given = {"account": account, "region": region, "kind": kind.value, "above": above, "most": most}
    return list(readable(_ended.rows(connection, given)))


def add(connection: Connection, entries: Sequence[tuple[Resource, Collection[Property]]]) -> None:
    """Write resources that are not there yet, with their properties.  Raises Stale if somebody was quicker."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA cache_size=-{CACHE}")
    with unhurried(connection):
        identities = _identities(connection, len(entries))
        # Where trial components are made of jobs, that is when they are indexed: they will be, once more.
        together(connection, BEGINNING)
        scopes = {(row.account, row.region) for row, _ in entries}
        begun = {scope for scope in scopes if Made(connection).begun(*scope)}
        columns = [
            {
                "id": identity,
                **to_columns(row),
                "indexed_version": None if (row.account, row.region) in begun else row.version,
            }
            for identity, (row, _) in zip(identities, entries, strict=True)
        ]
        _write(connection, schema.resource, list(columns[0]), (tuple(each.values()) for each in columns))
        numbered = [(identity, row, found) for identity, (row, found) in zip(identities, entries, strict=True)]
        _describe(connection, numbered)
        _trace_later(connection, numbered)
        Deleted(connection).succeed(
            [replace(row, id=identity) for identity, row, _ in numbered if row.kind is Kind.TRAINING_JOB]
        )


def analyze(connection: Connection) -> None:
    """Have PostgreSQL look at what is there.

    Until it does so by itself, a minute later, it takes any index for the best: one name was sought among all resources
    of its kind.
    """
    if connection.dialect.name == "postgresql":
        for name in sorted(schema.metadata.tables):
            connection.exec_driver_sql(f"ANALYZE {name}")


def describe(connection: Connection, entries: Sequence[tuple[Resource, Collection[Property]]]) -> None:
    """Write the properties of resources that are there and have none."""
    _describe(connection, [(row.id, row, found) for row, found in entries])


def _describe(connection: Connection, numbered: Sequence[tuple[int, Resource, Collection[Property]]]) -> None:
    _write(connection, schema.prop, index.COLUMNS, index.of_new(connection, numbered))


def _trace_later(connection: Connection, entries: Sequence[tuple[int, Resource, Collection[Property]]]) -> None:
    """Have lineage read of jobs: others may have gone on beyond these ids, which were taken long ago."""
    if connection.dialect.name == "postgresql":
        jobs = (identity for identity, row, _ in entries if row.kind is Kind.TRAINING_JOB)
        _write(connection, schema.traced, ("job_id", "has_ended"), ((identity, 0) for identity in jobs))


def _identities(connection: Connection, count: int) -> Sequence[int]:
    """Ids that nobody has and nobody had."""
    if connection.dialect.name == "sqlite":
        used = connection.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = 'resource'").scalar() or 0
        return range(used + 1, used + count + 1)
    taken = "SELECT nextval(pg_get_serial_sequence('resource', 'id')) FROM generate_series(1, %s)"
    return [int(row[0]) for row in connection.exec_driver_sql(taken, (count,))]


def _write(connection: Connection, table: Table, names: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
    driver: Any = connection.connection.driver_connection
    quoted = ", ".join(names)
    if connection.dialect.name == "sqlite":
        places = ", ".join("?" * len(names))
        driver.executemany(f"INSERT INTO {table.name} ({quoted}) VALUES ({places})", rows)
        return
    try:
        with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({quoted}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    except Exception as error:
        if getattr(error, "sqlstate", None) == TAKEN:
            raise Stale("a resource of this name") from error
        raise
