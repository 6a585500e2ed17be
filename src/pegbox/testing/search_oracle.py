"""What Search has to answer, found the simple way: every record is looked at, with nothing but the record.

It shares no code with the search itself.  Records are those of SearchRecord, with times in epoch seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

Record = Mapping[str, Any]

LONG = 256  #: characters of a text that count for sorting
_MAPS = (
    "HyperParameters", "Environment", "Metrics", "Tags", "Parameters", "InputArtifacts", "OutputArtifacts",
)  # fmt: skip
_NUMBERS_TOO = ("hyperparameters", "parameters")  #: maps in which a text is a number if it reads as one
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThan": lambda value, given: value > given,
    "GreaterThanOrEqualTo": lambda value, given: value >= given,
    "LessThan": lambda value, given: value < given,
    "LessThanOrEqualTo": lambda value, given: value <= given,
    "Equals": lambda value, given: value == given,
}


def matching(records: Sequence[Record], request: Mapping[str, Any]) -> list[Record]:
    """All hits of a Search request in their order.  `records` are in the order in which they were written."""
    numbered = [(number, _searchable(record)) for number, record in enumerate(records)]
    hits = [(number, record) for number, record in numbered if _is_wanted(record, request)]
    descending = request.get("SortOrder") != "Ascending"
    name = request.get("SortBy") or "LastModifiedTime"
    with_value = [(value, number) for number, record in hits if (value := _sort_value(record, name)) is not None]
    with_value.sort(key=lambda each: each[1], reverse=True)  # ties: the newest first, in both directions
    with_value.sort(key=lambda each: each[0], reverse=descending)
    without = [(number, record) for number, record in hits if _sort_value(record, name) is None]
    without.sort(key=lambda each: (each[1]["CreationTime"], each[0]), reverse=True)
    return [records[number] for number in (*(number for _, number in with_value), *(number for number, _ in without))]


def _searchable(record: Record) -> dict[str, Any]:
    return {
        **record,
        "Tags": {tag["Key"]: tag["Value"] for tag in record.get("Tags") or ()},
        **_metrics(record),
    }


def _metrics(record: Record) -> dict[str, Any]:
    if "TrialComponentName" not in record:
        return {"Metrics": {each["MetricName"]: each["Value"] for each in record.get("FinalMetricDataList") or ()}}
    found: dict[str, Any] = {"Metrics": {}, "Parameters": {}}
    for each in record["Metrics"]:
        found["Metrics"] |= {f"{each['MetricName']}.{name}": value for name, value in each.items()}
    for name, value in record["Parameters"].items():
        found["Parameters"][name] = value["StringValue"] if "StringValue" in value else str(value["NumberValue"])
    for artifacts in ("InputArtifacts", "OutputArtifacts"):
        found[artifacts] = {
            f"{name}.{part}": text for name, value in record[artifacts].items() for part, text in value.items()
        }
    return found


def _is_wanted(record: Record, request: Mapping[str, Any]) -> bool:
    expression = request.get("SearchExpression")
    if expression is not None and not _holds(expression, record):
        return False
    for condition in request.get("VisibilityConditions") or ():
        key = condition["Key"].removeprefix("Tags.")
        if key in record["Tags"] and record["Tags"][key] != condition["Value"]:
            return False
    return True


def _holds(expression: Mapping[str, Any], record: Record) -> bool:
    results = [_passes(each, _values(record, each["Name"])) for each in expression.get("Filters") or ()]
    results += [_nested(each, record) for each in expression.get("NestedFilters") or ()]
    results += [_holds(each, record) for each in expression.get("SubExpressions") or ()]
    return any(results) if expression.get("Operator") == "Or" else all(results)


def _nested(nested: Mapping[str, Any], record: Record) -> bool:
    root = nested["NestedPropertyName"]
    for element in record.get(root) or ():
        inside = [(each, each["Name"].removeprefix(f"{root}.")) for each in nested["Filters"]]
        if all(_passes({**each, "Name": f"{root}.{name}"}, list(_below(element, name))) for each, name in inside):
            return True
    return False


def _values(record: Record, name: str) -> list[Any]:
    first, _, rest = name.partition(".")
    first = next((each for each in _MAPS if each.lower() == first.lower()), first)
    if first in _MAPS:
        held = record.get(first) or {}
        return [held[rest]] if rest in held else []
    return list(_below(record, name))


def _below(value: Any, path: str) -> Iterator[Any]:
    if isinstance(value, list):
        for each in value:
            yield from _below(each, path)
    elif not path:
        if value is not None:
            yield value
    elif isinstance(value, Mapping):
        first, _, rest = path.partition(".")
        if first in value:
            yield from _below(value[first], rest)


def _passes(given: Mapping[str, Any], values: Sequence[Any]) -> bool:
    name, value = given["Name"], given.get("Value")
    operator = given.get("Operator") or ("Exists" if value is None else "Equals")
    if operator == "Exists":
        return bool(values)
    if operator == "NotExists":
        return not values
    assert value is not None
    if operator == "NotEquals":
        return not any(_compares(name, each, "Equals", value) for each in values)
    return any(_compares(name, each, operator, value) for each in values)


def _compares(name: str, stored: Any, operator: str, value: str) -> bool:
    if operator == "Contains":
        return _folded(value) in _folded(stored)
    if operator == "In":
        return stored in [each.strip() for each in value.split(",")]
    if isinstance(stored, bool):
        return stored is (value.lower() == "true")
    if isinstance(stored, str):
        return _compare_text(name, stored, operator, value)
    if name.endswith("Time"):
        moment = datetime.fromisoformat(value + ("" if value.endswith("Z") or "+" in value else "Z")).timestamp()
        shown = round(stored, 3)
        return _COMPARE[operator](shown if "." in value else math.trunc(shown), moment)
    return _COMPARE[operator](float(stored), float(value))


def _compare_text(name: str, stored: str, operator: str, value: str) -> bool:
    number = _number(value) if name.lower().split(".")[0] in _NUMBERS_TOO else None
    if number is None:
        return operator == "Equals" and stored == value
    known = _number(stored)
    if known is None:
        return False
    is_integer = value.lstrip("+-").isdigit()
    return _COMPARE[operator](math.trunc(known) if is_integer else known, number)


def _number(text: str) -> float | None:
    """JSON's and Python's numbers, without words and without spaces."""
    if not text or any(sign not in "0123456789+-.eE" for sign in text):
        return None
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _folded(text: str) -> str:
    return "".join(sign.lower() if sign.isascii() else sign for sign in text)


def _sort_value(record: Record, name: str) -> tuple[int, Any] | None:
    """Numbers before text; None without a value.  Of a list, its first element counts."""
    first = name.split(".")[0]
    if isinstance(record.get(first), list):
        record = {**record, first: record[first][:1]}
    values = _values(record, name)
    if not values:
        return None
    value = values[0]
    if isinstance(value, bool):
        return 1, str(value).lower()
    if isinstance(value, str):
        number = _number(value) if first.lower() in _NUMBERS_TOO else None
        return (1, value[:LONG]) if number is None else (0, number)
    return 0, round(value, 3) if name.endswith("Time") else float(value)
