"""Pages of resources, by keyset: nothing is lost or repeated when rows are inserted meanwhile."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select, union_all

from pegbox.store import schema
from pegbox.store.dialects import by_value
from pegbox.store.queries import Page, Query
from pegbox.store.resources import TRAINED
from pegbox.store.rows import readable

FEW = 1000  #: entities of a type that are all looked at

_rows, _entities = schema.resource.c, schema.entity.c
_members = schema.trial_member.c
_trial = schema.resource.alias("trial")
_sort_columns = {
    "name": _rows.key,
    "created_at": _rows.created_at,
    "status": _rows.status,
    "objective": _rows.objective,
}


def page(connection: Connection, query: Query, after: tuple[Any, int] | None, limit: int) -> Page:
    """A page, after (sort value, id) of the last row of the one before."""
    column = _sort_columns[query.sort_by]
    entities, are_few = _of_entity(connection, query.type, query.source)
    by = "sqlite" if are_few and connection.dialect.name == "sqlite" else ""
    wanted = [*entities, *_conditions(query, by)]
    if after is not None:
        value, identity = after
        beyond = column < value if query.descending else column > value
        later = _rows.id < identity if query.descending else _rows.id > identity
        wanted.append(or_(beyond, and_(column == value, later)))
    kinds = sorted(TRAINED) if query.with_deleted else [query.kind]
    each = [select(schema.resource).where(by_value(_rows.kind, by) == kind.value, *wanted) for kind in kinds]
    found = connection.execute(_first_of(each, column.name, query.descending, limit + 1)).all()
    resources = list(readable(found[:limit]))
    if len(found) <= limit:
        return Page(resources, None)
    last = found[limit - 1]._mapping
    beyond_it = (last[column.name], last["id"])
    return Page(resources, beyond_it) if resources else page(connection, query, beyond_it, limit)


def _first_of(some: Sequence[Select[Any]], column: str, descending: bool, limit: int) -> Select[Any]:
    """The first rows of several statements, each of which is read in this order by an index."""

    def ordered(statement: Select[Any], columns: Any) -> Select[Any]:
        order = [columns[name].desc() if descending else columns[name].asc() for name in (column, "id")]
        return statement.order_by(*order).limit(limit)

    first = [ordered(statement, _rows) for statement in some]
    if len(first) == 1:
        return first[0]
    all_of_them = union_all(*(select(statement.subquery()) for statement in first)).subquery()
    return ordered(select(all_of_them), all_of_them.c)


def key_of(source: str) -> str:
    """What a SourceUri, which may be longer than an index allows, is found by."""
    return hashlib.sha256(source.encode()).hexdigest()[:32]


def _of_entity(connection: Connection, type: str | None, source: str | None) -> tuple[list[ColumnElement[bool]], bool]:
    """What resources of a type and a SourceUri have to fulfil; and whether so few do that they are looked at first."""
    if source is not None:
        wanted = [_entities.source_key == key_of(source), *(() if type is None else (_entities.type == type,))]
        return [_rows.id.in_(select(_entities.resource_id).where(*wanted))], True
    if type is None:
        return [], False
    some = select(_entities.resource_id).where(_entities.type == type).limit(FEW).subquery()
    if connection.execute(select(func.count()).select_from(some)).scalar_one() < FEW:
        return [_rows.id.in_(select(_entities.resource_id).where(_entities.type == type))], True
    return [select(_entities.type).where(_entities.resource_id == _rows.id).scalar_subquery() == type], False


def _conditions(query: Query, by: str) -> list[ColumnElement[bool]]:
    wanted = [
        by_value(_rows.account, by) == query.account,
        by_value(_rows.region, by) == query.region,
    ]
    if query.sort_by == "objective":
        wanted.append(_rows.objective.is_not(None))
    if query.parent_id is not None:
        wanted.append(_rows.parent_id == query.parent_id)
    if query.trial_id is not None:
        wanted.append(_rows.id.in_(select(_members.component_id).where(_members.trial_id == query.trial_id)))
    if query.component_id is not None:
        wanted.append(_rows.id.in_(select(_members.trial_id).where(_members.component_id == query.component_id)))
    if query.experiment_id is not None:
        trials = select(_trial.c.id).where(_trial.c.parent_id == query.experiment_id)
        wanted.append(_rows.id.in_(select(_members.component_id).where(_members.trial_id.in_(trials))))
    if query.name_contains is not None:
        wanted.append(_rows.key.contains(query.name_contains.lower(), autoescape=True))
    if query.status is not None:
        wanted.append(_rows.status == query.status)
    return wanted + _times(query)


def _times(query: Query) -> list[ColumnElement[bool]]:
    wanted = []
    for after, before, column in (
        (query.created_after, query.created_before, _rows.created_at),
        (query.modified_after, query.modified_before, _rows.modified_at),
    ):
        if after is not None:
            wanted.append(column > after)
        if before is not None:
            wanted.append(column < before)
    return wanted
