"""Whether a value surely fits a shape of the model.  Almost every request does, and is told so in a fifth of the time
that it takes to look for faults: for each shape the questions are put together once.

`validate` has the last word on whatever is not sure: faults, members that are null, rare types.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from pegbox.wire.service import enum_of, matcher, pattern_of
from pegbox.wire.validate import BITS, EARLIEST, LATEST, UNWRITABLE, bounds, check, present

Fits = Callable[[Any], bool]

_LARGEST = sys.float_info.max
_known: dict[Shape, Fits] = {}  # botocore makes each shape of an operation once, and keeps it


def checked(arguments: dict[str, Any], shape: Shape | None) -> dict[str, Any]:
    """Arguments without the members that are null, which count as left out.

    Raises ValidationException naming every violation.
    """
    if shape is not None and surely(shape)(arguments):
        return arguments
    check(arguments, shape)
    found: dict[str, Any] = present(arguments)
    return found


def surely(shape: Shape) -> Fits:
    """What says whether a value surely fits; put together when it is first asked for."""
    found = _known.get(shape)
    if found is None:
        found = _known[shape] = _made(shape)
    return found


def _made(shape: Shape) -> Fits:
    if isinstance(shape, StructureShape):
        return _never if getattr(shape, "is_tagged_union", False) else _structure(shape)
    if isinstance(shape, ListShape):
        return _list(shape)
    if isinstance(shape, MapShape):
        return _map(shape)
    match shape.type_name:
        case "string":
            return _string(shape)
        case "integer" | "long" | "float" | "double" | "timestamp":
            return _number(shape)
        case "boolean":
            return lambda value: type(value) is bool
    return _never


def _never(value: Any) -> bool:
    return False


def _structure(shape: StructureShape) -> Fits:
    members: Mapping[str, Shape] = shape.members
    required = frozenset(shape.required_members)
    known: dict[str, Fits] = {}  # filled as members are met: shapes may be in themselves

    def fits(value: Any) -> bool:
        if type(value) is not dict or not required <= value.keys():
            return False
        for name, item in value.items():
            member = known.get(name)
            if member is None:
                if name not in members:
                    return False
                member = known[name] = surely(members[name])
            if not member(item):
                return False
        return True

    return fits


def _list(shape: ListShape) -> Fits:
    low, high = _limits(shape)

    def fits(value: Any) -> bool:
        return type(value) is list and low <= len(value) <= high and all(map(surely(shape.member), value))

    return fits


def _map(shape: MapShape) -> Fits:
    low, high = _limits(shape)

    def fits(value: Any) -> bool:
        return (
            type(value) is dict
            and low <= len(value) <= high
            and all(map(surely(shape.key), value))
            and all(map(surely(shape.value), value.values()))
        )

    return fits


def _string(shape: Shape) -> Fits:
    low, high = _limits(shape)
    values, pattern = frozenset(enum_of(shape)), pattern_of(shape)
    match = matcher(pattern) if pattern else None
    is_unwritable: Callable[[str], re.Match[str] | None] = UNWRITABLE.search

    def fits(value: Any) -> bool:
        return (
            type(value) is str
            and low <= len(value) <= high
            and (not values or value in values)
            and not is_unwritable(value)
            and (match is None or match(value))
        )

    return fits


def _number(shape: Shape) -> Fits:
    kind = shape.type_name
    low, high = (EARLIEST, LATEST) if kind == "timestamp" else _limits(shape, -_LARGEST, _LARGEST)
    if bits := BITS.get(kind):
        low, high = max(low, -(1 << bits)), min(high, (1 << bits) - 1)
        return lambda value: type(value) is int and low <= value <= high
    return lambda value: (type(value) is float or type(value) is int) and low <= value <= high


def _limits(shape: Shape, lowest: float = 0, highest: float = _LARGEST) -> tuple[float, float]:
    low, high = bounds(shape)
    return lowest if low is None else low, highest if high is None else high
