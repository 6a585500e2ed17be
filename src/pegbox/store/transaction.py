"""One unit of reading and writing, in SQLAlchemy Core."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    delete,
    func,
    null,
    or_,
    select,
    tuple_,
    union_all,
    update,
)

from pegbox.domain.properties import Property
from pegbox.domain.readings import Dataset, Reading
from pegbox.store import index, listing, planner, readings, schema
from pegbox.store.base import AlreadyExists, Fenced, NotFound, Stale
from pegbox.store.deleted import Deleted
from pegbox.store.dialects import DIALECTS, clock, one_of
from pegbox.store.edges import SqlGraph
from pegbox.store.prepared import Prepared, unless_there
from pegbox.store.queries import Found, Page, Query, Search
from pegbox.store.resources import Child, Kind, MetricPoint, Resource, Tally
from pegbox.store.rows import (
    CHANGING,
    ID,
    changed_columns,
    readable,
    text_length,
    to_columns,
    to_json,
    to_resource,
)
from pegbox.store.sql_tracking import SqlTracking
from pegbox.store.turns import alone

LONGEST_PAGE = 4 << 20  #: characters of what a search answers with, unless one resource alone has more

_rows = schema.resource


# Statements are made once: making one anew costs more than running it.
_same = and_(_rows.c.id == bindparam("row"), _rows.c.version == bindparam("version_then"))
_leased = and_(_same, _rows.c.epoch == bindparam("epoch_then"), _rows.c.lease_owner.is_not(None))
_anew: dict[str, Any] = {"version": _rows.c.version + 1, "indexed_version": null()}
_changed: dict[str, Any] = {name: bindparam(name) for name in CHANGING} | _anew
_save = {
    leased: Prepared(update(_rows).where(_leased if leased else _same).values(_changed)) for leased in (False, True)
}
_rewrite = Prepared(update(_rows).where(_same).values(document=bindparam("document"), **_anew))
_epoch = Prepared(select(_rows.c.epoch).where(_rows.c.id == bindparam("row")))
_by_id = Prepared(select(_rows).where(_rows.c.id == bindparam("row")))
_by_name = Prepared(
    select(_rows).where(*(_rows.c[name] == bindparam(name) for name in ("account", "region", "kind", "key")))
)
_child = select(*(_rows.c[name] for name in ("id", "number", "status", "outcome", "objective", "ended_at", "version")))
_unknown = _child.where(_rows.c.parent_id == bindparam("parent"), _rows.c.number > bindparam("above"))
_children = Prepared(_unknown.order_by(_rows.c.number))
_news = or_(_rows.c.ended_at.is_not(None), _rows.c.status != "InProgress")


def _also(running: bool, dialect: str) -> Prepared:
    # Without the parent: its index would be read from one end to the other, past ten thousand that have ended.
    known = _child.where(one_of(_rows.c.id, "rows", dialect), _rows.c.number <= bindparam("above"))
    return Prepared(union_all(known if running else known.where(_news), _unknown).order_by("number"))


_with_known = {(running, dialect): _also(running, dialect) for running in (False, True) for dialect in DIALECTS}
_results = Prepared(
    select(_rows.c.objective)
    .where(_rows.c.parent_id == bindparam("parent"), _rows.c.objective.is_not(None), _rows.c.ended_at.is_not(None))
    .order_by(_rows.c.ended_at, _rows.c.id)
)
_points = schema.point.c
_curve = Prepared(
    select(_points.attempt, _points.offset, _points.value)
    .where(
        _points.resource_id == bindparam("row"),
        _points.metric == bindparam("metric"),
        tuple_(_points.attempt, _points.offset) > tuple_(bindparam("attempt"), bindparam("offset")),
    )
    .order_by(_points.attempt, _points.offset)
)

_has_objective = _rows.c.objective.is_not(None)
_group = (_rows.c.parent_id, _rows.c.status, _rows.c.outcome, _has_objective)
_tally = {
    dialect: Prepared(select(*_group, func.count()).where(one_of(_rows.c.parent_id, "rows", dialect)).group_by(*_group))
    for dialect in DIALECTS
}
_best = {
    maximize: Prepared(
        select(_rows)
        .where(
            _rows.c.parent_id == bindparam("parent"), _has_objective, _rows.c.kind.concat("") == Kind.TRAINING_JOB.value
        )
        .order_by(_rows.c.objective.desc() if maximize else _rows.c.objective.asc(), _rows.c.id)
        .limit(1)
        .offset(bindparam("beyond"))
    )
    for maximize in (False, True)
}
_live = Prepared(
    select(func.count()).where(
        *(_rows.c[name] == bindparam(name) for name in ("account", "region", "kind")), _rows.c.ended_at.is_(None)
    )
)
_these = {dialect: one_of(_rows.c.id, "rows", dialect) for dialect in DIALECTS}
_whole = {dialect: Prepared(select(_rows).where(_these[dialect])) for dialect in DIALECTS}
_states = {dialect: Prepared(select(_rows.c.id, _rows.c.state).where(_these[dialect])) for dialect in DIALECTS}
_mark_due = {
    dialect: Prepared(update(_rows).where(_these[dialect]).values(due_at=clock(dialect))) for dialect in DIALECTS
}
_insert = unless_there(_rows, _rows.c.id)
_add_points = unless_there(schema.point)


class SqlTransaction:
    """A Transaction (see store.base) on one connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._dialect = connection.dialect.name

    @property
    def graph(self) -> SqlGraph:
        """Lineage."""
        return SqlGraph(self.connection)

    @property
    def tracking(self) -> SqlTracking:
        """What is known of experiments."""
        return SqlTracking(self.connection)

    @property
    def deleted(self) -> Deleted:
        """Training jobs that were deleted."""
        return Deleted(self.connection)

    def insert(self, resource: Resource) -> Resource:
        """Add a resource."""
        row = _insert[self._dialect].first(self.connection, to_columns(resource))
        if row is None:
            raise AlreadyExists(self.get(resource.account, resource.region, resource.kind, resource.name).name)
        return replace(resource, id=row[0])

    def get(self, account: str, region: str, kind: Kind, name: str) -> Resource:
        """Find by name."""
        return self._one(_by_name, {"account": account, "region": region, "kind": kind.value, "key": name.lower()})

    def by_id(self, identity: int) -> Resource:
        """Find by id."""
        return self._one(_by_id, {"row": identity})

    def live(self, account: str, region: str, kind: Kind) -> int:
        """How many have not ended."""
        alone(self.connection, f"{account}/{region}/{kind}")
        given = {"account": account, "region": region, "kind": kind.value}
        return int(_live.rows(self.connection, given)[0][0])

    def children(
        self, parent_id: int, above: int = 0, also: Collection[int] = (), *, running: bool = True
    ) -> Sequence[Child]:
        """Children, in a few columns."""
        given: dict[str, Any] = {"parent": parent_id, "above": above}
        if also:
            found = _with_known[running, self._dialect].rows(self.connection, given | {"rows": list(also)})
        else:
            found = _children.rows(self.connection, given)
        return [
            Child(
                id=identity,
                number=number,
                status=status,
                outcome=outcome,
                objective=objective,
                ended_at=ended_at,
                version=version,
            )
            for identity, number, status, outcome, objective, ended_at, version in found
        ]

    def states(self, identities: Collection[int]) -> Mapping[int, Mapping[str, Any]]:
        """The states of resources."""
        found = _states[self._dialect].rows(self.connection, {"rows": list(identities)})
        return {identity: json.loads(state) for identity, state in found}

    def tally(self, parent_ids: Collection[int]) -> Mapping[int, Sequence[Tally]]:
        """The children of each parent, counted."""
        tallies: dict[int, list[Tally]] = {identity: [] for identity in parent_ids}
        for parent, status, outcome, objective, count in _tally[self._dialect].rows(
            self.connection, {"rows": list(parent_ids)}
        ):
            tallies[parent].append(Tally(status=status, outcome=outcome, has_objective=bool(objective), count=count))
        return tallies

    def best(self, parent_id: int, maximize: bool) -> Resource | None:
        """The best child by final objective, of those that can be read."""
        for beyond in itertools.count():
            found = _best[maximize].rows(self.connection, {"parent": parent_id, "beyond": beyond})
            for best in readable(found):
                return best
            if not found:
                break
        return None

    def save(self, resource: Resource, *, leased: bool = False) -> Resource:
        """Write a changed resource, if nobody else has since it was read."""
        given = {"row": resource.id, "version_then": resource.version, **changed_columns(resource)}
        if leased:
            given["epoch_then"] = resource.epoch
        if _save[leased].change(self.connection, given) != 1:
            raise self._lost(resource, leased)
        return replace(resource, version=resource.version + 1)

    def rewrite(self, resource: Resource) -> Resource:
        """Write a changed document, if nobody else has changed the resource since it was read."""
        given = {"row": resource.id, "version_then": resource.version, "document": to_json(resource.document)}
        if _rewrite.change(self.connection, given) != 1:
            raise self._lost(resource, leased=False)
        return replace(resource, version=resource.version + 1)

    def has_unindexed(self, kind: Kind, before: float | None = None) -> bool:
        """Whether properties of some resource may be old."""
        return index.has_unindexed(self.connection, kind, before)

    def unindexed(self, kind: Kind, limit: int, before: float | None = None) -> Sequence[Resource]:
        """Resources whose properties may be old; those that nobody can read count as having none."""
        rows = index.unindexed(self.connection, kind, limit, before)
        found = list(readable(rows))
        index.give_up(self.connection, {row[0] for row in rows} - {each.id for each in found})
        return found

    def index(self, entries: Sequence[tuple[Resource, Collection[Property]]]) -> None:
        """Replace properties."""
        index.put(self.connection, entries)

    def search(self, search: Search) -> Found:
        """A page of what has the wanted properties; it ends where it would be longer than LONGEST_PAGE."""
        hits = planner.find(self.connection, search)
        given = {"rows": [place.id for place in hits.places]}
        rows = {row[ID]: row for row in _whole[self._dialect].rows(self.connection, given)}
        lengths = itertools.accumulate(text_length(rows[place.id]) if place.id in rows else 0 for place in hits.places)
        count = max(1, sum(length <= LONGEST_PAGE for length in lengths))
        page, after = hits.places[:count], hits.after if count >= len(hits.places) else hits.places[count - 1]
        resources = list(readable(rows[place.id] for place in page if place.id in rows))
        return Found(resources=resources, after=after, total=hits.total, exact=hits.exact)

    def property_names(self, account: str, region: str, kind: Kind) -> Sequence[tuple[str, int]]:
        """Names with counts."""
        return index.names(self.connection, account, region, kind)

    def mark_due(self, identities: Collection[int]) -> None:
        """Let the engine look at these now."""
        _mark_due[self._dialect].change(self.connection, {"rows": list(identities)})

    def alone(self) -> None:
        """Wait for others that index or delete."""
        index.begin(self.connection)

    def delete(self, identity: int) -> None:
        """Remove a resource and its points."""
        index.forget(self.connection, identity)
        self.connection.execute(delete(schema.point).where(schema.point.c.resource_id == identity))
        self.connection.execute(delete(_rows).where(_rows.c.id == identity))

    def select(self, query: Query, after: tuple[Any, int] | None, limit: int) -> Page:
        """A page, by keyset on (sort column, id)."""
        return listing.page(self.connection, query, after, limit)

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
        _add_points[self._dialect].change_each(self.connection, rows)

    def is_known(self, resource: Resource, dataset: Dataset) -> bool:
        """Whether a dataset is written down."""
        return readings.is_known(self.connection, resource, dataset)

    def begin_dataset(self, resource: Resource, dataset: Dataset, start: int, stop: int) -> None:
        """Write down a part of a dataset."""
        readings.begin(self.connection, resource, dataset, start, stop)

    def add_readings(self, resource: Resource, attempt: int, found: Sequence[Reading]) -> None:
        """Write down what an attempt read."""
        readings.add(self.connection, resource, attempt, found)

    def results(self, parent_id: int) -> Sequence[float]:
        """Final objectives as they came."""
        return [value for (value,) in _results.rows(self.connection, {"parent": parent_id})]

    def curve(self, identity: int, metric: str, after: tuple[int, int] = (0, -1)) -> Sequence[tuple[int, int, float]]:
        """The values of a metric, from a place on."""
        given = {"row": identity, "metric": metric, "attempt": after[0], "offset": after[1]}
        return [(attempt, offset, value) for attempt, offset, value in _curve.rows(self.connection, given)]

    def _one(self, wanted: Prepared, given: Mapping[str, Any]) -> Resource:
        row = wanted.first(self.connection, given)
        if row is None:
            raise NotFound
        return to_resource(row)

    def _lost(self, resource: Resource, leased: bool) -> Stale:
        row = _epoch.first(self.connection, {"row": resource.id})
        if leased and (row is None or row[0] != resource.epoch):
            return Fenced(f"{resource.kind} {resource.name}")
        return Stale(f"{resource.kind} {resource.name}")
