"""What of a resource can be searched: properties with names and values, read off the record that clients see.

(SageMaker developer guide, "Manage Machine Learning with Amazon SageMaker Experiments: Search"; API reference, Search.)
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any, NamedTuple

LONGEST_NAME = 255  #: characters of a property's name that a request can give (API reference, Filter)

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


class Type(Enum):
    """How the values of a property compare; the value is what messages call it."""

    TEXT = "text"
    NUMBER = "a number"
    BOOLEAN = "true or false"
    TIME = "a time"
    EITHER = "text or a number"  #: hyperparameters: text, and a number as well where it reads as one


class Property(NamedTuple):
    """One value.  `ordinal` tells the elements of a list apart; a number that was text keeps its text."""

    name: str
    ordinal: int
    number: float | None
    text: str | None


@dataclass(frozen=True)
class Catalog:
    """The properties that a kind of resource may have."""

    types: Mapping[str, Type]  #: path -> type
    maps: Mapping[str, Type]  #: path of a map whose keys are names as well -> type of its values
    lists: frozenset[str] = field(default_factory=frozenset)  #: paths of lists of structures
    implied: str = ""  #: a first segment that may be left out, as of the record of a model
    #: path of a map -> how names below it end, in lower case -> as they are stored
    endings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @cached_property
    def _first(self) -> Mapping[str, str]:
        return {first.lower(): first for first in (path.split(".")[0] for path in (*self.types, *self.maps))}

    def find(self, name: str) -> tuple[str, Type] | None:
        """The property's name as it is stored, and its type; None if there is no such property.

        The case of the first segment does not matter.
        """
        found = self._find(self.spelt(name))
        return self._find(f"{self.implied}.{name}") if found is None and self.implied else found

    def _find(self, name: str) -> tuple[str, Type] | None:
        if found := self.types.get(name):
            return name, found
        dot = name.find(".")
        while 0 < dot < len(name) - 1:
            if found := self.maps.get(name[:dot]):
                whole = self._ended(name[:dot], name)
                return None if whole is None else (whole, found)
            dot = name.find(".", dot + 1)
        return None

    def _ended(self, path: str, name: str) -> str | None:
        """The name as it ends in the map; None if nothing in it ends so."""
        endings = self.endings.get(path)
        if endings is None:
            return name
        beginning, _, last = name.rpartition(".")
        return f"{beginning}.{endings[last.lower()]}" if last.lower() in endings and beginning != path else None

    def spelt(self, name: str) -> str:
        """The name with its first segment as the model spells it."""
        first, dot, rest = name.partition(".")
        return self._first.get(first.lower(), first) + dot + rest

    def properties(self, record: Mapping[str, Any]) -> Iterator[Property]:
        """The properties of a record."""
        tags = {tag["Key"]: tag["Value"] for tag in record.get("Tags") or ()}
        metrics = {final["MetricName"]: final["Value"] for final in record.get("FinalMetricDataList") or ()}
        for found in self._walk({"Metrics": metrics, **record, "Tags": tags}, "", 0, in_list=False):
            if len(found.name) <= LONGEST_NAME and (found.number is not None or found.text is not None):
                yield found

    def _walk(self, value: Mapping[str, Any], path: str, ordinal: int, *, in_list: bool) -> Iterator[Property]:
        for key, item in value.items():
            if item is None:
                continue
            where = f"{path}.{key}" if path else key
            if kind := self.types.get(where):
                if isinstance(item, list):
                    for number, each in enumerate(item):
                        yield _property(where, number, kind, each)
                else:
                    yield _property(where, ordinal, kind, item)
            elif kind := self.maps.get(where):
                for name, each in item.items():
                    yield _property(f"{where}.{name}", ordinal, kind, each)
            elif isinstance(item, Mapping):
                yield from self._walk(item, where, ordinal, in_list=in_list)
            elif where in self.lists and not in_list:
                for number, each in enumerate(item):
                    yield from self._walk(each, where, number, in_list=True)


def _property(name: str, ordinal: int, kind: Type, value: Any) -> Property:
    match kind:
        case Type.TEXT:
            return Property(name, ordinal, None, str(value))
        case Type.EITHER:
            return Property(name, ordinal, number_of(str(value)), str(value))
        case Type.BOOLEAN:
            return Property(name, ordinal, None, "true" if value else "false")
        case Type.TIME:
            return Property(name, ordinal, round(float(value), 3), None)  # as the answer has it
    return Property(name, ordinal, float(value) if math.isfinite(value) else None, None)


def number_of(text: str) -> float | None:
    """The finite number that a text reads as."""
    if _NUMBER.fullmatch(text) is None:
        return None
    found = float(text)
    return found if math.isfinite(found) else None
