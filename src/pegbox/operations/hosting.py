"""What models, endpoint configurations and endpoints have in common: their names, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf, nextafter
from typing import Any

from pegbox.errors import ValidationException
from pegbox.operations.call import Call
from pegbox.operations.paging import listing, page
from pegbox.store.base import AlreadyExists, NotFound, Transaction, changing
from pegbox.store.queries import Page
from pegbox.store.resources import Kind, Resource

NOUNS = {Kind.MODEL: "model", Kind.ENDPOINT_CONFIG: "endpoint configuration", Kind.ENDPOINT: "endpoint"}
_SORT = {"Name": "name", "CreationTime": "created_at", "Status": "status"}


def new(kind: Kind, name: str, document: Mapping[str, Any], call: Call) -> Resource:
    """A row of something that is asked for now, to the millisecond as it is told: a client may filter by it."""
    return Resource.kept(kind, name, document, call, round(call.clock(), 3))


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


def found(kind: Kind, name: str, call: Call) -> Resource:
    """The same, by itself."""
    with call.store.reading() as tx:
        return get(tx, kind, name, call)


def delete(kind: Kind, name: str, call: Call) -> None:
    """Forget it; what was made with it stays.  Raises ValidationException."""

    def delete(tx: Transaction) -> None:
        tx.alone()  # of several who delete it the others find nothing
        tx.delete(get(tx, kind, name, call).id)

    changing(call.store, delete)


def listed(request: Mapping[str, Any], kind: Kind, call: Call) -> tuple[Page, dict[str, str]]:
    """The page that a request asks for, the newest first unless asked otherwise, and the answer's NextToken."""
    query = listing(
        request,
        kind,
        call,
        sort_by=_SORT[request.get("SortBy") or "CreationTime"],
        descending=request.get("SortOrder") != "Ascending",
    )
    query = replace(query, created_after=_from(query.created_after), modified_after=_from(query.modified_after))
    with call.store.reading() as tx:
        return page(request, query, tx)


def _from(moment: float | None) -> float | None:
    """Of these resources "after" means "at or after" (API reference, ListModels)."""
    return None if moment is None else nextafter(moment, -inf)
