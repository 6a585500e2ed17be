"""What models, endpoint configurations and endpoints have in common: their names, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf, nextafter
from typing import Any

from pegbox.errors import ValidationException
from pegbox.operations.call import Call
from pegbox.operations.paging import listing
from pegbox.store.base import AlreadyExists, NotFound, Transaction
from pegbox.store.queries import Query
from pegbox.store.resources import Kind, Resource

NOUNS = {Kind.MODEL: "model", Kind.ENDPOINT_CONFIG: "endpoint configuration", Kind.ENDPOINT: "endpoint"}
_SORT = {"Name": "name", "CreationTime": "created_at", "Status": "status"}


def new(kind: Kind, name: str, document: Mapping[str, Any], call: Call, **more: Any) -> Resource:
    """A row of something that no engine works on."""
    now = round(call.clock(), 3)  # as it is told: a client may filter by it
    return Resource(
        account=call.account,
        region=call.region,
        kind=kind,
        name=name,
        created_at=now,
        modified_at=now,
        ended_at=now,
        document=document,
        **{"status": "", **more},
    )


def insert(tx: Transaction, row: Resource) -> Resource:
    """Add it.  Raises ValidationException if its name is taken; SDKs look for these words."""
    try:
        return tx.insert(row)
    except AlreadyExists as error:
        taken = replace(row, name=error.existing).arn
        raise ValidationException(f'Cannot create already existing {NOUNS[row.kind]} "{taken}".') from None


def get(tx: Transaction, kind: Kind, name: str, call: Call) -> Resource:
    """Find it.  Raises ValidationException, which SDKs and waiters know by these words."""
    try:
        return tx.get(call.account, call.region, kind, name)
    except NotFound:
        missing = call.arn(kind, name)
        raise ValidationException(f'Could not find {NOUNS[kind]} "{missing}".') from None


def newest_first(request: Mapping[str, Any], kind: Kind, call: Call) -> Query:
    """The query of a List request: by time of creation unless asked otherwise, and descending."""
    query = listing(
        request,
        kind,
        call,
        sort_by=_SORT[request.get("SortBy") or "CreationTime"],
        descending=request.get("SortOrder") != "Ascending",
    )
    return replace(query, created_after=_from(query.created_after), modified_after=_from(query.modified_after))


def _from(moment: float | None) -> float | None:
    """Of these resources "after" means "at or after" (API reference, ListModels)."""
    return None if moment is None else nextafter(moment, -inf)
