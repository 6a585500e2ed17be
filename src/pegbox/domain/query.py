"""SearchExpression -> a typed tree of conditions.  (API reference, SearchExpression, Filter, NestedFilters.)

What a filter means depends on the property's type and on the value: the tree says it in a few tests, so that nobody
behind it needs to know types.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from typing import Any

from pegbox.domain.properties import Catalog, Type, number_of
from pegbox.errors import ValidationException

MOST_CONTAINS = 1  #: of an expression, where that is limited
MOST_CONDITIONS = 50  #: filters, nested filters and subexpressions of an expression, all depths together
_NO_FRACTIONS = 2.0**53  #: so large a number is whole, and one more is often the same


@dataclass(frozen=True, slots=True)
class Present:
    """There is a value."""


@dataclass(frozen=True, slots=True)
class Between:
    """A number within bounds; an open bound is not within."""

    low: float = -inf
    high: float = inf
    low_open: bool = False
    high_open: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """Exactly this text, which is no number where the property has numbers, too."""

    text: str


@dataclass(frozen=True, slots=True)
class Containing:
    """A text with this in it, ASCII letters in whatever case; `numbers`: also a number that was text."""

    text: str
    numbers: bool


@dataclass(frozen=True, slots=True)
class OneOf:
    """Exactly one of these texts, with the numbers that they read as where the property has numbers, too."""

    texts: tuple[str, ...]
    numbers: tuple[float, ...]


Test = Present | Between | Text | Containing | OneOf


@dataclass(frozen=True, slots=True)
class Has:
    """The resource has a value of this property, in a list any of them, that passes the test."""

    name: str
    test: Test


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary."""

    part: Node


