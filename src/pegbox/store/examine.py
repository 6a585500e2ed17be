"""Faults of a database: what its tables hold that no server would have written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, and_, delete, func, select, text, update

from pegbox.store import connections, index, schema
from pegbox.store.dialects import clock
from pegbox.store.upgrade import revision_of

PAGE = 1000
_rows, _points = schema.resource, schema.point
_sets, _objects = schema.dataset.c, schema.dataset_object.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A resource as it lies in its table; documents that cannot be read are None."""

    id: int
    kind: str
    name: str
    status: str
    outcome: str | None
    ended_at: float | None
    modified_at: float
    host: str | None
    due_at: float | None
    version: int
    parent_id: int | None
    state: dict[str, Any] | None
    document: dict[str, Any] | None


def revision(engine: Engine) -> str | None:
    """The schema of a database, None for an empty one."""
    with connections.reading(engine) as connection:
        return revision_of(connection)


def damage(engine: Engine) -> Sequence[str]:
    """What SQLite says of a damaged file; PostgreSQL looks after itself."""
    if engine.dialect.name != "sqlite":
        return []
    with connections.reading(engine) as connection:
        return [row[0] for row in connection.execute(text("PRAGMA integrity_check(20)")) if row[0] != "ok"]


def rows(engine: Engine) -> Iterator[Row]:
    """Every resource, page by page, so that no transaction stays open."""
    columns = [_rows.c[name] for name in Row.__slots__]
    last = 0
    while True:
        with connections.reading(engine) as connection:
            found = connection.execute(select(*columns).where(_rows.c.id > last).order_by(_rows.c.id).limit(PAGE)).all()
        for row in found:
            got = dict(row._mapping)
            yield Row(**got | {name: _object(got[name]) for name in ("state", "document")})
        if len(found) < PAGE:
            return
        last = found[-1].id


def exists(engine: Engine, identity: int) -> bool:
    """Whether there is a resource of this id now."""
    with connections.reading(engine) as connection:
        return connection.execute(select(_rows.c.id).where(_rows.c.id == identity)).first() is not None


def orphaned_points(engine: Engine) -> int:
    """How many metric points belong to no resource."""
    with connections.reading(engine) as connection:
        found = select(func.count()).select_from(_points).where(_points.c.resource_id.not_in(select(_rows.c.id)))
        return int(connection.execute(found).scalar_one())


def delete_orphaned_points(engine: Engine) -> int:
    """Remove them; returns how many."""
    with connections.writing(engine) as connection:
        gone = delete(_points).where(_points.c.resource_id.not_in(select(_rows.c.id)))
        return connection.execute(gone).rowcount


def index_misfits(engine: Engine) -> int:
    """How many properties and resources in the index for Search contradict something else."""
    with connections.reading(engine) as connection, connections.unhurried(connection):
        return index.misfits(connection)


def drop_index(engine: Engine) -> int:
    """Remove all properties; returns of how many resources servers have to make them anew."""
    with connections.writing(engine) as connection, connections.unhurried(connection):
        return index.drop(connection)


def spoilt_datasets(engine: Engine) -> Sequence[int]:
    """The datasets of jobs that have another number of objects than they say."""
    found = select(_objects.dataset_id, func.count().label("found")).group_by(_objects.dataset_id).subquery()
    joined = schema.dataset.outerjoin(found, found.c.dataset_id == _sets.id)
    wrong = and_(_sets.is_whole == 1, func.coalesce(found.c.found, 0) != func.coalesce(_sets.objects, 0))
    with connections.reading(engine) as connection, connections.unhurried(connection):
        return list(connection.execute(select(_sets.id).select_from(joined).where(wrong)).scalars())


def doubt_datasets(engine: Engine, identities: Sequence[int]) -> None:
    """Let them count as not known, until a job reads the same again."""
    with connections.writing(engine) as connection:
        for identity in identities:
            connection.execute(update(schema.dataset).where(_sets.id == identity).values(is_whole=0))


def amend(engine: Engine, row: Row, **columns: Any) -> bool:
    """Change columns of a resource, unless somebody has changed it since it was read."""
    same = and_(_rows.c.id == row.id, _rows.c.version == row.version)
    with connections.writing(engine) as connection:
        values = {**columns, "version": row.version + 1, "indexed_version": None}
        return connection.execute(update(_rows).where(same).values(**values)).rowcount == 1


def take_out(engine: Engine, row: Row, keep: Callable[[Mapping[str, Any]], None]) -> bool:
    """Remove a resource with its points, unless somebody has changed it since it was read.

    `keep` is given all of its columns before anything is removed.
    """
    same = and_(_rows.c.id == row.id, _rows.c.version == row.version)
    with connections.writing(engine) as connection:
        index.begin(connection)
        found = connection.execute(select(_rows).where(same).with_for_update()).first()
        if found is None:
            return False
        keep(dict(found._mapping))
        index.forget(connection, row.id)
        connection.execute(delete(_points).where(_points.c.resource_id == row.id))
        connection.execute(delete(_rows).where(_rows.c.id == row.id))
    return True


def mark_due(engine: Engine, identity: int) -> None:
    """Let a server look at a resource now."""
    with connections.writing(engine) as connection:
        now = clock(engine.dialect.name)
        connection.execute(update(_rows).where(_rows.c.id == identity).values(due_at=now))


def _object(document: str) -> dict[str, Any] | None:
    try:
        found = json.loads(document)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
