"""What is written down and then only looked at: made, found, listed and changed the same way, whatever it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pegbox.errors import ResourceNotFound, ValidationException
from pegbox.operations import automatic, tags
from pegbox.operations.call import Call
from pegbox.operations.paging import page
from pegbox.store.base import AlreadyExists, NotFound, Transaction, changing
from pegbox.store.queries import Page, Query
from pegbox.store.resources import Kind, Resource

#: what messages call them
NOUNS = {
    Kind.EXPERIMENT: "Experiment",
    Kind.TRIAL: "Trial",
    Kind.TRIAL_COMPONENT: "Trial component",
    Kind.ARTIFACT: "Artifact",
    Kind.ACTION: "Action",
    Kind.CONTEXT: "Context",
}

#: the members of requests that name them
NAMES = {
    Kind.EXPERIMENT: "ExperimentName",
    Kind.TRIAL: "TrialName",
    Kind.TRIAL_COMPONENT: "TrialComponentName",
    Kind.ACTION: "ActionName",
    Kind.CONTEXT: "ContextName",
}

_SORT = {"Name": "name", "CreationTime": "created_at"}


def unnamed(kind: Kind, request: Mapping[str, Any]) -> dict[str, Any]:
    """What a request says of the one that it names."""
    return {member: value for member, value in request.items() if member != NAMES[kind]}


def new(kind: Kind, request: Mapping[str, Any], call: Call) -> Resource:
    """A row of what a request wants made."""
    document = {**unnamed(kind, request), "Tags": tags.checked(request)}
    return Resource.kept(kind, request[NAMES[kind]], document, call, call.clock())


def insert(tx: Transaction, row: Resource) -> Resource:
    """Write it down.  Raises ValidationException if the name is taken; clients know that by its last two words."""
    try:
        return tx.insert(row)
    except AlreadyExists as error:
        noun, existing = NOUNS[row.kind], replace(row, name=error.existing).arn
        raise ValidationException(
            f"{noun} names must be unique within an AWS account and region. {noun} with name ({existing}) "
            "already exists."
        ) from None


def find(tx: Transaction, kind: Kind, name: str, call: Call) -> Resource:
    """The one of this name.  Raises ResourceNotFound."""
    try:
        return tx.get(call.account, call.region, kind, name)
    except NotFound:
        raise _missing(kind, name) from None


def held(tx: Transaction, kind: Kind, name: str, call: Call) -> Resource:
    """The same; nobody else deletes it before the transaction ends.  Raises ResourceNotFound."""
    row = find(tx, kind, name, call)
    try:
        tx.tracking.hold(row.id)
        return tx.by_id(row.id)  # as it is now
    except NotFound:
        raise _missing(kind, name) from None


def update(kind: Kind, name: str, changed: Callable[[Resource], Mapping[str, Any]], call: Call) -> str:
    """Give one the document that `changed` says; returns its ARN.  Raises ResourceNotFound."""
    automatic.follow_named(kind, name, call)

    def update(tx: Transaction) -> str:
        row = find(tx, kind, name, call)
        change(tx, row, changed(row), call)
        return row.arn

    return changing(call.store, update)


def delete(kind: Kind, name: str, why_not: str, call: Call) -> str:
    """Remove one that nothing is part of, or tell `why_not`; returns its ARN.  Raises ResourceNotFound."""
    automatic.follow_named(kind, name, call)

    def delete(tx: Transaction) -> str:
        tx.alone()
        row = held(tx, kind, name, call)
        if tx.tracking.in_use(row.id):
            raise ValidationException(f"{NOUNS[kind]} '{row.name}' can't be deleted, since {why_not}.")
        tx.delete(row.id)
        if row.parent_id is not None:
            tx.deleted.strip(row.parent_id)
        return row.arn

    return changing(call.store, delete)


def change(tx: Transaction, row: Resource, document: Mapping[str, Any], call: Call) -> None:
    """Give it another document.  Raises Stale."""
    saved = tx.save(replace(row, modified_at=call.clock()))
    tx.rewrite(replace(saved, document=document))


def listed(
    request: Mapping[str, Any], kind: Kind, tx: Transaction, call: Call, **fixed: Any
) -> tuple[Page, dict[str, str]]:
    """The page that a request asks for, by default the newest first, and the answer's NextToken, if any."""
    query = Query(
        account=call.account,
        region=call.region,
        kind=kind,
        sort_by=_SORT[request.get("SortBy") or "CreationTime"],
        descending=request.get("SortOrder") != "Ascending",
        created_after=request.get("CreatedAfter"),
        created_before=request.get("CreatedBefore"),
        **fixed,
    )
    return page(request, query, tx)


def _missing(kind: Kind, name: str) -> ResourceNotFound:
    return ResourceNotFound(f"{NOUNS[kind]} '{name}' does not exist.")
