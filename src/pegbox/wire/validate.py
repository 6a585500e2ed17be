"""A value against a shape of the model: every constraint, worded as AWS words it.

Paths are written as the service writes them: members in lower camel case, list elements as `.1.member`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from pegbox.errors import ValidationException
from pegbox.wire.service import enum_of, matcher, pattern_of

MOST_REPORTED = 20  #: violations listed in one message
MOST_SHOWN = 256  #: characters of an offending value shown

_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (int, float),
    "blob": (str, bytes),
}
EARLIEST, LATEST = -62_135_596_800, 253_402_300_799  #: seconds since 1970: the years 1 to 9999
#: lists that may be longer than the model says: by what Describe adds, since clients send it back; by what makes the
#: values of a batch cheap
_ADDED = {"MetricDefinitionList": 100, "RawMetricDataList": 990}
UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
BITS = {"integer": 31, "long": 63}


def check(value: Mapping[str, Any], shape: Shape | None) -> None:
    """Raise ValidationException naming every violation; return when there is none."""
    if shape is None:
        if value:
            raise ValidationException("1 validation error detected: This operation takes no parameters")
        return
    check_at(value, shape, "")


def check_at(value: Any, shape: Shape, path: str) -> None:
    """The same for a value at a path."""
    found = []
    for violation in violations(value, shape, path):
        found.append(violation)
        if len(found) == MOST_REPORTED:
            break
    if found:
        noun = "error" if len(found) == 1 else "errors"
        raise ValidationException(f"{len(found)} validation {noun} detected: {'; '.join(found)}")


def present(value: Any) -> Any:
    """A checked value without the members that are null: they count as left out."""
    if isinstance(value, dict):
        return {name: present(item) for name, item in value.items() if item is not None}
    return [present(item) for item in value] if isinstance(value, list) else value


def bounds(shape: Shape) -> tuple[float | None, float | None]:
    """The least and the most of a number, or of the length of anything else."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    return low, None if high is None else high + _ADDED.get(shape.name, 0)


def violations(value: Any, shape: Shape, path: str) -> Iterator[str]:
    """Every rule of `shape` that `value` breaks, depth first."""
    expected = _PYTHON_TYPES[shape.type_name]
    fits: bool = isinstance(value, expected)
    if not fits or (isinstance(value, bool) and bool not in expected):
        yield _violation(value, shape, path, f"Member must be of type {shape.type_name}")
    elif isinstance(shape, StructureShape):
        yield from _structure(value, shape, path)
    elif isinstance(shape, MapShape):
        yield from _size(value, shape, path)
        for key, item in value.items():
            yield from violations(key, shape.key, _join(path, "key"))
            yield from violations(item, shape.value, _join(path, f"{key[:64]}.member"))
    elif isinstance(shape, ListShape):
        yield from _size(value, shape, path)
        for position, item in enumerate(value, 1):
            yield from violations(item, shape.member, _join(path, f"{position}.member"))
    else:
        yield from _scalar(value, shape, path)


def _structure(value: Mapping[str, Any], shape: StructureShape, path: str) -> Iterator[str]:
    members = shape.members
    for name in shape.required_members:
        if value.get(name) is None:
            where = _join(path, _camel(name))
            yield f"Value null at '{where}' failed to satisfy constraint: Member must not be null"
    for name, item in value.items():
        if name not in members:
            known = ", ".join(sorted(members)[:40])
            where = _join(path, _camel(name)[:64])
            yield (
                f"Value at '{where}' failed to satisfy constraint: "
                f"Member must be one of the known members of {shape.name}: [{known}]"
            )
        elif item is not None:
            yield from violations(item, members[name], _join(path, _camel(name)))
    if getattr(shape, "is_tagged_union", False) and sum(item is not None for item in value.values()) != 1:
        yield _violation(value, shape, path, "Member must have exactly one member set")


def _scalar(value: Any, shape: Shape, path: str) -> Iterator[str]:
    kind = shape.type_name
    if isinstance(value, float | int) and not -sys.float_info.max <= value <= sys.float_info.max:
        yield _violation(value, shape, path, "Member must be a finite number")
    elif kind == "timestamp" and not EARLIEST <= value <= LATEST:
        yield _violation(value, shape, path, "Member must be a time before the year 10000")
    elif kind in BITS and not -(1 << BITS[kind]) <= value < 1 << BITS[kind]:
        yield _violation(value, shape, path, f"Member must be a {BITS[kind] + 1}-bit number")
    elif kind in ("integer", "long", "float", "double"):
        yield from _bounds(value, value, shape, path, "value")
    elif kind == "string":
        yield from _string(value, shape, path)


def _string(value: str, shape: Shape, path: str) -> Iterator[str]:
    if UNWRITABLE.search(value):
        yield _violation(value, shape, path, "Member must not contain NUL characters or lone surrogates")
        return
    yield from _size(value, shape, path)
    values = enum_of(shape)
    if values and value not in values:
        yield _violation(value, shape, path, f"Member must satisfy enum value set: [{', '.join(values)}]")
    pattern = pattern_of(shape)
    match = matcher(pattern) if pattern else None
    if match is not None and not match(value):
        yield _violation(value, shape, path, f"Member must satisfy regular expression pattern: {pattern}")


def _size(value: Any, shape: Shape, path: str) -> Iterator[str]:
    yield from _bounds(len(value), value, shape, path, "length")


def _bounds(measure: float, value: Any, shape: Shape, path: str, noun: str) -> Iterator[str]:
    low, high = bounds(shape)
    if low is not None and measure < low:
        yield _violation(value, shape, path, f"Member must have {noun} greater than or equal to {low}")
    if high is not None and measure > high:
        told = shape.metadata["max"]
        yield _violation(value, shape, path, f"Member must have {noun} less than or equal to {told}")


def _violation(value: Any, shape: Shape, path: str, rule: str) -> str:
    return f"Value '{_shown(value, shape)}' at '{path}' failed to satisfy constraint: {rule}"


def _shown(value: Any, shape: Shape) -> str:
    if shape.metadata.get("sensitive"):
        return "***Sensitive Data***"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    text = text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
    return text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "..."


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]
