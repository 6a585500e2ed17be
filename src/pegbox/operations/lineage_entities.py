"""What artifacts, actions and contexts have in common: added, listed, changed and removed the same way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pegbox.errors import ResourceLimitExceeded, ValidationException
from pegbox.operations import entities
from pegbox.operations.call import Call
from pegbox.operations.lineage_view import entity, vertex_arn
from pegbox.operations.tracing import catch_up
from pegbox.store.base import AlreadyExists, Transaction, changing
from pegbox.store.graph import Entity
from pegbox.store.queries import Page
from pegbox.store.resources import Kind, Resource

#: of what requests make; what the service makes does not count (developer guide, "Manually Create Tracking Entities")
MOST = {Kind.ARTIFACT: 6000, Kind.ACTION: 3000, Kind.CONTEXT: 500}


def insert(row: Resource, type: str, call: Call) -> Resource:
    """Add what a request has described.  Raises ValidationException if it is there, ResourceLimitExceeded."""
    noun = entities.NOUNS[row.kind]
    with call.store.transaction() as tx:
        used = tx.graph.made_by_requests(call.account, call.region, row.kind)
        if used >= MOST[row.kind]:
            raise ResourceLimitExceeded(
                f"Number of {noun.lower()}s", f"{noun}s", limit=MOST[row.kind], used=used, wanted=1, setting=None
            )
        try:
            return tx.graph.add(Entity(row=row, type=type, source=row.document["Source"]["SourceUri"]))
        except AlreadyExists:
            taken = vertex_arn(tx.get(row.account, row.region, row.kind, row.name))
            raise ValidationException(f"{noun} ({taken}) already exists.") from None


def found(named: str, kind: Kind, call: Call) -> Resource:
    """The one of a name or an ARN.  Raises ResourceNotFound."""
    with call.store.reading() as tx:
        return entity(tx, kind, named, call)


def listed(request: Mapping[str, Any], kind: Kind, type: str | None, call: Call) -> tuple[Page, dict[str, str]]:
    """The page that a request asks for, the newest first unless asked otherwise, and the answer's NextToken."""
    catch_up(call)
    with call.store.reading() as tx:
        return entities.listed(request, kind, tx, call, type=type, source=request.get("SourceUri"))


def update(named: str, kind: Kind, request: Mapping[str, Any], call: Call) -> str:
    """Replace members and properties, and remove properties; returns the ARN.  Raises ResourceNotFound."""
    naming = ("ArtifactArn", "ActionName", "ContextName", "PropertiesToRemove")
    new = {name: value for name, value in request.items() if name not in naming}

    def change(tx: Transaction) -> str:
        row = entity(tx, kind, named, call)
        document = {**row.document, **new}
        removed = frozenset(request.get("PropertiesToRemove") or ())
        kept = {key: value for key, value in (document.get("Properties") or {}).items() if key not in removed}
        entities.change(tx, row, {**document, "Properties": kept}, call)
        return vertex_arn(row)

    return changing(call.store, change)


def delete(named: str, kind: Kind, call: Call) -> str:
    """Remove it; returns its ARN.  Raises ResourceNotFound, and ValidationException while it has associations."""

    def remove(tx: Transaction) -> str:
        tx.alone()
        tx.graph.alone()  # what a job is about to be associated with is not to be gone in between
        row = entities.held(tx, kind, entity(tx, kind, named, call).name, call)  # nobody associates it meanwhile
        if tx.graph.is_connected(row.id):
            raise ValidationException(
                f"{entities.NOUNS[kind]} ({vertex_arn(row)}) can't be deleted while it has associations: "
                "call DeleteAssociation for each of them first."
            )
        tx.delete(row.id)
        return vertex_arn(row)

    return changing(call.store, remove)
