"""Rows to resources and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pegbox.store.base import Kind, Resource
from pegbox.store.schema import resource

_PLAIN = (
    "account", "region", "name", "parent_id", "number", "status", "outcome", "objective",
    "created_at", "modified_at", "ended_at", "host", "due_at", "epoch", "version",
)  # fmt: skip

CHANGING = ("status", "outcome", "objective", "modified_at", "ended_at", "host", "state")


_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_ALL = [column.name for column in resource.columns]


def to_resource(row: Sequence[Any], names: Sequence[str] = _ALL) -> Resource:
    """A resource from a row of these columns; if the document is not among them it stays empty."""
    got = dict(zip(names, row, strict=True))
    return Resource(
        id=got["id"],
        kind=Kind(got["kind"]),
        document=json.loads(got["document"]) if "document" in got else {},
        state=json.loads(got["state"]),
        **{name: got[name] for name in _PLAIN},
    )


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
