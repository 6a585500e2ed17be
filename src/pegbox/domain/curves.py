"""Values of a metric, put together by step or by time.  (API reference, SageMaker Metrics, MetricQuery.)"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

SECONDS: Mapping[str, int] = {"OneMinute": 60, "FiveMinute": 300, "OneHour": 3600}

STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "Min": min,
    "Max": max,
    "Avg": lambda values: sum(values) / len(values),
    "Count": lambda values: float(len(values)),
    "Last": lambda values: values[-1],
    "StdDev": lambda values: _deviation(values),
}


class Value(NamedTuple):
    """One value of a metric."""

    step: int | None
    at: float  #: epoch seconds
    value: float


@dataclass(frozen=True, slots=True)
class Curve:
    """Steps, or the beginnings of periods in epoch seconds, and a value for each."""

    places: Sequence[int]
    values: Sequence[float]


def by_step(measured: Iterable[Value], statistic: str, start: int | None, end: int | None) -> Curve:
    """One value for each step; those without a step are left out."""
    return _curve(((each.step, each) for each in measured if each.step is not None), statistic, start, end)


def by_time(measured: Iterable[Value], statistic: str, period: str, start: int | None, end: int | None) -> Curve:
    """One value for each period of `SECONDS` in which there were some."""
    length = SECONDS[period]
    within = (each for each in measured if (start is None or each.at >= start) and (end is None or each.at <= end))
    return _curve(((math.floor(each.at / length) * length, each) for each in within), statistic, None, None)


def _curve(placed: Iterable[tuple[int, Value]], statistic: str, start: int | None, end: int | None) -> Curve:
    """`start` and `end` are included."""
    groups: dict[int, list[Value]] = {}
    for place, each in placed:
        if (start is None or place >= start) and (end is None or place <= end):
            groups.setdefault(place, []).append(each)
    places = sorted(groups)
    compute = STATISTICS[statistic]
    # Later is what has the later time; of equal times, what came later: sorting keeps that order.
    ordered = [sorted(groups[place], key=lambda each: each.at) for place in places]
    return Curve(places, [compute([each.value for each in group]) for group in ordered])


def _deviation(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) * (value - mean) for value in values) / len(values))
