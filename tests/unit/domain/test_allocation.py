"""Which definition of a tuning job gets the next training jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from pegbox.domain.allocation import share_out


def launched(most: int, count: int, value: Callable[[int, int], float | None], maximize: bool = False) -> list[int]:
    """How many training jobs each of `count` definitions has had in the end, one after the other.

    value: of a definition's n-th training job, both from 0; None for one that fails.
    """
    had, results = [0] * count, [list[float]() for _ in range(count)]
    for _ in range(most):
        (place,) = [i for i, n in enumerate(share_out(1, most, had, results, [True] * count, maximize)) if n]
        if (found := value(place, had[place])) is not None:
            results[place].append(found)
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
    results = [[1.0, 2.0] * 10, [1.0, 2.0]]
    assert share_out(10, 1000, [250, 250], results, [True, True], False) == [5, 5]


def test_a_definition_without_a_result_keeps_its_part_of_the_tenth() -> None:
    had = launched(200, 2, lambda place, n: 0.5 if place == 0 else None)
    assert 25 <= had[1] <= 30


@pytest.mark.parametrize(
    ("is_open", "shares"), [([True, False], [3, 0]), ([False, True], [0, 3]), ([False, False], [0, 0])]
)
def test_nothing_for_what_is_exhausted(is_open: Sequence[bool], shares: list[int]) -> None:
    assert share_out(3, 10, [2, 2], [[0.1], [0.2]], is_open, False) == shares
