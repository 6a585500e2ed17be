from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pegbox.domain.ranges import Scaling
from pegbox.optimize import Choice, Range, choice, integer, real
from pegbox.optimize.ranges import space_of


@pytest.mark.parametrize(
    ("made", "values"),
    [
        (real(0, 1), [0.0, 0.1, 1.0, 0.1 + 0.2]),
        (real(-1e308, 1e308), [-1e308, 5e-324]),
        (integer(-3, 3), [-3, 0, 3]),
        (integer(-(2**63), 2**63 - 1), [2**63 - 1]),
        (choice(["a", "", 'ä"\n', 1, 1.0, True, False, None]), ["a", "", 'ä"\n', 1, 1.0, True, False, None]),
    ],
)
def test_values_go_there_and_back(made: Range, values: list[object]) -> None:
    for value in values:
        back = made.value(made.text(value))
        assert (back, type(back)) == (value, type(value))


def test_numbers_of_numpy_are_numbers() -> None:
    assert real(0, 1).text(np.float32(0.5)) == "0.5"
    assert integer(0, 9).text(np.int64(3)) == "3"


@pytest.mark.parametrize(
    ("made", "value"),
    [
        (real(0, 1), 1.1),
        (real(0, 1), math.nan),
        (real(0, 1), "much"),
        (integer(0, 9), 10),
        (integer(0, 9), 1.0),
        (choice(["a", 1]), "b"),
        (choice(["a", 1]), True),
        (choice(["a", 1]), 1.0),
        (choice(["a", 1]), ["a"]),
    ],
)
def test_what_is_outside_is_refused(made: Range, value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        made.text(value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: real(1, 0),
        lambda: real(0, math.inf),
        lambda: real(math.nan, 1),
        lambda: real(0, 1, "log"),
        lambda: real(0, 1, "reverse_log"),
        lambda: real(0, 1, "logarithmic"),  # type: ignore[arg-type]
        lambda: integer(0, 9, "log"),
        lambda: integer(1, 9, "reverse_log"),
        lambda: integer(0, 2**63),
        lambda: integer(0.5, 1),  # type: ignore[arg-type]
        lambda: choice([]),
        lambda: choice(["a", "a"]),
        lambda: choice("abc"),
        lambda: choice([math.nan]),
        lambda: choice([[1]]),  # type: ignore[list-item]
    ],
)
def test_ranges_that_are_none_are_refused(make: Callable[[], Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        make()


def test_scales() -> None:
    assert real(1e-3, 1.0).parameter("x").scale is Scaling.LOGARITHMIC
    assert real(1e-3, 1.0, "linear").parameter("x").scale is Scaling.LINEAR
    assert real(0.5, 0.99, "reverse_log").parameter("x").scale is Scaling.REVERSE_LOGARITHMIC
    assert integer(1, 9, "log").parameter("n").scale is Scaling.LOGARITHMIC
    assert isinstance(choice(range(3)), Choice)


def test_bounds_and_choices_may_be_numbers_of_numpy() -> None:
    sizes = choice(np.array([16, 32]))
    assert sizes == choice([16, 32]) and type(sizes.values[0]) is int
    assert sizes.text(np.int64(16)) == "16" and choice([True, False]).text(np.bool_(True)) == "true"
    assert real(np.float32(0.5), np.int64(2)) == real(0.5, 2) and integer(np.int64(1), np.int8(3)) == integer(1, 3)


def test_a_choice_can_be_copied_and_pickled() -> None:
    made = choice(["a", 1, None])
    again = pickle.loads(pickle.dumps(made))
    assert again == made and hash(again) == hash(made) and again.value("null") is None


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: integer(1, 1e3), "1000.0 is no whole number"),  # type: ignore[arg-type]
        (lambda: real(0, 10**400), "no number that a double can hold"),
        (lambda: choice(5), "takes a list of values, not 5"),  # type: ignore[arg-type]
        (lambda: real(0, 1, ["log"]), "is none of"),  # type: ignore[arg-type]
        (lambda: space_of({"x": (0, 1)}), r"x: a range is made by real, integer or choice.* not \(0, 1\)"),  # type: ignore[dict-item]
        (lambda: space_of({1: real(0, 1)}), "names of parameters are texts, not 1"),  # type: ignore[dict-item]
    ],
)
def test_what_is_wrong_is_said(make: Callable[[], Any], says: str) -> None:
    with pytest.raises((ValueError, TypeError), match=says):
        make()
