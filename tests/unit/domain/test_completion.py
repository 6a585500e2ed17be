from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegbox.domain.completion import Improvement

values = st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=60)


def improvement(found: list[float], maximize: bool) -> Improvement:
    result = Improvement(maximize)
    for value in found:
        result.add(value)
    return result


def not_improving(found: list[float], maximize: bool) -> int:
    return improvement(found, maximize).not_improving


def target_reached(found: list[float], target: float, maximize: bool) -> bool:
    return improvement(found, maximize).has_reached(target)


def converged(found: list[float], dimensions: int, maximize: bool, expected: float | None) -> int | None:
    """The index of the value with which the search had converged; a model speaks of the last one only."""
    result = Improvement(maximize)
    for index, value in enumerate(found):
        result.add(value)
        is_last = index == len(found) - 1
        if (expected is None or is_last) and result.has_converged(dimensions, expected):
            return index
    return None


@pytest.mark.parametrize(
    ("found", "count"),
    [
        ([], 0),
        ([0.5], 0),
        ([0.5, 0.4, 0.5], 2),
        ([0.5, 0.6, 0.6], 1),
        ([100.0, 101.0], 1),  # 1 % is not more than 1 %
        ([100.0, 101.1], 0),
        ([100.0, 100.6, 101.2], 0),  # two small steps make an improvement on the last one that counted
        ([100.0, 100.6, 100.9, 50.0], 3),
        ([0.0, 1e-13, 1e-12], 2),
        ([0.0, 1e-11], 0),
        ([-100.0, -99.5], 1),
        ([-100.0, -98.0], 0),
    ],
)
def test_not_improving(found: list[float], count: int) -> None:
    assert not_improving(found, maximize=True) == count
    assert not_improving([-value for value in found], maximize=False) == count


@given(values, st.booleans())
def test_the_count_is_0_or_one_more(found: list[float], maximize: bool) -> None:
    before = 0
    for end in range(1, len(found) + 1):
        count = not_improving(found[:end], maximize)
        assert count in (0, before + 1)
        before = count


def test_the_target_is_reached_by_equality() -> None:
    assert target_reached([0.1, 0.9], 0.9, maximize=True)
    assert not target_reached([0.1, 0.8], 0.9, maximize=True)
    assert target_reached([0.3, 0.2], 0.2, maximize=False)
    assert not target_reached([0.3, 0.2], 0.1, maximize=False)
    assert not target_reached([], 0.0, maximize=True)


def test_a_reached_target_stays_reached() -> None:
    assert target_reached([0.9, 0.1], 0.9, maximize=True)


def test_convergence_needs_enough_values() -> None:
    assert converged([1.0] * 19, 1, True, None) is None
    assert converged([1.0] * 20, 1, True, None) == 19
    assert converged([1.0] * 59, 6, True, None) is None
    assert converged([1.0] * 60, 6, True, None) == 59


def test_convergence_needs_a_quarter_without_improvement() -> None:
    rising = [1.1**place for place in range(40)]
    assert converged(rising, 1, True, None) is None
    assert converged(rising + [1.0] * 12, 1, True, None) is None
    assert converged(rising + [1.0] * 13, 1, True, None) is None  # 53: a quarter is 14
    assert converged(rising + [1.0] * 14, 1, True, None) == 53
    assert converged([-value for value in rising + [1.0] * 14], 1, False, None) == 53


def test_the_last_ten_at_least() -> None:
    late = [1.0] * 11 + [2.0] + [1.0] * 9
    assert converged(late, 1, True, None) is None
    assert converged([*late, 1.0], 1, True, None) == 21


def test_small_steps_do_not_count_one_by_one_but_together() -> None:
    assert converged([100.0 + 0.01 * place for place in range(30)], 1, True, None) == 19
    assert converged([100.0 + 0.2 * place for place in range(30)], 1, True, None) is None


def test_what_a_model_expects_decides_for_the_present() -> None:
    assert converged([2.0] * 30, 1, True, 0.00019) == 29
    assert converged([2.0] * 30, 1, True, 0.00021) is None
    assert converged([2.0] * 19, 1, True, 0.0) is None
    assert converged([1.0] * 29 + [2.0], 1, True, 0.0) is None
    assert converged([0.0] * 20, 1, False, 1e-13) == 19
    assert converged([0.0] * 20, 1, False, 1e-9) is None


@given(values, st.integers(1, 3), st.booleans())
def test_convergence_without_a_model_is_not_taken_back(found: list[float], dimensions: int, maximize: bool) -> None:
    index = converged(found, dimensions, maximize, None)
    for end in range(len(found) + 1):
        assert converged(found[:end], dimensions, maximize, None) == (None if index is None or end <= index else index)
