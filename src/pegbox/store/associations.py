"""Pages of associations, by keyset on (value, source, destination)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Row, Select, case, collate, func, literal, select, tuple_

from pegbox.naming import COMPONENT_OF_JOB
from pegbox.store import schema
from pegbox.store.dialects import by_value
from pegbox.store.graph import TYPES, AssociationQuery
from pegbox.store.resources import TRAINED, Kind

_rows, _edges = schema.resource.c, schema.association.c


def page(
    connection: Connection, query: AssociationQuery, after: tuple[Any, int, int] | None, limit: int
) -> tuple[Sequence[Row[Any]], tuple[Any, int, int] | None]:
    """The rows of a page, and the place of the last, None at the end."""
    value, statement = _listing(query, connection.dialect.name)
    if after is not None:
        place = tuple_(value, _edges.source_id, _edges.destination_id)
        given = tuple_(literal(after[0]), literal(after[1]), literal(after[2]))
        statement = statement.where(place < given if query.descending else place > given)
    order = [each.desc() if query.descending else each for each in (value, _edges.source_id, _edges.destination_id)]
    found = connection.execute(statement.order_by(*order).limit(limit + 1)).all()
    last = found[limit - 1] if len(found) > limit else None
    return found[:limit], None if last is None else (last.value, last.source_id, last.destination_id)


def _listing(query: AssociationQuery, dialect: str) -> tuple[ColumnElement[Any], Select[Any]]:
    """The value that is sorted by, and the statement without an order."""
    source, destination = schema.resource.alias("source"), schema.resource.alias("destination")
    above, below = schema.entity.alias("above"), schema.entity.alias("below")
    source_type, destination_type = _type(source, above), _type(destination, below)
    value = {
        "CreationTime": _edges.created_at,
        "SourceArn": _name(source),
        "DestinationArn": _name(destination),
        "SourceType": func.coalesce(source_type, ""),
        "DestinationType": func.coalesce(destination_type, ""),
    }[query.sort_by]
    if query.sort_by != "CreationTime" and dialect == "postgresql":
        value = collate(value, "C")
    joined = (
        schema.association.join(source, source.c.id == _edges.source_id)
        .join(destination, destination.c.id == _edges.destination_id)
        .outerjoin(above, above.c.resource_id == source.c.id)
        .outerjoin(below, below.c.resource_id == destination.c.id)
    )
    statement = select(
        schema.association,
        value.label("value"),
        source_type.label("source_type"),
        destination_type.label("destination_type"),
    ).select_from(joined)
    equal = (
        (by_value(source.c.account, dialect), query.account),
        (by_value(source.c.region, dialect), query.region),
        (_edges.source_id, query.source),
        (_edges.destination_id, query.destination),
        (source_type, query.source_type),
        (destination_type, query.destination_type),
        (_edges.type, query.type),
    )
    statement = statement.where(*(column == wanted for column, wanted in equal if wanted is not None))
    if query.created_after is not None:
        statement = statement.where(_edges.created_at > query.created_after)
    if query.created_before is not None:
        statement = statement.where(_edges.created_at < query.created_before)
    return value, statement


def _type(resource: FromClause, entity: FromClause) -> ColumnElement[Any]:
    return case(*((resource.c.kind == kind, type) for kind, type in TYPES.items()), else_=entity.c.type)


def _name(resource: FromClause) -> ColumnElement[Any]:
    """The end of an ARN."""
    component = f"{Kind.TRIAL_COMPONENT}/" + func.lower(resource.c.name) + COMPONENT_OF_JOB
    return case((resource.c.kind.in_(sorted(TRAINED)), component), else_=resource.c.kind + "/" + resource.c.key)
