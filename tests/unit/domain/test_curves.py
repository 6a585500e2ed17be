"""Curves of metrics, against what they are said to be."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as draw

from pegbox.domain.curves import STATISTICS, Value, by_step, by_time

NUMBERS = draw.floats(-1e6, 1e6)
VALUES = draw.lists(
    draw.builds(Value, draw.none() | draw.integers(0, 12), draw.integers(0, 900).map(float), NUMBERS), max_size=60
)
BOUNDS = draw.none() | draw.integers(0, 15)
NAIVE = {
    "Min": min,
    "Max": max,
    "Avg": statistics.fmean,
    "Count": len,
    "Last": lambda values: values[-1],
    "StdDev": statistics.pstdev,
}


def naive(placed: list[tuple[int, Value]], statistic: str, most: int) -> tuple[list[int], list[float], bool]:
    places = sorted({place for place, _ in placed})
    groups = [sorted((each for at, each in placed if at == place), key=lambda each: each.at) for place in places[:most]]
    told = [float(NAIVE[statistic]([each.value for each in group])) for group in groups]  # type: ignore[operator]
    return places[:most], told, len(places) <= most


@given(VALUES, draw.sampled_from(sorted(STATISTICS)), BOUNDS, BOUNDS, draw.integers(1, 15))
def test_by_step(values: list[Value], statistic: str, start: int | None, end: int | None, most: int) -> None:
    low, high = -1 if start is None else start, math.inf if end is None else end
    placed = [(each.step, each) for each in values if each.step is not None and low <= each.step <= high]
    places, told, is_whole = naive(placed, statistic, most)
    curve = by_step(iter(values), statistic, start, end, most)
    assert (curve.places, curve.is_whole) == (places, is_whole)
    assert curve.values == pytest.approx(told, rel=1e-6, abs=1e-3)


@given(VALUES, draw.sampled_from(sorted(STATISTICS)), BOUNDS.map(lambda at: at and at * 60), draw.integers(1, 15))
def test_by_time(values: list[Value], statistic: str, start: int | None, most: int) -> None:
    placed = [(int(each.at // 60 * 60), each) for each in values if start is None or each.at >= start]
    places, told, is_whole = naive(placed, statistic, most)
    curve = by_time(iter(values), statistic, "OneMinute", start, None, most)
    assert (curve.places, curve.is_whole) == (places, is_whole)
    assert curve.values == pytest.approx(told, rel=1e-6, abs=1e-3)


def test_large_numbers() -> None:
    values = [Value(1, 0.0, 1e308), Value(1, 1.0, 1e308), Value(1, 2.0, -1e308)]
    for statistic in STATISTICS:
        assert len(by_step(values, statistic, None, None, 10).values) == 1
