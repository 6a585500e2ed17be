"""What of a record a person may ask for by the name of a property, and columns of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pegbox.client.rows import Column, Kind, kind_of, read

Record = Mapping[str, Any]

TEXTS = ("HyperParameters", "StaticHyperParameters", "TunedHyperParameters")  #: maps whose texts may be numbers


def value_of(record: Record, name: str) -> Any:
    """The value of a property; of one in a list those of all elements, as a list; None if there is none."""
    return _within(searchable(record), name)


def _within(found: Any, rest: str) -> Any:
    while rest:
        if isinstance(found, list):
            inner = [each for each in (_within(item, rest) for item in found) if each is not None]
            return inner or None
        if not isinstance(found, Mapping):
            return None
        key, rest = _step(found, rest)
        if key is None:
            return None
        found = found[key]
    return found if found != [] else None


def _step(found: Mapping[str, Any], rest: str) -> tuple[str | None, str]:
    """The member that a name begins with, and what comes behind: keys of maps may have dots in them."""
    if rest in found:
        return rest, ""
    first, _, behind = rest.partition(".")
    for key in found:
        if key.lower() == first.lower():
            return key, behind
    dots = [place for place, sign in enumerate(rest) if sign == "."]
    return next(((rest[:dot], rest[dot + 1 :]) for dot in reversed(dots) if rest[:dot] in found), (None, ""))


def searchable(record: Record) -> dict[str, Any]:
    """A record with its tags, metrics and parameters as maps, which is how Search names them."""
    summaries = {each["MetricName"]: _statistics(each) for each in record.get("Metrics") or ()}
    maps = {
        "Tags": {each["Key"]: each["Value"] for each in record.get("Tags") or ()},
        "Metrics": {each["MetricName"]: each["Value"] for each in record.get("FinalMetricDataList") or ()} or summaries,
        "Parameters": {
            name: next(iter(each.values()), None) for name, each in (record.get("Parameters") or {}).items()
        },
    }
    own = {name: value for name, value in record.items() if name not in maps}
    return {**own, **{name: found for name, found in maps.items() if found}}


def _statistics(summary: Record) -> Record:
    """What the summary of a trial component's metric tells beside its names."""
    return {key: value for key, value in summary.items() if key not in ("MetricName", "SourceArn")}


def names_of(records: Sequence[Record], name: str) -> Sequence[str]:
    """The names that are meant: `Metrics.*` all metrics that one of the records has, down to what is no map."""
    if not name.endswith(".*"):
        return [name]
    root = name.removesuffix(".*")
    found: dict[str, None] = {}
    for record in records:
        inner = value_of(record, root)
        for each in inner if isinstance(inner, list) else [inner]:
            if isinstance(each, Mapping):
                found.update(dict.fromkeys(_leaves(each)))
    return [f"{root}.{key}" for key in sorted(found)]


def _leaves(inner: Mapping[str, Any]) -> Iterator[str]:
    for key, value in inner.items():
        if isinstance(value, Mapping):
            yield from (f"{key}.{name}" for name in _leaves(value))
        else:
            yield key


def lacking(records: Sequence[Record], names: Sequence[str]) -> Sequence[str]:
    """Those of the names of which no record has a value."""
    return [
        name
        for name in names
        if all(value_of(record, each) is None for each in names_of(records, name) for record in records)
    ]


def columns(records: Sequence[Record], names: Sequence[str]) -> Sequence[Column]:
    """A column for each name, of the narrowest kind that fits all values."""
    every = dict.fromkeys(each for name in names for each in names_of(records, name))
    return [_column(name, [value_of(record, name) for record in records]) for name in every]


def _column(name: str, values: Sequence[Any]) -> Column:
    there = [value for value in values if value is not None]
    kind = _kind(name, there)
    return Column(name, kind, [None if value is None else _as(kind, value) for value in values])


def _kind(name: str, values: Sequence[Any]) -> Kind:
    types = {type(value) for value in values}
    if types and all(issubclass(each, datetime) for each in types):
        return "time"
    if types == {bool}:
        return "truth"
    if types == {int}:
        return "integer"
    if types and types <= {int, float}:
        return "number"
    if types == {str} and name.split(".")[0].lower() in {each.lower() for each in TEXTS}:
        return kind_of(values, None)
    return "text"


def _as(kind: Kind, value: Any) -> Any:
    if kind == "time":
        return value.astimezone(UTC)
    if kind == "text":
        return ", ".join(dict.fromkeys(_texts(value)))
    return read(kind, value) if isinstance(value, str) else value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, Mapping):
        yield from (f"{key}={text}" for key, each in value.items() for text in _texts(each))
    else:
        yield value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else str(value)
