"""The index for Search of a database that is filled all at once, before anybody else sees it.

The values come first, in the order of their key, and the indexes of them afterwards, by sorting: written together, each
value would go to another page of each index.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, exists, func, null, select, tuple_, update

from pegbox.domain.properties import Property
from pegbox.store import bulk, schema
from pegbox.store.dialects import DIALECTS, one_of
from pegbox.store.prepared import Prepared
from pegbox.store.resources import JOBS, Kind, Resource
from pegbox.store.rows import readable
from pegbox.store.transaction import SqlTransaction

PAGE = 500  #: resources in memory at a time

Read = Callable[[Resource, SqlTransaction], Collection[Property]]

_rows, _scopes, _made = schema.resource.c, schema.tracking.c, schema.tracked.c
_page = {
    dialect: Prepared(
        select(schema.resource)
        .where(one_of(_rows.kind, "kinds", dialect), _rows.id > bindparam("above"))
        .order_by(_rows.id)
        .limit(bindparam("most"))
    )
    for dialect in DIALECTS
}
_all = {
    dialect: Prepared(select(func.count()).select_from(schema.resource).where(one_of(_rows.kind, "kinds", dialect)))
    for dialect in DIALECTS
}
_count = update(schema.resource).where(_rows.indexed_version.is_(None)).values(indexed_version=_rows.version)
#: jobs of which a trial component is to be made before they are indexed; older ones are left to whoever makes those
_leave = (
    update(schema.resource)
    .where(
        _rows.kind.in_([kind.value for kind in JOBS]),
        ~exists().where(_made.job_id == _rows.id),
        exists().where(
            *(_scopes[name] == _rows[name] for name in ("account", "region", "kind")),
            tuple_(_scopes.before_time, _scopes.before_id) <= tuple_(_rows.created_at, _rows.id),
        ),
    )
    .values(indexed_version=null())
)


def count(tx: SqlTransaction, kinds: Collection[Kind]) -> int:
    """How many resources there are of these kinds."""
    given = {"kinds": sorted(kinds)}
    return int(_all[tx.connection.dialect.name].rows(tx.connection, given)[0][0])


def fill(tx: SqlTransaction, kinds: Collection[Kind], read: Read, step: Callable[[int], None]) -> None:
    """Write what is `read` off all resources of these kinds, where no properties are; `step` hears how many at a time.

    All resources count as indexed from then on, but those of which something is to be made first.
    """
    connection, indexes = tx.connection, sorted(schema.prop.indexes, key=lambda each: str(each.name))
    for index in indexes:
        index.drop(connection)
    for page in _pages(connection, kinds):
        bulk.describe(connection, [(row, read(row, tx)) for row in readable(page)])
        step(len(page))
    for index in indexes:
        index.create(connection)
    connection.execute(_count)
    connection.execute(_leave)


def _pages(connection: Connection, kinds: Collection[Kind]) -> Iterator[Sequence[Sequence[Any]]]:
    above = 0
    while True:
        given = {"kinds": sorted(kinds), "above": above, "most": PAGE}
        rows = _page[connection.dialect.name].rows(connection, given)
        if not rows:
            return
        yield rows
        above = rows[-1][0]
