"""A value against an output shape: what leaves the server is exactly what the model has."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

#: kinds of shapes whose values go out unchanged
_AS_THEY_ARE = frozenset(("string", "boolean", "integer", "long", "float", "double"))


def dump(value: Any, shape: Shape, timestamp: Callable[[float], Any]) -> Any:
    """The wire value of `value`: unknown keys and absent members dropped, times rendered by `timestamp`.

    Times may be epoch seconds or aware datetimes; bytes become base64.
    """
    if isinstance(shape, StructureShape):
        return _structure(value, shape, timestamp)
    if isinstance(shape, MapShape):
        return {key: dump(item, shape.value, timestamp) for key, item in value.items()}
    if isinstance(shape, ListShape):
        return [dump(item, shape.member, timestamp) for item in value]
    if shape.type_name == "timestamp":
        return timestamp(value.timestamp() if isinstance(value, datetime) else float(value))
    if shape.type_name == "blob":
        return base64.b64encode(value).decode()
    return value


def _structure(value: Mapping[str, Any], shape: StructureShape, timestamp: Callable[[float], Any]) -> dict[str, Any]:
    members = shape.members
    return {
        name: item if (member := members[name]).type_name in _AS_THEY_ARE else dump(item, member, timestamp)
        for name, item in value.items()
        if item is not None and name in members
    }


def epoch_seconds(at: float) -> float:
    """The JSON protocols' time: epoch seconds with milliseconds."""
    return round(at, 3)
