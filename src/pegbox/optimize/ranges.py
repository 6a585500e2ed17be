"""What may be varied, as Python values: numbers between bounds, and choices."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar

from pegbox.domain import ranges as domain

Value: TypeAlias = float | int | str | bool | None
Scale = Literal["auto", "linear", "log", "reverse_log"]
Number = TypeVar("Number", float, int)

_SCALES = {
    "auto": domain.Scaling.AUTO,
    "linear": domain.Scaling.LINEAR,
    "log": domain.Scaling.LOGARITHMIC,
    "reverse_log": domain.Scaling.REVERSE_LOGARITHMIC,
}


@dataclass(frozen=True, slots=True)
class Real:
    """Any double from low to high, both included."""

    low: float
    high: float
    scale: Scale = "auto"

    def __post_init__(self) -> None:
        _check(self.low, self.high, self.scale)
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"a range on the scale 'log' begins above 0, not at {self.low}")
        if self.scale == "reverse_log" and not (self.low >= 0 and self.high < 1):
            raise ValueError(f"a range on the scale 'reverse_log' lies in [0, 1), not in [{self.low}, {self.high}]")

    def parameter(self, name: str) -> domain.Continuous:
        """The same for strategies."""
        return domain.Continuous(name, self.low, self.high, _SCALES[self.scale])

    def text(self, value: Any) -> str:
        """A value for strategies.  ValueError or TypeError if it is not in the range."""
        return domain.render(_inside(_number(value), self.low, self.high))

    def value(self, text: str) -> float:
        """A value of strategies."""
        return float(text)


@dataclass(frozen=True, slots=True)
class Integer:
    """Any whole number from low to high, both included."""

    low: int
    high: int
    scale: Scale = "auto"

    def __post_init__(self) -> None:
        _check(self.low, self.high, self.scale)
        if self.low < domain.SMALLEST_INTEGER or self.high > domain.LARGEST_INTEGER:
            raise ValueError(f"the bounds {self.low} and {self.high} do not fit into 64 bits")
        if self.scale == "log" and self.low < 1:
            raise ValueError(f"whole numbers on the scale 'log' begin at 1 or above, not at {self.low}")
        if self.scale == "reverse_log":
            raise ValueError("the scale 'reverse_log' is for real numbers only")

    def parameter(self, name: str) -> domain.Integer:
        """The same for strategies."""
        return domain.Integer(name, self.low, self.high, _SCALES[self.scale])

    def text(self, value: Any) -> str:
        """A value for strategies.  ValueError or TypeError if it is not in the range."""
        return str(_inside(_whole(value), self.low, self.high))

    def value(self, text: str) -> int:
        """A value of strategies."""
        return int(text)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values without order."""

    values: tuple[Value, ...]
    _by_text: Mapping[str, Value] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a choice has values")
        object.__setattr__(self, "_by_text", {_choice_text(value): value for value in self.values})
        if len(self._by_text) < len(self.values):
            raise ValueError(f"a value comes twice in {list(self.values)}")

    def parameter(self, name: str) -> domain.Categorical:
        """The same for strategies."""
        return domain.Categorical(name, tuple(self._by_text))

    def text(self, value: Any) -> str:
        """A value for strategies.  ValueError or TypeError if it is none of them."""
        text = _choice_text(_plain(value))
        if text not in self._by_text:
            raise ValueError(f"{value!r} is none of {list(self.values)}")
        return text

    def value(self, text: str) -> Value:
        """A value of strategies."""
        return self._by_text[text]


Range: TypeAlias = Real | Integer | Choice


def real(low: float, high: float, scale: Scale = "auto") -> Real:
    """Real numbers.  `scale`: "linear", "log", "reverse_log" (fine close to 1), or "auto": log if high/low >= 100."""
    return Real(_number(low), _number(high), scale)


def integer(low: int, high: int, scale: Scale = "auto") -> Integer:
    """Whole numbers.  `scale`: "linear", "log", or "auto": log if low >= 1 and high/low >= 1000."""
    return Integer(_whole(low), _whole(high), scale)


def choice(values: Iterable[Value]) -> Choice:
    """One of the values: texts, numbers, True, False, None."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"a choice takes a list of values, not {values!r}")
    return Choice(tuple(map(_plain, values)))


def space_of(ranges: Mapping[str, Range]) -> domain.Space:
    """The ranges for strategies.  ValueError without any, TypeError for what is none."""
    if not ranges:
        raise ValueError("there is nothing to vary: give at least one range")
    for name, each in ranges.items():
        if not isinstance(name, str):
            raise TypeError(f"names of parameters are texts, not {name!r}")
        if not isinstance(each, Range):
            raise TypeError(f"{name}: a range is made by real, integer or choice, as in real(0, 1); it is not {each!r}")
    return domain.Space(tuple(each.parameter(name) for name, each in ranges.items()))


def _choice_text(value: Value) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no value to choose")
    if value is not None and not isinstance(value, str | int | float):
        raise TypeError(f"a value to choose is a text, a number, True, False or None, not {value!r}")
    return json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """A number of NumPy as one of Python's."""
    return value.item() if hasattr(value, "dtype") and getattr(value, "shape", None) == () else value


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{value!r:.100} is no number that a double can hold") from None


def _whole(value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{value!r} is no whole number: 3 is one, 3.0 is not") from None


def _check(low: float, high: float, scale: str) -> None:
    if not isinstance(scale, str) or scale not in _SCALES:
        raise ValueError(f"the scale {scale!r} is none of {list(_SCALES)}")
    if not low <= high or math.isinf(low) or math.isinf(high):
        raise ValueError(f"a range has finite bounds, the lower one first, not {low} and {high}")


def _inside(number: Number, low: float, high: float) -> Number:
    if not low <= number <= high:
        raise ValueError(f"{number} is not between {low} and {high}")
    return number
