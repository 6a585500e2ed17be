"""Entities of lineage and their associations, in SQLAlchemy Core."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
)
from sqlalchemy.exc import IntegrityError

from pegbox.domain.lineage import Link
from pegbox.store import associations, schema
from pegbox.store.base import AlreadyExists, NotFound, Stale
from pegbox.store.dialects import DIALECTS, by_value, insert, one_of
from pegbox.store.graph import AssociationQuery, Ends, Entity, Step
from pegbox.store.listing import key_of
from pegbox.store.prepared import Prepared, unless_there
from pegbox.store.resources import TRAINED, Kind, Resource
from pegbox.store.rows import readable, to_columns
from pegbox.store.turns import alone

TURN = "lineage"  #: whose turn it is to trace
#: ids below the newest one that another transaction may still be about to commit; SQLite has one writer at a time
LATE = {"sqlite": 0, "postgresql": 5_000}
FAR = 1000  #: ids of other resources that are looked at each time before it is noted that they are none

_rows, _entities, _edges, _traced = schema.resource.c, schema.entity.c, schema.association.c, schema.traced.c
_scope = ("account", "region", "kind")


_add_rows = unless_there(schema.resource, _rows.id)
_add_each = unless_there(schema.resource)
_describe = unless_there(schema.entity)
_connect_one = unless_there(schema.association, _edges.source_id)
_connect = unless_there(schema.association)
_types = {
    dialect: Prepared(
        select(_entities.resource_id, _entities.type).where(one_of(_entities.resource_id, "rows", dialect))
    )
    for dialect in DIALECTS
}
_whole = {dialect: Prepared(select(schema.resource).where(one_of(_rows.id, "rows", dialect))) for dialect in DIALECTS}
_named = {
    dialect: Prepared(
        select(_rows.key, _rows.id).where(
            *(_rows[name] == bindparam(name) for name in _scope), one_of(_rows.key, "names", dialect)
        )
    )
    for dialect in DIALECTS
}
_beside = {
    (down, dialect): Prepared(
        select(_edges.source_id, _edges.destination_id, _edges.type)
        .where(one_of(_edges.source_id if down else _edges.destination_id, "rows", dialect))
        .limit(bindparam("most"))
    )
    for down in (False, True)
    for dialect in DIALECTS
}


def _in_scope(dialect: str) -> ColumnElement[bool]:
    """Of the account and region; no index is looked into by them."""
    return and_(*(by_value(_rows[name], dialect) == bindparam(name) for name in ("account", "region")))


_seen_to = Prepared(
    select(schema.tracing.c.seen_to).where(
        schema.tracing.c.account == bindparam("account"), schema.tracing.c.region == bindparam("region")
    )
)
_new = {
    dialect: Prepared(
        select(schema.resource)
        .where(
            _rows.id > bindparam("above"),
            _in_scope(dialect),
            or_(*(by_value(_rows.kind, dialect) == kind.value for kind in sorted(TRAINED))),
            # those above alone: what was forgotten further down may be still in PostgreSQL's file
            _rows.id.not_in(select(_traced.job_id).where(_traced.job_id > bindparam("above"))),
        )
        .order_by(_rows.id)
        .limit(bindparam("most"))
    )
    for dialect in DIALECTS
}
_ended = {
    dialect: Prepared(
        select(schema.resource)
        .join(schema.traced, _traced.job_id == _rows.id)
        .where(_traced.has_ended == 0, _in_scope(dialect), by_value(_rows.ended_at, dialect).is_not(None))
        .order_by(_traced.job_id)
        .limit(bindparam("most"))
    )
    for dialect in DIALECTS
}
_newest = Prepared(select(func.max(_rows.id)))


def _marking(dialect: str) -> tuple[Prepared, Prepared]:
    mark = insert(dialect, schema.traced)
    mark = mark.on_conflict_do_update(index_elements=["job_id"], set_={"has_ended": mark.excluded.has_ended})
    see = insert(dialect, schema.tracing)
    see = see.on_conflict_do_update(index_elements=["account", "region"], set_={"seen_to": see.excluded.seen_to})
    return Prepared(mark), Prepared(see)


_mark = {dialect: _marking(dialect) for dialect in DIALECTS}
_forget = {
    dialect: Prepared(
        delete(schema.traced).where(
            _traced.has_ended == 1,
            _traced.job_id <= bindparam("to"),
            select(_rows.id).where(_rows.id == _traced.job_id, _in_scope(dialect)).exists(),
        )
    )
    for dialect in DIALECTS
}


class SqlGraph:
    """A Graph (see store.graph) on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name

    def add(self, entity: Entity) -> Resource:
        """Add an entity."""
        row = _add_rows[self._dialect].first(self._connection, _columns(entity.row))
        if row is None:
            raise AlreadyExists(entity.row.name)
        _describe[self._dialect].change(self._connection, _entity_columns(entity, row[0]))
        return replace(entity.row, id=row[0])

    def types(self, identities: Collection[int]) -> Mapping[int, str]:
        """Types by id."""
        return dict(map(tuple, _types[self._dialect].rows(self._connection, {"rows": list(identities)})))

    def rows(self, identities: Collection[int]) -> Mapping[int, Resource]:
        """Resources by id."""
        found = _whole[self._dialect].rows(self._connection, {"rows": list(identities)})
        return {row.id: row for row in readable(found)}

    def made_by_requests(self, account: str, region: str, kind: Kind) -> int:
        """How many; nobody else is told before the transaction is over."""
        alone(self._connection, f"{account}/{region}/{kind}")
        counted = (
            select(func.count())
            .select_from(schema.entity.join(schema.resource, _rows.id == _entities.resource_id))
            .where(_entities.is_made == 0, _rows.account == account, _rows.region == region, _rows.kind == kind.value)
        )
        return int(self._connection.execute(counted).scalar_one())

    def connect(self, link: Link, at: float, *, is_made: bool = False) -> bool:
        """Associate two resources."""
        given = _edge_columns(link, at, is_made)
        try:
            return _connect_one[self._dialect].first(self._connection, given) is not None
        except (IntegrityError, sqlite3.IntegrityError):
            raise NotFound from None

    def disconnect(self, source: int, destination: int) -> bool:
        """End an association."""
        this = and_(_edges.source_id == source, _edges.destination_id == destination)
        return self._connection.execute(delete(schema.association).where(this)).rowcount == 1

    def connected_by_requests(self, account: str, region: str) -> int:
        """How many; nobody else is told before the transaction is over."""
        alone(self._connection, f"{account}/{region}/association")
        counted = (
            select(func.count())
            .select_from(schema.association.join(schema.resource, _rows.id == _edges.source_id))
            .where(_edges.is_made == 0, _rows.account == account, _rows.region == region)
        )
        return int(self._connection.execute(counted).scalar_one())

    def is_connected(self, identity: int) -> bool:
        """Whether there is an association."""
        return any(self.links([identity], down, 1) for down in (False, True))

    def links(self, identities: Collection[int], down: bool, most: int) -> Sequence[Link]:
        """The associations on one side."""
        found = _beside[down, self._dialect].rows(self._connection, {"rows": list(identities), "most": most})
        return [Link(*row) for row in found]

    def associations(
        self, query: AssociationQuery, after: tuple[Any, int, int] | None, limit: int
    ) -> tuple[Sequence[Ends], tuple[Any, int, int] | None]:
        """A page, by keyset on (value, source, destination)."""
        page, place = associations.page(self._connection, query, after, limit)
        rows = self.rows({each.source_id for each in page} | {each.destination_id for each in page})
        ends = [
            Ends(
                rows[each.source_id],
                rows[each.destination_id],
                each.source_type,
                each.destination_type,
                each.type,
                each.created_at,
            )
            for each in page
            if each.source_id in rows and each.destination_id in rows
        ]
        return ends, place

    def has_untraced(self, account: str, region: str) -> bool:
        """Whether there are such jobs, or it may be so."""
        if self._untraced(account, region, 1):
            return True
        return self._newest() - self._seen_to(account, region) > FAR

    def alone(self) -> None:
        """Wait for others that trace or delete."""
        alone(self._connection, TURN)

    def untraced(self, account: str, region: str, limit: int) -> Sequence[Resource]:
        """Jobs to trace; those that nobody can read count as traced."""
        self.alone()
        rows = self._untraced(account, region, limit)
        if not rows:
            self._see(account, region, self._newest())
        found = list(readable(rows))
        spoilt = {row[0] for row in rows} - {each.id for each in found}
        self._mark_traced(dict.fromkeys(spoilt, True), account, region)
        return found

    def _untraced(self, account: str, region: str, limit: int) -> Sequence[Sequence[Any]]:
        scope = {"account": account, "region": region, "most": limit}
        above = self._seen_to(account, region) - LATE[self._dialect]
        return _ended[self._dialect].rows(self._connection, scope) or _new[self._dialect].rows(
            self._connection, scope | {"above": above}
        )

    def _seen_to(self, account: str, region: str) -> int:
        found = _seen_to.first(self._connection, {"account": account, "region": region})
        return 0 if found is None else int(found[0])

    def trace(self, jobs: Sequence[Resource], steps: Sequence[Step]) -> None:
        """Add artifacts and associations, and note that this was done."""
        ids = self._artifacts([step.artifact for step in steps])
        edges = {}
        for step in steps:
            artifact = ids[step.artifact.row.name]
            ends = (artifact, step.job) if step.is_input else (step.job, artifact)
            edges[ends] = _edge_columns(Link(*ends, step.type), step.at, is_made=True)
        try:
            _connect[self._dialect].change_each(self._connection, list(edges.values()))
            for account, region in {(job.account, job.region) for job in jobs}:
                own = [job for job in jobs if (job.account, job.region) == (account, region)]
                self._mark_traced({job.id: job.ended_at is not None for job in own}, account, region)
        except (IntegrityError, sqlite3.IntegrityError):  # deleting a job waits for nobody
            raise Stale from None

    def _mark_traced(self, ended: Mapping[int, bool], account: str, region: str) -> None:
        mark, _ = _mark[self._dialect]
        mark.change_each(self._connection, [{"job_id": id, "has_ended": int(has)} for id, has in ended.items()])
        self._see(account, region, max(ended, default=0))

    def _see(self, account: str, region: str, newest: int) -> None:
        """Note that all jobs up to there were looked at."""
        _, see = _mark[self._dialect]
        scope = {"account": account, "region": region}
        seen_to = max(newest, self._seen_to(account, region))
        see.change(self._connection, scope | {"seen_to": seen_to})
        _forget[self._dialect].change(self._connection, scope | {"to": seen_to - LATE[self._dialect]})

    def _newest(self) -> int:
        return int((_newest.first(self._connection) or [0])[0] or 0)

    def _artifacts(self, artifacts: Sequence[Entity]) -> Mapping[str, int]:
        """The ids of artifacts by name; those that are not there are added."""
        by_name: dict[str, Entity] = {}
        for each in artifacts:
            by_name.setdefault(each.row.name, each)
        ids = self._ids(by_name)
        new = {name: each for name, each in by_name.items() if name not in ids}
        if new:
            _add_each[self._dialect].change_each(self._connection, [_columns(each.row) for each in new.values()])
            ids = self._ids(by_name)
            described = [_entity_columns(each, ids[name]) for name, each in new.items()]
            _describe[self._dialect].change_each(self._connection, described)
        return ids

    def _ids(self, by_name: Mapping[str, Entity]) -> dict[str, int]:
        some = next(iter(by_name.values()), None)
        if some is None:
            return {}
        given = {**{name: getattr(some.row, name) for name in _scope}, "names": list(by_name)}
        given["kind"] = some.row.kind.value
        return dict(map(tuple, _named[self._dialect].rows(self._connection, given)))


def _columns(row: Resource) -> dict[str, Any]:
    return {**to_columns(row), "indexed_version": 0}  # Search knows none of these


def _entity_columns(entity: Entity, identity: int) -> dict[str, Any]:
    return {
        "resource_id": identity,
        "type": entity.type,
        "source_key": key_of(entity.source),
        "is_made": int(entity.is_made),
    }


def _edge_columns(link: Link, at: float, is_made: bool) -> dict[str, Any]:
    return {
        "source_id": link.source,
        "destination_id": link.destination,
        "type": link.type,
        "created_at": at,
        "is_made": int(is_made),
    }
