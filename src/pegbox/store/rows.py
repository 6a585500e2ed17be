"""Rows to resources and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import structlog

from pegbox.store.resources import Kind, Resource
from pegbox.store.schema import resource

_PLAIN = (
    "account", "region", "name", "parent_id", "number", "status", "outcome", "objective",
    "created_at", "modified_at", "ended_at", "host", "due_at", "epoch", "version",
)  # fmt: skip

CHANGING = ("status", "outcome", "objective", "modified_at", "ended_at", "host", "state")


MOST_KNOWN = 256  #: documents of rows that are claimed again and again
LONGEST_KNOWN = 1 << 16  #: characters of one of them

log = structlog.get_logger()

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode
_KINDS = {kind.value: kind for kind in Kind}
_ALL = [column.name for column in resource.columns]
ID, _DOCUMENT, _STATE = (_ALL.index(name) for name in ("id", "document", "state"))


def to_resource(
    row: Sequence[Any], names: Sequence[str] = _ALL, parse: Callable[[str], Mapping[str, Any]] = json.loads
) -> Resource:
    """A resource from a row of these columns; if the document is not among them it stays empty."""
    got = dict(zip(names, row, strict=True))
    return Resource(
        id=got["id"],
        kind=_KINDS[got["kind"]],
        document=parse(got["document"]) if "document" in got else {},
        state=json.loads(got["state"]),
        **{name: got[name] for name in _PLAIN},
    )


def claimed(rows: Iterable[Sequence[Any]]) -> Iterator[Resource]:
    """Resources from whole rows that are claimed; their documents, which seldom change, are not parsed each time."""
    return readable(rows, partial(to_resource, parse=_parsed))


def readable(
    rows: Iterable[Sequence[Any]], parse: Callable[[Sequence[Any]], Resource] = to_resource
) -> Iterator[Resource]:
    """Resources from whole rows, without those whose JSON somebody has spoilt: one is not to be in the way of all."""
    for row in rows:
        try:
            found = parse(row)
        except ValueError:
            kind, name = (row[_ALL.index(column)] for column in ("kind", "name"))
            log.error("a row of the database cannot be read: see pegbox doctor", kind=kind, job=name)
        else:
            yield found


def _parsed(document: str) -> Mapping[str, Any]:
    return _known(document) if len(document) <= LONGEST_KNOWN else json.loads(document)


@lru_cache(MOST_KNOWN)
def _known(document: str) -> Mapping[str, Any]:
    known: Mapping[str, Any] = json.loads(document)
    return known


def text_length(row: Sequence[Any]) -> int:
    """Characters of the JSON in a whole row: what reading and showing it takes grows with them."""
    return len(row[_DOCUMENT]) + len(row[_STATE])


def changed_columns(resource: Resource) -> dict[str, Any]:
    """What save writes: all that changes during the life of a resource, but its lease and version."""
    values = {name: getattr(resource, name) for name in CHANGING}
    return values | {"state": to_json(resource.state)}


def to_columns(resource: Resource) -> dict[str, Any]:
    """What insert writes."""
    return {
        "account": resource.account,
        "region": resource.region,
        "kind": resource.kind.value,
        "name": resource.name,
        "key": resource.name.lower(),
        "parent_id": resource.parent_id,
        "number": resource.number,
        "created_at": resource.created_at,
        "document": to_json(resource.document),
        "due_at": resource.due_at,
        **changed_columns(resource),
    }


def to_json(value: Mapping[str, Any]) -> str:
    """A document as it is stored."""
    return _encode(value)
