"""Pages of associations, by keyset on (value, source, destination)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    case,
    collate,
    func,
    literal,
    literal_column,
    select,
    tuple_,
)

from pegbox.domain import lineage
from pegbox.naming import COMPONENT_OF_JOB
from pegbox.store import schema
from pegbox.store.dialects import by_value
from pegbox.store.graph import TYPES, AssociationQuery
from pegbox.store.resources import TRAINED, Kind

FEW = 1000  #: entities of a type, and their associations, that are all looked at
MADE = (lineage.CONTRIBUTED, lineage.PRODUCED, lineage.ASSOCIATED)  #: types of associations that the service makes

_rows, _edges, _entities = schema.resource.c, schema.association.c, schema.entity.c


def page(
    connection: Connection, query: AssociationQuery, after: tuple[Any, int, int] | None, limit: int
) -> tuple[Sequence[Row[Any]], tuple[Any, int, int] | None]:
    """The rows of a page, and the place of the last, None at the end."""
    wanted = [*_of_association(query), *_of_few(connection, query)]
    edges: FromClause = schema.association
    if _needs_nothing_else(query):  # neither of the ends is looked at before it is known which are on the page
        first = select(edges).where(*wanted, *_beyond(edges.c.created_at, edges, after, query))
        edges = _ordered(first, edges.c.created_at, edges, query).limit(limit + 1).subquery("edge")
        wanted = []
    value, statement = _listing(query, edges, connection.dialect.name)
    statement = statement.where(*wanted, *_beyond(value, edges, after, query))
    found = connection.execute(_ordered(statement, value, edges, query).limit(limit + 1)).all()
    last = found[limit - 1] if len(found) > limit else None
    return found[:limit], None if last is None else (last.value, last.source_id, last.destination_id)


def _needs_nothing_else(query: AssociationQuery) -> bool:
    """Whether the associations themselves say which are wanted; those of one entity are of its account."""
    has_end = query.source is not None or query.destination is not None
    return has_end and query.sort_by == "CreationTime" and not (query.source_type or query.destination_type)


def _ordered(
    statement: Select[Any], value: ColumnElement[Any], edges: FromClause, query: AssociationQuery
) -> Select[Any]:
    by = (value, edges.c.source_id, edges.c.destination_id)
    return statement.order_by(*(each.desc() if query.descending else each for each in by))


def _beyond(
    value: ColumnElement[Any], edges: FromClause, after: tuple[Any, int, int] | None, query: AssociationQuery
) -> Iterator[ColumnElement[bool]]:
    """What follows the place of a page's end."""
    if after is not None:
        place = tuple_(value, edges.c.source_id, edges.c.destination_id)
        given = tuple_(literal(after[0]), literal(after[1]), literal(after[2]))
        yield place < given if query.descending else place > given
        yield value <= after[0] if query.descending else value >= after[0]  # which an index knows


def _of_association(query: AssociationQuery) -> Iterator[ColumnElement[bool]]:
    """What is asked of associations themselves."""
    equal = ((_edges.source_id, query.source), (_edges.destination_id, query.destination), (_edges.type, query.type))
    yield from (column == wanted for column, wanted in equal if wanted is not None)
    if query.type is not None and query.type not in MADE:
        yield _edges.is_made == literal_column("0")  # by whose index the few are found
    if query.created_after is not None:
        yield _edges.created_at > query.created_after
    if query.created_before is not None:
        yield _edges.created_at < query.created_before


def _of_few(connection: Connection, query: AssociationQuery) -> Iterator[ColumnElement[bool]]:
    """Where an end is to be of a type that few entities with few associations have: one of these."""
    for end, type in ((_edges.source_id, query.source_type), (_edges.destination_id, query.destination_type)):
        if type is None or type in TYPES.values():
            continue
        of_it = select(_entities.resource_id).where(_entities.type == type)
        if _are_few(connection, of_it) and _are_few(connection, select(end).where(end.in_(of_it))):
            yield end.in_(of_it)


def _are_few(connection: Connection, some: Select[Any]) -> bool:
    counted = select(func.count()).select_from(some.limit(FEW).subquery())
    return int(connection.execute(counted).scalar_one()) < FEW


def _listing(query: AssociationQuery, edges: FromClause, dialect: str) -> tuple[ColumnElement[Any], Select[Any]]:
    """The value that is sorted by, and the statement without an order."""
    source, destination = schema.resource.alias("source"), schema.resource.alias("destination")
    above, below = schema.entity.alias("above"), schema.entity.alias("below")
    source_type, destination_type = _type(source, above), _type(destination, below)
    is_made = query.type is None or query.type in MADE  # others are few: to sort them takes no time
    value = {
        "CreationTime": edges.c.created_at if is_made else by_value(edges.c.created_at, dialect),
        "SourceArn": _name(source),
        "DestinationArn": _name(destination),
        "SourceType": func.coalesce(source_type, ""),
        "DestinationType": func.coalesce(destination_type, ""),
    }[query.sort_by]
    if query.sort_by != "CreationTime" and dialect == "postgresql":
        value = collate(value, "C")
    joined = (
        edges.join(source, source.c.id == edges.c.source_id)
        .join(destination, destination.c.id == edges.c.destination_id)
        .outerjoin(above, above.c.resource_id == source.c.id)
        .outerjoin(below, below.c.resource_id == destination.c.id)
    )
    statement = select(
        edges,
        value.label("value"),
        source_type.label("source_type"),
        destination_type.label("destination_type"),
    ).select_from(joined)
    equal = (
        (by_value(source.c.account, dialect), query.account),
        (by_value(source.c.region, dialect), query.region),
        (source_type, query.source_type),
        (destination_type, query.destination_type),
    )
    return value, statement.where(*(column == wanted for column, wanted in equal if wanted is not None))


def _type(resource: FromClause, entity: FromClause) -> ColumnElement[Any]:
    return case(*((resource.c.kind == kind, type) for kind, type in TYPES.items()), else_=entity.c.type)


def _name(resource: FromClause) -> ColumnElement[Any]:
    """The end of an ARN."""
    component = f"{Kind.TRIAL_COMPONENT}/" + func.lower(resource.c.name) + COMPONENT_OF_JOB
    return case((resource.c.kind.in_(sorted(TRAINED)), component), else_=resource.c.kind + "/" + resource.c.key)
