"""Which definition of a tuning job gets the next training jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegbox.domain.allocation import Results, share_out


def launched(most: int, count: int, value: Callable[[int, int], float | None], maximize: bool = False) -> list[int]:
    """How many training jobs each of `count` definitions has had in the end, one after the other.

    value: of a definition's n-th training job, both from 0; None for one that fails.
    """
    had, results = [0] * count, Results(count)
    for _ in range(most):
        (place,) = [i for i, n in enumerate(share_out(1, most, had, results, [True] * count, maximize)) if n]
        if (found := value(place, had[place])) is not None:
            results.add(place, found)
        had[place] += 1
    return had


def test_equal_definitions_get_equal_shares() -> None:
    assert launched(100, 4, lambda place, n: 0.5) == [25, 25, 25, 25]


@pytest.mark.parametrize("maximize", [False, True])
def test_a_metric_with_few_values_prefers_nobody(maximize: bool) -> None:
    """An accuracy that is 1.0 in every second job of each definition."""
    had = launched(100, 4, lambda place, n: float(n % 2), maximize)
    assert max(had) - min(had) <= 2


def test_most_go_to_the_best_and_some_to_all() -> None:
    had = launched(100, 4, lambda place, n: place + n / 1000)
    assert had[0] > 70
    assert min(had) >= 7  # of the first turns


def test_the_order_of_definitions_does_not_matter() -> None:
    one = launched(97, 3, lambda place, n: (place, 2, 1)[place] + n % 3 / 10)
    other = launched(97, 3, lambda place, n: (2, 1, 0)[place] + n % 3 / 10)
    assert one[0] == max(one)
    assert other[2] == max(other)
    assert abs(one[0] - other[2]) <= 2


def test_a_definition_that_has_had_less_is_judged_by_how_often_it_was_good() -> None:
    """One good result of two is as good as ten of twenty."""
    results = Results.of([[1.0, 2.0] * 10, [1.0, 2.0]])
    assert share_out(10, 1000, [250, 250], results, [True, True], False) == [5, 5]


def test_a_definition_without_a_result_keeps_its_part_of_the_tenth() -> None:
    had = launched(200, 2, lambda place, n: 0.5 if place == 0 else None)
    assert 25 <= had[1] <= 30


@pytest.mark.parametrize(
    ("is_open", "shares"), [([True, False], [3, 0]), ([False, True], [0, 3]), ([False, False], [0, 0])]
)
def test_nothing_for_what_is_exhausted(is_open: Sequence[bool], shares: list[int]) -> None:
    assert share_out(3, 10, [2, 2], Results.of([[0.1], [0.2]]), is_open, False) == shares


@given(st.lists(st.lists(st.integers(0, 5).map(float), max_size=9), min_size=1, max_size=4), st.booleans())
def test_rates_are_counted_in_all_results(values: list[list[float]], maximize: bool) -> None:
    ranked = sorted((value for each in values for value in each), reverse=maximize)
    if not ranked:
        assert not Results.of(values)
        return
    worst = ranked[ceil(0.25 * len(ranked)) - 1]
    expected = [
        sum(value >= worst if maximize else value <= worst for value in each) / len(each) if each else 0.0
        for each in values
    ]
    assert Results.of(values).rates(0.25, maximize) == expected


def test_a_share_costs_no_more_after_thousands_of_results() -> None:
    results = Results.of([[n * 7 % 1009 / 1009 for n in range(5000)]] * 2)
    best = float("inf")
    for _ in range(20):
        began = time.perf_counter()
        share_out(1, 10_000, [5000, 5000], results, [True, True], False)
        best = min(best, time.perf_counter() - began)
    assert best < 2e-4
