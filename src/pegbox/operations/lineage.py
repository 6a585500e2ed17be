"""QueryLineage, and the one lineage group that there is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from pegbox.domain import lineage
from pegbox.domain.lineage import Link, Walk
from pegbox.errors import ResourceNotFound, ValidationException
from pegbox.operations.call import Call
from pegbox.operations.lineage_view import GROUP, LINEAGE_TYPES, group_arn, vertex, vertex_arn, vertex_type
from pegbox.operations.paging import invalid, is_integer, opened, sealed
from pegbox.operations.tracing import catch_up
from pegbox.store.base import Transaction
from pegbox.store.resources import Resource
from pegbox.wire.registry import operation

if TYPE_CHECKING:
    from types_boto3_sagemaker.type_defs import (
        DescribeLineageGroupRequestTypeDef,
        ListLineageGroupsRequestTypeDef,
        QueryLineageRequestTypeDef,
    )

DEFAULT_SIZE = 50  #: MaxResults, at most as many
_WAYS: Mapping[str, Collection[bool]] = {"Descendants": (True,), "Ascendants": (False,), "Both": (True, False)}

Vertices = dict[int, tuple[Resource, str | None]]  #: with their types


@operation
def query_lineage(request: QueryLineageRequestTypeDef, call: Call) -> dict[str, Any]:
    """What an entity comes from, what came of it, or both: whatever is reached over associations."""
    wanted = cast(dict[str, Any], request)
    depth, size = _bound(wanted, "MaxDepth", lineage.DEEPEST), _bound(wanted, "MaxResults", DEFAULT_SIZE)
    asked = {name: value for name, value in wanted.items() if name not in ("NextToken", "MaxResults")}
    query = (call.account, call.region, asked)
    after = _after(request.get("NextToken"), query)
    if not (starts := request.get("StartArns")):
        raise ValidationException("QueryLineage needs one of StartArns: the entity to begin at.")
    catch_up(call)
    with call.store.reading() as tx:
        walk = Walk(vertex(tx, starts[0], call).id, _WAYS[request.get("Direction") or "Both"])
        if request.get("IncludeEdges"):
            matching = list(_matching(wanted, walk, depth, tx))
            walk.keep(matching, depth)
            return _page(walk, list(walk.distances), after, size, query, tx)
        found = _enough(_matching(wanted, walk, depth, tx), walk, after, size)
        walk.links = {}  # over which it came, which nobody has asked for
        return _page(walk, found, after, size, query, tx)


@operation
def list_lineage_groups(request: ListLineageGroupsRequestTypeDef, call: Call) -> dict[str, Any]:
    """The one group of all entities of an account and region."""
    if request.get("NextToken") is not None:
        raise invalid()
    return {"LineageGroupSummaries": [_group(call)]}


@operation
def describe_lineage_group(request: DescribeLineageGroupRequestTypeDef, call: Call) -> dict[str, Any]:
    """About the one group."""
    if request["LineageGroupName"] != GROUP:
        raise ResourceNotFound(f"Lineage group '{request['LineageGroupName']}' does not exist.")
    return _group(call)


def _group(call: Call) -> dict[str, Any]:
    return {"LineageGroupName": GROUP, "LineageGroupArn": group_arn(call), "DisplayName": GROUP}


def _bound(request: Mapping[str, Any], name: str, most: int) -> int:
    value: int = request.get(name, most)
    if value < 1:
        raise ValidationException(f"{name} [{value}] must be greater than or equal to 1.")
    return value


def _matching(request: Mapping[str, Any], walk: Walk, depth: int, tx: Transaction) -> Iterator[int]:
    """Those that the filters let through, the nearest first: they choose what is told, not what is walked over."""
    passes = _filter(request.get("Filters") or {})
    try:
        for level in walk.levels(tx.graph.links, depth):
            if passes is None:
                yield from sorted(level)
                continue
            for some in _pieces(sorted(level)):
                vertices = _vertices(some, tx)
                yield from (each for each in some if each in vertices and passes(*vertices[each]))
    except lineage.TooMany:
        raise ValidationException(
            f"The query comes to more than {lineage.MOST_LINKS} associations: give a smaller MaxDepth or one Direction."
        ) from None


def _enough(matching: Iterator[int], walk: Walk, after: tuple[int, int] | None, size: int) -> list[int]:
    """As many as a page needs, and one more: then the walk need not go on."""
    later = (each for each in matching if after is None or (walk.distances[each], each) > after)
    return list(islice(later, size + 1))


def _pieces(identities: Collection[int]) -> Iterator[list[int]]:
    left = iter(identities)
    while piece := list(islice(left, lineage.AT_ONCE)):
        yield piece


def _filter(filters: Mapping[str, Any]) -> Callable[[Resource, str | None], bool] | None:
    if not filters:
        return None
    types, lineage_types = filters.get("Types"), filters.get("LineageTypes")
    properties = (filters.get("Properties") or {}).items()
    times = (
        (filters.get("CreatedAfter"), filters.get("CreatedBefore"), "created_at"),
        (filters.get("ModifiedAfter"), filters.get("ModifiedBefore"), "modified_at"),
    )

    def passes(row: Resource, type: str | None) -> bool:
        if (types and type not in types) or (lineage_types and LINEAGE_TYPES[row.kind] not in lineage_types):
            return False
        for after, before, column in times:
            at = getattr(row, column)
            if (after is not None and at <= after) or (before is not None and at >= before):
                return False
        has = row.document.get("Properties") or {}
        return not properties or any(has.get(name) == value for name, value in properties)

    return passes


def _vertices(identities: Collection[int], tx: Transaction) -> Vertices:
    rows, types = tx.graph.rows(identities), tx.graph.types(identities)
    return {identity: (row, vertex_type(row, types)) for identity, row in rows.items()}


def _page(
    walk: Walk, shown: Collection[int], after: tuple[int, int] | None, size: int, query: object, tx: Transaction
) -> dict[str, Any]:
    """The nearest first, of equally near ones the oldest; an association comes with its farther end."""

    def place(identity: int) -> tuple[int, int]:
        return walk.distances[identity], identity

    later = sorted(
        (each for each in shown if walk.distances[each] and (after is None or place(each) > after)), key=place
    )
    page = later[:size]
    vertices = _vertices(page, tx)
    told = set(page)
    links = [link for link in walk.links if max(link.source, link.destination, key=place) in told]
    ends = tx.graph.rows({end for link in links for end in (link.source, link.destination)})
    token = {"NextToken": sealed(query, place(page[-1]))} if len(later) > size else {}
    return {
        "Vertices": [_vertex(*vertices[each]) for each in page if each in vertices],
        "Edges": [_edge(link, ends) for link in links if link.source in ends and link.destination in ends],
        **token,
    }


def _vertex(row: Resource, type: str | None) -> dict[str, Any]:
    return {"Arn": vertex_arn(row), "Type": type, "LineageType": LINEAGE_TYPES[row.kind]}


def _edge(link: Link, ends: Mapping[int, Resource]) -> dict[str, Any]:
    return {
        "SourceArn": vertex_arn(ends[link.source]),
        "DestinationArn": vertex_arn(ends[link.destination]),
        "AssociationType": link.type,
    }


def _after(token: str | None, query: object) -> tuple[int, int] | None:
    place = opened(token, query, 2)
    if place is None:
        return None
    if not all(map(is_integer, place)):
        raise invalid()
    return place[0], place[1]