@dataclass(frozen=True, slots=True)
class All:
    """Every one of these."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of these."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Nested:
    """One element of the list passes all of these."""

    root: str
    parts: tuple[Node, ...]


Node = Has | Not | All | AnyOf | Nested
EVERYTHING = All(())

_ORDER = ("GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo")
_EITHER_WAY = ("Equals", "NotEquals", "Exists", "NotExists")
_ALLOWED = {
    Type.TEXT: (*_EITHER_WAY, "Contains", "In"),
    Type.NUMBER: (*_EITHER_WAY, *_ORDER),
    Type.BOOLEAN: _EITHER_WAY,
    Type.TIME: (*_EITHER_WAY, *_ORDER),
    Type.EITHER: (*_EITHER_WAY, *_ORDER, "Contains", "In"),
}


def parse(
    expression: Mapping[str, Any] | None, visibility: Sequence[Mapping[str, str]] | None, catalog: Catalog
) -> Node:
    """The conditions of a request.  Raises ValidationException."""
    parts: list[Node] = []
    if expression is not None:
        count = _count(expression)
        if count > MOST_CONDITIONS:
            raise ValidationException(
                f"The search expression has {count} filters, nested filters and subexpressions: their number must be "
                f"less than or equal to {MOST_CONDITIONS}."
            )
        parts.append(_expression(expression, catalog))
    return _all([*parts, *(_visible(each, catalog) for each in visibility or ())])


def check_contains(expression: Mapping[str, Any] | None, freely: Collection[str]) -> None:
    """Raises ValidationException for a second Contains, of properties other than `freely` and what is below them."""
    names = [] if expression is None else list(_contains(expression))
    if sum(name.split(".", 1)[0] not in freely for name in names) > MOST_CONTAINS:
        raise ValidationException(f"'CONTAINS' operator usage limit of {MOST_CONTAINS} exceeded.")


def _contains(expression: Mapping[str, Any]) -> Iterator[str]:
    """The names of all properties that something is to be inside of."""
    nested = (filters["Filters"] for filters in expression.get("NestedFilters") or ())
    for filters in (expression.get("Filters") or (), *nested):
        yield from (each["Name"] for each in filters if each.get("Operator") == "Contains")
    for below in expression.get("SubExpressions") or ():
        yield from _contains(below)


def _count(expression: Mapping[str, Any]) -> int:
    below = expression.get("SubExpressions") or ()
    own = (expression.get("Filters") or ()), (expression.get("NestedFilters") or ()), below
    return sum(map(len, own)) + sum(map(_count, below))


def _expression(expression: Mapping[str, Any], catalog: Catalog) -> Node:
    parts = [
        *(_filter(each, catalog) for each in expression.get("Filters") or ()),
        *(_nested(each, catalog) for each in expression.get("NestedFilters") or ()),
        *(_expression(each, catalog) for each in expression.get("SubExpressions") or ()),
    ]
    if not parts:
        raise ValidationException(
            "A search expression must have at least one of Filters, NestedFilters and SubExpressions."
        )
    return _any(parts) if expression.get("Operator") == "Or" else _all(parts)


def _all(parts: Sequence[Node]) -> Node:
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def _any(parts: Sequence[Node]) -> Node:
    return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))


def _nested(nested: Mapping[str, Any], catalog: Catalog) -> Node:
    root = catalog.spelt(nested["NestedPropertyName"])
    if root not in catalog.lists:
        raise ValidationException(f"Unknown nested property name: {nested['NestedPropertyName']}")
    parts = []
    for each in nested["Filters"]:
        name = catalog.spelt(each["Name"])
        parts.append(
            _filter({**each, "Name": name if name.startswith(f"{root}.") else f"{root}.{each['Name']}"}, catalog)
        )
    return Nested(root, tuple(parts))


def _visible(condition: Mapping[str, str], catalog: Catalog) -> Node:
    """A resource that has the tag has this value of it; those without it are seen by all."""
    key = condition.get("Key") or ""
    name = catalog.spelt(key)
    if not name.startswith("Tags.") or name == "Tags.":
        raise ValidationException(f"The key [{key}] of a visibility condition must have the form Tags.<key>.")
    return AnyOf((Not(Has(name, Present())), Has(name, Text(condition.get("Value") or ""))))


def _filter(given: Mapping[str, Any], catalog: Catalog) -> Node:
    found = catalog.find(given["Name"])
    if found is None:
        raise ValidationException(f"Unknown property name: {given['Name']}")
    name, kind = found
    value: str | None = given.get("Value")
    operator: str = given.get("Operator") or ("Exists" if value is None else "Equals")
    if operator not in _ALLOWED[kind]:
        raise ValidationException(
            f"The operator {operator} can't be used with the property [{name}], which is {kind.value}."
        )
    if operator in ("Exists", "NotExists"):
        if value is not None:
            raise ValidationException(f"The operator {operator} of the property [{name}] takes no value.")
        here = Has(name, Present())
        return here if operator == "Exists" else Not(here)
    if value is None:
        raise ValidationException(f"The operator {operator} of the property [{name}] needs a value.")
    return _compared(name, kind, operator, value)


def _compared(name: str, kind: Type, operator: str, value: str) -> Node:
    match operator:
        case "NotEquals":
            return Not(_equal(name, kind, value))
        case "Equals":
            return _equal(name, kind, value)
        case "Contains":
            return Has(name, Containing(lower(value), numbers=kind is Type.EITHER))
        case "In":
            return Has(name, _listed(kind, value))
    number, is_whole = _number(name, kind, value)
    return Has(name, _ordered(operator, number, is_whole))


def _equal(name: str, kind: Type, value: str) -> Has:
    if kind is Type.TEXT or (kind is Type.EITHER and number_of(value) is None):
        return Has(name, Text(value))
    if kind is Type.BOOLEAN:
        if value.lower() not in ("true", "false"):
            raise _unusable(name, kind, value)
        return Has(name, Text(value.lower()))
    number, is_whole = _number(name, kind, value)
    at_least, at_most = _at_least(number, is_whole), _at_most(number, is_whole)
    return Has(name, Between(at_least.low, at_most.high, at_least.low_open, at_most.high_open))


def _listed(kind: Type, value: str) -> OneOf:
    texts = tuple(dict.fromkeys(each.strip() for each in value.split(",")))
    found = (number_of(text) for text in texts) if kind is Type.EITHER else ()
    return OneOf(texts, tuple(dict.fromkeys(number for number in found if number is not None)))


def _ordered(operator: str, number: float, is_whole: bool) -> Between:
    match operator:
        case "GreaterThanOrEqualTo":
            return _at_least(number, is_whole)
        case "LessThanOrEqualTo":
            return _at_most(number, is_whole)
        case "GreaterThan":
            least = _at_most(number, is_whole)
            return Between(low=least.high, low_open=not least.high_open)
    most = _at_least(number, is_whole)
    return Between(high=most.low, high_open=not most.low_open)


def _at_least(number: float, is_whole: bool) -> Between:
    """Values that are at least the number; if it is whole, their fractions do not count: -0.5 is at least 0."""
    if is_whole and number <= 0:
        return Between(low=number - 1, low_open=True)
    return Between(low=number)


def _at_most(number: float, is_whole: bool) -> Between:
    if is_whole and number >= 0:
        return Between(high=number + 1, high_open=True)
    return Between(high=number)


def _number(name: str, kind: Type, value: str) -> tuple[float, bool]:
    """The number that a value means, and whether fractions of what it is compared with do not count.

    They do not for an integer beside hyperparameters (API reference, Filter), and for a time in whole seconds.
    """
    if kind is Type.TIME:
        return _time(name, value)
    number = number_of(value)
    if number is None:
        raise _unusable(name, kind, value)
    return number, kind is Type.EITHER and value.lstrip("+-").isdigit() and abs(number) < _NO_FRACTIONS


def _time(name: str, value: str) -> tuple[float, bool]:
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise _unusable(name, Type.TIME, value) from None
    at = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    return round(at, 3), "." not in value


def _unusable(name: str, kind: Type, value: str) -> ValidationException:
    meant = "a time in the form YYYY-MM-DDTHH:MM:SS" if kind is Type.TIME else kind.value
    if kind is Type.EITHER:
        meant = "a number"
    return ValidationException(f"The value [{value}] of the filter on [{name}] must be {meant}.")


_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def lower(text: str) -> str:
    """With its ASCII letters in lower case: databases differ over all others."""
    return text.translate(_LOWER)
