"""NextToken: opaque, and bound to the query that it continues."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pegbox.errors import ValidationException
from pegbox.operations.call import Call
from pegbox.store.base import Transaction
from pegbox.store.queries import Page, Query
from pegbox.store.resources import Kind

DEFAULT_SIZE = 10


def page(request: Mapping[str, Any], query: Query, tx: Transaction) -> tuple[Page, dict[str, str]]:
    """The page that a List request asks for, and the answer's NextToken, if any."""
    after = _after(request.get("NextToken"), query)
    found = tx.select(query, after, request.get("MaxResults") or DEFAULT_SIZE)
    return found, {} if found.after is None else {"NextToken": _token(query, found.after)}


def listing(request: Mapping[str, Any], kind: Kind, call: Call, **fixed: Any) -> Query:
    """The query of a List request: its filters, and what the operation adds."""
    return Query(
        account=call.account,
        region=call.region,
        kind=kind,
        name_contains=request.get("NameContains"),
        status=request.get("StatusEquals"),
        created_after=request.get("CreationTimeAfter"),
        created_before=request.get("CreationTimeBefore"),
        modified_after=request.get("LastModifiedTimeAfter"),
        modified_before=request.get("LastModifiedTimeBefore"),
        **fixed,
    )


def _token(query: Query, after: tuple[Any, int]) -> str:
    return sealed(query, after)


def _after(token: str | None, query: Query) -> tuple[Any, int] | None:
    place = opened(token, query, 2)
    if place is None:
        return None
    value, identity = place
    if not (_is_sort_value(value, query) and is_integer(identity)):
        raise invalid()
    return value, identity


def sealed(query: object, place: Iterable[Any]) -> str:
    """The NextToken of a place, bound to a query."""
    return base64.urlsafe_b64encode(json.dumps([_mark(query), *place]).encode()).decode()


def opened(token: str | None, query: object, length: int) -> Sequence[Any] | None:
    """The place that a NextToken names, so many values.  Raises ValidationException if it is of another query."""
    if token is None:
        return None
    try:
        mark, *found = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (ValueError, TypeError, RecursionError):
        raise invalid() from None
    place: list[Any] = found
    if mark != _mark(query) or len(place) != length:
        raise invalid()
    return place


def invalid() -> ValidationException:
    """What is said of a NextToken that cannot be used."""
    return ValidationException("NextToken is not valid, or belongs to a request with other filters.")


def _is_sort_value(value: Any, query: Query) -> bool:
    if query.sort_by in ("name", "status"):
        return isinstance(value, str) and value.isascii() and value.isprintable()
    return (isinstance(value, float) and math.isfinite(value)) or is_integer(value)


def is_integer(value: Any) -> bool:
    """Whether a database takes it for an integer."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _mark(query: object) -> str:
    return hashlib.sha256(repr(query).encode()).hexdigest()[:16]
