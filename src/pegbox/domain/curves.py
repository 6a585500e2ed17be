"""Values of a metric, put together by step or by time.  (API reference, SageMaker Metrics, MetricQuery.)

Values are taken one after the other, in the order in which they came, and none is kept: however many there are, a curve
takes as much memory as it has places.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

SECONDS: Mapping[str, int] = {"OneMinute": 60, "FiveMinute": 300, "OneHour": 3600}


class Value(NamedTuple):
    """One value of a metric."""

    step: int | None
    at: float  #: epoch seconds
    value: float


class Statistic(NamedTuple):
    """What some values come to: a state, brought forward with each of them."""

    begin: Callable[[Value], Any]
    go_on: Callable[[Any, Value], Any]
    told: Callable[[Any], float]


@dataclass(frozen=True, slots=True)
class Curve:
    """Steps, or the beginnings of periods in epoch seconds, and a value for each."""

    places: Sequence[int]
    values: Sequence[float]
    is_whole: bool  #: otherwise there are more places than were wanted; these are the first


def _first(value: Value) -> float:
    return value.value


def _count_on(count: float, value: Value) -> float:
    return count + 1.0


def _add(state: tuple[float, int], value: Value) -> tuple[float, int]:
    return state[0] + value.value, state[1] + 1


def _later(last: Value, value: Value) -> Value:
    return value if value.at >= last.at else last  # of equal times the one that came later


def _spread(state: tuple[int, float, float], value: Value) -> tuple[int, float, float]:
    """Count, mean, sum of squared distances from it.  (Welford 1962, "Note on a method".)"""
    count, mean, squares = state
    count += 1
    apart = value.value - mean
    mean += apart / count
    return count, mean, squares + apart * (value.value - mean)


STATISTICS: Mapping[str, Statistic] = {
    "Min": Statistic(_first, lambda low, value: min(low, value.value), float),
    "Max": Statistic(_first, lambda high, value: max(high, value.value), float),
    "Avg": Statistic(lambda value: (value.value, 1), _add, lambda state: state[0] / state[1]),
    "Count": Statistic(lambda value: 1.0, _count_on, float),
    "Last": Statistic(lambda value: value, _later, lambda last: last.value),
    "StdDev": Statistic(
        lambda value: (1, value.value, 0.0), _spread, lambda state: math.sqrt(max(0.0, state[2]) / state[0])
    ),
}


def by_step(measured: Iterable[Value], statistic: str, start: int | None, end: int | None, most: int) -> Curve:
    """One value for each step; those without a step are left out.  `start` and `end` are included."""
    low, high = -math.inf if start is None else start, math.inf if end is None else end
    placed = ((each.step, each) for each in measured if each.step is not None and low <= each.step <= high)
    return _gathered(placed, STATISTICS[statistic], most)


def by_time(
    measured: Iterable[Value], statistic: str, period: str, start: int | None, end: int | None, most: int
) -> Curve:
    """One value for each period of `SECONDS` in which there were some."""
    length = SECONDS[period]
    low, high = -math.inf if start is None else start, math.inf if end is None else end
    placed = ((math.floor(each.at / length) * length, each) for each in measured if low <= each.at <= high)
    return _gathered(placed, STATISTICS[statistic], most)


def _gathered(placed: Iterable[tuple[int, Value]], statistic: Statistic, most: int) -> Curve:
    begin, go_on, told = statistic
    found: dict[int, Any] = {}
    last, is_whole = math.inf, True  # no place beyond `last` can be among the first
    for place, value in placed:
        if place in found:
            found[place] = go_on(found[place], value)
        elif place > last:
            is_whole = False
        else:
            found[place] = begin(value)
            if len(found) > 2 * most:
                found, is_whole = _cut(found, most), False
                last = next(reversed(found))
    whole = len(found) <= most
    found = _cut(found, most)
    return Curve(list(found), [told(state) for state in found.values()], is_whole and whole)


def _cut(found: Mapping[int, Any], most: int) -> dict[int, Any]:
    """The first places, in their order."""
    return {place: found[place] for place in sorted(found)[:most]}
