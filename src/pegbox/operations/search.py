"""Search: what has the wanted properties; and which properties there are."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from pegbox.domain import query
from pegbox.domain.suggestions import suggestions
from pegbox.errors import ServiceUnavailable, ValidationException
from pegbox.operations import automatic
from pegbox.operations.call import Call
from pegbox.operations.catalogs import CONTAINS_FREELY, KINDS, Searched, searched
from pegbox.operations.indexing import catch_up
from pegbox.operations.records import record
from pegbox.store.queries import Found, Place, Search
from pegbox.store.resources import Kind
from pegbox.wire.records import member_of
from pegbox.wire.registry import operation

if TYPE_CHECKING:
    from types_boto3_sagemaker.type_defs import GetSearchSuggestionsRequestTypeDef, SearchRequestTypeDef

DEFAULT_SIZE = 10
SECONDS = 1.0  #: that a search spends on what was written and is not indexed yet
LONGEST = 5.0  #: the same, on what was there when it began: an answer with a part of that would be a wrong one
NOTHING: Mapping[str, Any] = {"Results": [], "TotalHits": {"Value": 0, "Relation": "EqualTo"}}


@operation
def search(request: SearchRequestTypeDef, call: Call) -> Mapping[str, Any]:
    """Find jobs, experiments, trials, models, endpoints and so on by any of their properties, and sort them."""
    resource = request["Resource"]
    if resource not in KINDS or request.get("CrossAccountFilterOption") == "CrossAccount":
        return NOTHING
    if call.one_contains:
        query.check_contains(request.get("SearchExpression"), CONTAINS_FREELY.get(resource, ()))
    wanted = _search(cast(dict[str, Any], request), searched(resource), KINDS[resource], call)
    if not _bring_up_to_date(wanted.kind, call, LONGEST):
        raise ServiceUnavailable("Many resources are being indexed. Please try your request again.")
    with call.store.reading() as tx:
        found = tx.search(wanted)
        results = [{member_of(resource): record(row, tx, call.clock())} for row in found.resources]
    relation = "EqualTo" if found.exact else "GreaterThanOrEqualTo"
    token = {} if found.after is None else {"NextToken": _token(wanted, found)}
    return {"Results": results, "TotalHits": {"Value": found.total, "Relation": relation}, **token}


@operation
def get_search_suggestions(request: GetSearchSuggestionsRequestTypeDef, call: Call) -> dict[str, Any]:
    """Names of properties that contain a text; without one, those that most resources have."""
    resource = request["Resource"]
    if resource not in KINDS:
        return {"PropertyNameSuggestions": []}
    kind = KINDS[resource]
    asked = request.get("SuggestionQuery", {}).get("PropertyNameQuery")
    _bring_up_to_date(kind, call)
    with call.store.reading() as tx:
        known = tx.property_names(call.account, call.region, kind)
    hint = None if asked is None else asked["PropertyNameHint"]
    found = suggestions(hint, searched(resource).catalog, known)
    return {"PropertyNameSuggestions": [{"PropertyName": name} for name in found]}


def _bring_up_to_date(kind: Kind, call: Call, longest: float = SECONDS) -> bool:
    """What a client was told is written is found by its next search; False if that would take too long.

    What is written meanwhile need not be found.
    """
    began, until = call.clock(), time.monotonic() + longest
    if kind in automatic.MADE:
        automatic.follow(call)
    # after the training jobs, which they tell of
    kinds = (Kind.TRAINING_JOB, kind) if kind in (Kind.TUNING_JOB, Kind.TRIAL_COMPONENT) else (kind,)
    return all(
        [
            catch_up(call.store, each, SECONDS) or catch_up(call.store, each, until - time.monotonic(), began)
            for each in kinds
        ]
    )


def _search(request: Mapping[str, Any], resource: Searched, kind: Kind, call: Call) -> Search:
    sort_by = request.get("SortBy") or resource.order
    known = resource.catalog.find(sort_by)
    if known is None:
        raise ValidationException(f"Unknown property name: {sort_by}")
    wanted = Search(
        account=call.account,
        region=call.region,
        kind=kind,
        wanted=query.parse(request.get("SearchExpression"), request.get("VisibilityConditions"), resource.catalog),
        sort_by=known[0],
        descending=request.get("SortOrder") != "Ascending",
        anchor=resource.anchor,
        lists=resource.several,
        limit=request.get("MaxResults") or DEFAULT_SIZE,
    )
    return replace(wanted, after=_after(request.get("NextToken"), wanted))


def _token(wanted: Search, found: Found) -> str:
    assert found.after is not None
    return base64.urlsafe_b64encode(json.dumps([_mark(wanted), *found.after]).encode()).decode()


def _after(token: str | None, wanted: Search) -> Place | None:
    if token is None:
        return None
    try:
        mark, part, value, identity = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        fits = mark == _mark(wanted) and _is_place(part, value, identity)
    except (ValueError, TypeError, RecursionError):
        fits = False
    if not fits:
        raise ValidationException("NextToken is not valid, or belongs to a request with other filters.")
    return Place(part, value, identity)


def _is_place(part: Any, value: Any, identity: Any) -> bool:
    if not isinstance(identity, int) or isinstance(identity, bool) or abs(identity) >= 2**63:
        return False
    if part == "txt":
        return (
            isinstance(value, str) and "\x00" not in value and not any("\ud800" <= sign <= "\udfff" for sign in value)
        )
    return part in ("num", "none") and isinstance(value, float) and math.isfinite(value)


def _mark(wanted: Search) -> str:
    """What a token is bound to: everything but where and how long the page is."""
    bound = (wanted.account, wanted.region, wanted.kind, wanted.wanted, wanted.sort_by, wanted.descending)
    return hashlib.sha256(repr(bound).encode()).hexdigest()[:16]
