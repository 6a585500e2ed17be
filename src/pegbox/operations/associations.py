"""Associations between entities of lineage.  (API reference, AddAssociation, ListAssociations, DeleteAssociation.)"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from pegbox.domain.lineage import Link
from pegbox.errors import ResourceLimitExceeded, ResourceNotFound, ValidationException
from pegbox.naming import name_of
from pegbox.operations import automatic
from pegbox.operations.call import Call
from pegbox.operations.experiments_view import NOBODY
from pegbox.operations.lineage_view import EXPERIMENTAL, vertex, vertex_arn, vertex_name
from pegbox.operations.paging import DEFAULT_SIZE, invalid, is_integer, opened, sealed
from pegbox.operations.tracing import catch_up
from pegbox.store.base import NotFound, changing
from pegbox.store.graph import AssociationQuery, Ends
from pegbox.store.resources import Kind, Resource
from pegbox.wire.registry import operation

if TYPE_CHECKING:
    from types_boto3_sagemaker.type_defs import (
        AddAssociationRequestTypeDef,
        DeleteAssociationRequestTypeDef,
        ListAssociationsRequestTypeDef,
    )

MOST = 6000  #: that requests make (developer guide, "Manually Create Tracking Entities")


@operation
def add_association(request: AddAssociationRequestTypeDef, call: Call) -> dict[str, str]:
    """Associate two entities: artifacts, actions, contexts, experiments, trial components."""
    catch_up(call)  # a job may have made it
    for end in (request["SourceArn"], request["DestinationArn"]):
        if call.owns(Kind.EXPERIMENT, end):
            automatic.follow_named(Kind.EXPERIMENT, name_of(end), call)
    with call.store.transaction() as tx:
        source = vertex(tx, request["SourceArn"], call)
        destination = vertex(tx, request["DestinationArn"], call)
        if source.id == destination.id:
            raise ValidationException("An entity can't be associated with itself.")
        if source.kind in EXPERIMENTAL and destination.kind in EXPERIMENTAL:
            raise ValidationException("Two experiment entities can't be associated with each other.")
        used = tx.graph.connected_by_requests(call.account, call.region)
        if used >= MOST:
            raise ResourceLimitExceeded(
                "Number of associations", "Associations", limit=MOST, used=used, wanted=1, setting=None
            )
        ends = {"SourceArn": vertex_arn(source), "DestinationArn": vertex_arn(destination)}
        between = f"{ends['SourceArn']} and {ends['DestinationArn']}"
        try:
            is_new = tx.graph.connect(Link(source.id, destination.id, request.get("AssociationType")), call.clock())
        except NotFound:
            raise ResourceNotFound(f"One of {between} does not exist any more.") from None
        if not is_new:
            raise ValidationException(f"The association between {between} already exists.")
    return ends


@operation
def list_associations(request: ListAssociationsRequestTypeDef, call: Call) -> dict[str, Any]:
    """Associations of all entities or of one, the newest first unless asked otherwise."""
    catch_up(call)
    query = AssociationQuery(
        account=call.account,
        region=call.region,
        source=_id(request.get("SourceArn"), call),
        destination=_id(request.get("DestinationArn"), call),
        source_type=request.get("SourceType"),
        destination_type=request.get("DestinationType"),
        type=request.get("AssociationType"),
        created_after=cast(float | None, request.get("CreatedAfter")),
        created_before=cast(float | None, request.get("CreatedBefore")),
        sort_by=request.get("SortBy") or "CreationTime",
        descending=request.get("SortOrder") != "Ascending",
    )
    after = _after(request.get("NextToken"), query)
    with call.store.reading() as tx:
        found, place = tx.graph.associations(query, after, request.get("MaxResults") or DEFAULT_SIZE)
    token = {} if place is None else {"NextToken": sealed(query, place)}
    return {"AssociationSummaries": [_summary(each) for each in found], **token}


@operation
def delete_association(request: DeleteAssociationRequestTypeDef, call: Call) -> Mapping[str, str]:
    """End an association."""
    catch_up(call)

    def delete(tx: Any) -> dict[str, str]:
        source, destination = vertex(tx, request["SourceArn"], call), vertex(tx, request["DestinationArn"], call)
        ends = {"SourceArn": vertex_arn(source), "DestinationArn": vertex_arn(destination)}
        if not tx.graph.disconnect(source.id, destination.id):
            raise ResourceNotFound(
                f"The association between {ends['SourceArn']} and {ends['DestinationArn']} does not exist."
            )
        return ends

    return changing(call.store, delete)


def _id(named: str | None, call: Call) -> int | None:
    if named is None:
        return None
    with call.store.reading() as tx:
        return vertex(tx, named, call).id


def _after(token: str | None, query: AssociationQuery) -> tuple[Any, int, int] | None:
    place = opened(token, query, 3)
    if place is None:
        return None
    value, source, destination = place
    fits = (
        isinstance(value, float) and math.isfinite(value)
        if query.sort_by == "CreationTime"
        else isinstance(value, str) and value.isascii() and value.isprintable()
    )
    if not (fits and is_integer(source) and is_integer(destination)):
        raise invalid()
    return value, source, destination


def _summary(each: Ends) -> dict[str, Any]:
    return {
        "SourceArn": vertex_arn(each.source),
        "DestinationArn": vertex_arn(each.destination),
        "SourceType": each.source_type,
        "DestinationType": each.destination_type,
        "AssociationType": each.type,
        "SourceName": _name(each.source),
        "DestinationName": _name(each.destination),
        "CreationTime": each.created_at,
        "CreatedBy": NOBODY,
    }


def _name(row: Resource) -> str | None:
    """An artifact has one only if a request has given it one."""
    if row.kind is Kind.ARTIFACT:
        name: str | None = row.document.get("ArtifactName")
        return name
    return vertex_name(row)
