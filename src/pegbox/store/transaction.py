"""One unit of reading and writing, in SQLAlchemy Core."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    and_,
    cast,
    delete,
    func,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from pegbox.store import schema
from pegbox.store.base import (
    AlreadyExists,
    Fenced,
    Kind,
    MetricPoint,
    NotFound,
    Page,
    Query,
    Resource,
    Stale,
    Tally,
)
from pegbox.store.rows import to_columns, to_json, to_resource

_rows = schema.resource
_light = [column for column in _rows.c if column.name != "document"]
_sort_columns = {
    "name": _rows.c.key,
    "created_at": _rows.c.created_at,
    "status": _rows.c.status,
    "objective": _rows.c.objective,
}


def clock(dialect: str) -> ColumnElement[float]:
    """The database's clock in epoch seconds; the same throughout one statement."""
    if dialect == "sqlite":
        return literal_column("((julianday('now') - 2440587.5) * 86400.0)", Double)
    return cast(func.extract("epoch", func.statement_timestamp()), Double)


class SqlTransaction:
    """A Transaction (see store.base) on one connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._dialect = connection.dialect.name

    def insert(self, resource: Resource) -> Resource:
        """Add a resource."""
        values = to_columns(resource) | {
            "account": resource.account,
            "region": resource.region,
            "kind": resource.kind.value,
            "created_at": resource.created_at,
            "document": to_json(resource.document),
            "due_at": resource.due_at,
        }
        row = self.connection.execute(
            self._insert(_rows).values(**values).on_conflict_do_nothing().returning(_rows.c.id)
        ).first()
        if row is None:
            raise AlreadyExists(self.get(resource.account, resource.region, resource.kind, resource.name).name)
        return replace(resource, id=row[0])

    def get(self, account: str, region: str, kind: Kind, name: str) -> Resource:
        """Find by name."""
        return self._one(
            and_(
                _rows.c.account == account,
                _rows.c.region == region,
                _rows.c.kind == kind.value,
                _rows.c.key == name.lower(),
            )
        )

    def by_id(self, identity: int) -> Resource:
        """Find by id."""
        return self._one(_rows.c.id == identity)

    def live(self, account: str, region: str, kind: Kind) -> int:
        """How many have not ended."""
        self._alone(f"{account}/{region}/{kind}")
        mine = and_(_rows.c.account == account, _rows.c.region == region, _rows.c.kind == kind.value)
        return self._count(and_(mine, _rows.c.ended_at.is_(None)))

    def children(self, parent_id: int) -> Sequence[Resource]:
        """All children, without documents."""
        found = select(*_light).where(_rows.c.parent_id == parent_id).order_by(_rows.c.number)
        return [to_resource(row) for row in self.connection.execute(found)]

    def tally(self, parent_ids: Collection[int]) -> Mapping[int, Sequence[Tally]]:
        """The children of each parent, counted."""
        has = _rows.c.objective.is_not(None)
        counted = (
            select(_rows.c.parent_id, _rows.c.status, _rows.c.outcome, has, func.count())
            .where(_rows.c.parent_id.in_(list(parent_ids)))
            .group_by(_rows.c.parent_id, _rows.c.status, _rows.c.outcome, has)
        )
        tallies: dict[int, list[Tally]] = {identity: [] for identity in parent_ids}
        for parent, status, outcome, objective, count in self.connection.execute(counted):
            tallies[parent].append(Tally(status=status, outcome=outcome, has_objective=bool(objective), count=count))
        return tallies

    def best(self, parent_id: int, maximize: bool) -> Resource | None:
        """The best child by final objective."""
        order = _rows.c.objective.desc() if maximize else _rows.c.objective.asc()
        found = (
            select(_rows)
            .where(_rows.c.parent_id == parent_id, _rows.c.objective.is_not(None))
            .order_by(order, _rows.c.id)
            .limit(1)
        )
        row = self.connection.execute(found).first()
        return to_resource(row) if row else None

    def save(self, resource: Resource, *, leased: bool = False) -> Resource:
        """Write a changed resource, if nobody else has since it was read."""
        same = and_(_rows.c.id == resource.id, _rows.c.version == resource.version)
        if leased:
            same = and_(same, _rows.c.epoch == resource.epoch, _rows.c.lease_owner.is_not(None))
        values = to_columns(resource) | {"version": resource.version + 1}
        done = self.connection.execute(update(_rows).where(same).values(**values))
        if done.rowcount != 1:
            raise self._lost(resource, leased)
        return replace(resource, version=resource.version + 1)

    def mark_due(self, identities: Collection[int]) -> None:
        """Let the engine look at these now."""
        now = clock(self._dialect)
        self.connection.execute(update(_rows).where(_rows.c.id.in_(list(identities))).values(due_at=now))

    def delete(self, identity: int) -> None:
        """Remove a resource and its points."""
        self.connection.execute(delete(schema.point).where(schema.point.c.resource_id == identity))
        self.connection.execute(delete(_rows).where(_rows.c.id == identity))

    def reserve(self, identity: int, host: str, slots: int) -> bool:
        """Take a slot of the host, if the job is among those whose turn it is."""
        self._alone(host)
        live = and_(_rows.c.kind == Kind.TRAINING_JOB.value, _rows.c.ended_at.is_(None))
        used = self._count(and_(live, _rows.c.host == host))
        older = self._count(and_(live, _rows.c.host.is_(None), _rows.c.id < identity))
        if older >= slots - used:
            return False
        waiting = and_(_rows.c.id == identity, live, _rows.c.host.is_(None))
        return self.connection.execute(update(_rows).where(waiting).values(host=host)).rowcount == 1

    def waiting(self, limit: int) -> Sequence[int]:
        """Training jobs without a slot."""
        found = (
            select(_rows.c.id)
            .where(_rows.c.kind == Kind.TRAINING_JOB.value, _rows.c.host.is_(None), _rows.c.ended_at.is_(None))
            .order_by(_rows.c.id)
            .limit(limit)
        )
        return list(self.connection.execute(found).scalars())

    def select(self, query: Query, after: tuple[Any, int] | None, limit: int) -> Page:
        """A page, by keyset on (sort column, id)."""
        column = _sort_columns[query.sort_by]
        wanted = _conditions(query)
        if after is not None:
            value, identity = after
            beyond = column < value if query.descending else column > value
            later = _rows.c.id < identity if query.descending else _rows.c.id > identity
            wanted.append(or_(beyond, and_(column == value, later)))
        order = (column.desc(), _rows.c.id.desc()) if query.descending else (column.asc(), _rows.c.id.asc())
        found = self.connection.execute(select(_rows).where(*wanted).order_by(*order).limit(limit + 1)).all()
        page = [to_resource(row) for row in found[:limit]]
        if len(found) <= limit:
            return Page(page, None)
        return Page(page, (found[limit - 1]._mapping[column.name], page[-1].id))

    def add_points(self, identity: int, points: Iterable[MetricPoint]) -> None:
        """Store points; a repeat is a conflict of keys and changes nothing."""
        rows = [
            {
                "resource_id": identity,
                "attempt": item.attempt,
                "offset": item.offset,
                "host": item.host,
                "metric": item.metric,
                "value": item.value,
                "at": item.at,
            }
            for item in points
        ]
        if rows:
            self.connection.execute(self._insert(schema.point).on_conflict_do_nothing(), rows)

    def curves(self, identities: Collection[int], metric: str) -> Mapping[int, Sequence[float]]:
        """All values of a metric by resource."""
        points = schema.point.c
        found = (
            select(points.resource_id, points.value)
            .where(points.resource_id.in_(list(identities)), points.metric == metric)
            .order_by(points.resource_id, points.at, points.attempt, points.offset)
        )
        curves: dict[int, list[float]] = {identity: [] for identity in identities}
        for identity, value in self.connection.execute(found):
            curves[identity].append(value)
        return curves

    def _alone(self, what: str) -> None:
        """Wait for the other transactions that count the same thing; SQLite's writers wait for each other anyway."""
        if self._dialect == "postgresql":
            lock = zlib.crc32(what.encode())
            self.connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})

    def _one(self, condition: ColumnElement[bool]) -> Resource:
        row = self.connection.execute(select(_rows).where(condition)).first()
        if row is None:
            raise NotFound
        return to_resource(row)

    def _count(self, condition: ColumnElement[bool]) -> int:
        return int(self.connection.execute(select(func.count()).select_from(_rows).where(condition)).scalar_one())

    def _lost(self, resource: Resource, leased: bool) -> Stale:
        row = self.connection.execute(select(_rows.c.epoch).where(_rows.c.id == resource.id)).first()
        if leased and (row is None or row[0] != resource.epoch):
            return Fenced(f"{resource.kind} {resource.name}")
        return Stale(f"{resource.kind} {resource.name}")

    def _insert(self, table: Any) -> Any:
        return sqlite.insert(table) if self._dialect == "sqlite" else postgresql.insert(table)


def _conditions(query: Query) -> list[ColumnElement[bool]]:
    wanted = [
        _rows.c.account == query.account,
        _rows.c.region == query.region,
        _rows.c.kind == query.kind.value,
    ]
    if query.sort_by == "objective":
        wanted.append(_rows.c.objective.is_not(None))
    if query.parent_id is not None:
        wanted.append(_rows.c.parent_id == query.parent_id)
    if query.name_contains is not None:
        wanted.append(_rows.c.key.contains(query.name_contains.lower(), autoescape=True))
    if query.status is not None:
        wanted.append(_rows.c.status == query.status)
    return wanted + _times(query)


def _times(query: Query) -> list[ColumnElement[bool]]:
    wanted = []
    for after, before, column in (
        (query.created_after, query.created_before, _rows.c.created_at),
        (query.modified_after, query.modified_before, _rows.c.modified_at),
    ):
        if after is not None:
            wanted.append(column > after)
        if before is not None:
            wanted.append(column < before)
    return wanted
