"""Parameter ranges: what a tuning job may vary, between which bounds and on which scale.

A `Space` maps configurations (rendered strings, as a training job receives them) to points of the unit cube, one
coordinate per range, and back.  Source: SageMaker developer guide, "Hyperparameter Scaling".
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

#: Tells built-in algorithms which metric to print; it is set by the service, so nobody may tune it.
OBJECTIVE_HYPERPARAMETER = "_tuning_objective_metric"
MOST_RANGES = 30
MOST_VALUES = 30
SMALLEST_INTEGER, LARGEST_INTEGER = -(2**63), 2**63 - 1
AUTO_LOG_RATIO = 100  #: Auto means logarithmic from this Max/Min on, for continuous ranges ...
AUTO_LOG_RATIO_INTEGER = 1000  #: ... and for integer ranges.
FAR = 1.0  #: beyond so many widths of a range all values are equally far outside
_BEYOND = 2**200  #: an integer that is far outside every range, and yet no trouble for a double

_INTEGER = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


class Scaling(Enum):
    """HyperParameterScalingType: the scale on which a range is searched evenly."""

    AUTO = "Auto"
    LINEAR = "Linear"
    LOGARITHMIC = "Logarithmic"
    REVERSE_LOGARITHMIC = "ReverseLogarithmic"


@dataclass(frozen=True, slots=True)
class Continuous:
    """All doubles of the closed interval [low, high]."""

    name: str
    low: float
    high: float
    scaling: Scaling = Scaling.AUTO

    @property
    def scale(self) -> Scaling:
        """The scaling with Auto resolved."""
        if self.scaling is not Scaling.AUTO:
            return self.scaling
        wide = self.low > 0 and self.high / self.low >= AUTO_LOG_RATIO
        return Scaling.LOGARITHMIC if wide else Scaling.LINEAR

    def size(self) -> int | None:
        """1 for a constant, else None: as good as infinitely many values."""
        return 1 if self.low == self.high else None

    def encode(self, value: str) -> float:
        """The place of a value on the range's scale, in [0, 1]; values outside the bounds go to the nearer end."""
        number = float(value)
        if math.isnan(number):
            raise ValueError(f"{value} is no number")
        number = min(max(number, self.low), self.high)
        if self.low == self.high:
            return 0.5
        return min(max(self._distance(number) / self._distance(self.high), 0.0), 1.0)

    def place(self, value: str) -> float:
        """The same, but values outside the bounds are placed outside [0, 1], down to -FAR and up to 1 + FAR."""
        number = float(value)
        if self.low <= number <= self.high:
            return self.encode(value)
        if not math.isfinite(number):
            raise ValueError(f"{value} is not finite")
        try:
            distance = self._distance(number) / self._distance(self.high)
        except (ValueError, ZeroDivisionError):  # the scale ends before the number
            return -FAR if number < self.low else 1.0 + FAR
        return min(max(distance, -FAR), 1.0 + FAR)

    def decode(self, point: float) -> str:
        """The value at a place of the scale: the shortest decimal that parses to the same double, in the bounds."""
        if point <= 0 or self.low == self.high:
            return render(self.low)
        if point >= 1:
            return render(self.high)
        return render(min(max(self._value(point), self.low), self.high))

    def value(self, index: int) -> str:
        """The only value of a constant."""
        return render(self.low)

    def index(self, value: str) -> int:
        """0, the place of a constant's only value; ValueError for any other."""
        if not self.low == float(value) == self.high:
            raise ValueError(f"{value} is not the constant {self.low}")
        return 0

    def _distance(self, number: float) -> float:
        """How far a number is from `low` on the scale; exact in relative terms also for narrow ranges."""
        if self.scale is Scaling.LOGARITHMIC:
            return log_ratio(number, self.low)
        if self.scale is Scaling.REVERSE_LOGARITHMIC:
            return math.log1p((number - self.low) / (1 - number))
        return number / 4 - self.low / 4 if self._is_huge() else number - self.low

    def _value(self, point: float) -> float:
        if self.scale is Scaling.LOGARITHMIC:
            return times_exp(self.low, point * self._distance(self.high))
        if self.scale is Scaling.REVERSE_LOGARITHMIC:
            return self.low - (1 - self.low) * math.expm1(-point * self._distance(self.high))
        if self._is_huge():
            return self.low * (1 - point) + self.high * point
        return self.low + point * (self.high - self.low)

    def _is_huge(self) -> bool:
        return math.isinf(self.high - self.low)


@dataclass(frozen=True, slots=True)
class Integer:
    """All integers from low to high, both included; bounds of 64 bits."""

    name: str
    low: int
    high: int
    scaling: Scaling = Scaling.AUTO

    @property
    def scale(self) -> Scaling:
        """The scaling with Auto resolved."""
        if self.scaling is not Scaling.AUTO:
            return self.scaling
        wide = self.low >= 1 and self.high >= AUTO_LOG_RATIO_INTEGER * self.low
        return Scaling.LOGARITHMIC if wide else Scaling.LINEAR

    def size(self) -> int:
        """How many integers there are."""
        return self.high - self.low + 1

    def encode(self, value: str) -> float:
        """The place of a value in [0, 1]: the middle of its cell (linear), its logarithm (logarithmic).

        On a logarithmic scale the cells are [log(v - 0.5), log(v + 0.5)].
        """
        return self._place(min(max(int(value), self.low), self.high))

    def place(self, value: str) -> float:
        """The same, but values outside the bounds are placed outside [0, 1], down to -FAR and up to 1 + FAR."""
        number = min(max(int(value), -_BEYOND), _BEYOND)
        if self.scale is Scaling.LOGARITHMIC and number < 1:
            return -FAR
        return min(max(self._place(number), -FAR), 1.0 + FAR)

    def decode(self, point: float) -> str:
        """The integer into whose cell the point falls, as a plain decimal."""
        if point <= self._place(self.low):
            return str(self.low)
        if point >= self._place(self.high):
            return str(self.high)
        return str(min(max(self.low + self._steps(point), self.low), self.high))

    def value(self, index: int) -> str:
        """The index-th integer, from 0."""
        return str(self.low + index)

    def index(self, value: str) -> int:
        """The place of an integer in the range, from 0; ValueError if it is no member."""
        number = int(value)
        if not self.low <= number <= self.high:
            raise ValueError(f"{value} is outside {self.low}..{self.high}")
        return number - self.low

    def _place(self, number: int) -> float:
        if self.scale is Scaling.LOGARITHMIC:
            return math.log1p((number - self.low + 0.5) / (self.low - 0.5)) / self._width()
        return (2 * (number - self.low) + 1) / (2 * self.size())

    def _steps(self, point: float) -> int:
        if self.scale is Scaling.LOGARITHMIC:
            return math.floor((self.low - 0.5) * math.expm1(point * self._width()))
        numerator, denominator = point.as_integer_ratio()
        return numerator * self.size() // denominator

    def _width(self) -> float:
        return math.log1p(self.size() / (self.low - 0.5))


@dataclass(frozen=True, slots=True)
class Categorical:
    """A choice without order; values reach the training job byte for byte."""

    name: str
    values: tuple[str, ...]

    def size(self) -> int:
        """How many values there are."""
        return len(self.values)

    def encode(self, value: str) -> float:
        """The middle of the value's cell, all cells being equally wide; ValueError for an unknown value."""
        return (self.index(value) + 0.5) / len(self.values)

    def place(self, value: str) -> float:
        """The same as `encode`: there is nothing outside."""
        return self.encode(value)

    def decode(self, point: float) -> str:
        """The value into whose cell the point falls."""
        return self.values[min(max(math.floor(point * len(self.values)), 0), len(self.values) - 1)]

    def value(self, index: int) -> str:
        """The index-th value, from 0."""
        return self.values[index]

    def index(self, value: str) -> int:
        """The place of a value in the list, from 0; ValueError for an unknown value."""
        return self.values.index(value)


Parameter: TypeAlias = Continuous | Integer | Categorical


@dataclass(frozen=True, slots=True)
class Space:
    """The product of all ranges: integer, continuous, categorical, each in the order of the request."""

    parameters: tuple[Parameter, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tuned hyperparameters, in order."""
        return tuple(parameter.name for parameter in self.parameters)

    def size(self) -> int | None:
        """How many distinct configurations there are; None if any range is continuous with low < high."""
        product = 1
        for parameter in self.parameters:
            size = parameter.size()
            if size is None:
                return None
            product *= size
        return product

    def encode(self, values: Mapping[str, str]) -> tuple[float, ...]:
        """A configuration as a point of the unit cube.

        Numbers outside the bounds go to the nearer bound.  KeyError: a hyperparameter is missing.  ValueError: a text
        is no number, or no value of its categorical range.
        """
        return tuple(parameter.encode(values[parameter.name]) for parameter in self.parameters)

    def decode(self, point: Sequence[float]) -> dict[str, str]:
        """A point of the unit cube as rendered strings; they re-parse inside their ranges."""
        pairs = zip(self.parameters, point, strict=True)
        return {parameter.name: parameter.decode(coordinate) for parameter, coordinate in pairs}

    def configuration(self, index: int) -> dict[str, str]:
        """The index-th configuration of a finite space, from 0; the first range varies slowest."""
        chosen: list[tuple[str, str]] = []
        for parameter in reversed(self.parameters):
            index, digit = divmod(index, parameter.size() or 1)
            chosen.append((parameter.name, parameter.value(digit)))
        return dict(reversed(chosen))

    def index(self, values: Mapping[str, str]) -> int:
        """The inverse of `configuration`.  KeyError or ValueError if the values do not lie in the space."""
        place = 0
        for parameter in self.parameters:
            place = place * (parameter.size() or 1) + parameter.index(values[parameter.name])
        return place


def render(number: float) -> str:
    """A double as the shortest decimal that parses back to it; minus zero is zero."""
    return repr(number + 0.0)


def log_ratio(number: float, base: float) -> float:
    """log(number / base) for 0 < base <= number, without cancellation or overflow."""
    if number / 2 < base:
        return math.log1p((number - base) / base)
    return math.log(number) - math.log(base)


def times_exp(base: float, exponent: float) -> float:
    """base * exp(exponent) for exponent >= 0, the inverse of `log_ratio`."""
    if exponent < math.log(2):
        return base + base * math.expm1(exponent)
    return math.exp(min(math.log(base) + exponent, 709.782712893384))


def is_integer(text: str) -> bool:
    """Whether a text is an integer in plain digits."""
    return _INTEGER.fullmatch(text) is not None


def same_value(one: str, other: str) -> bool:
    """Whether two values are the same text, or the same number written in two ways."""
    return one == other or (is_number(one) and is_number(other) and float(one) == float(other))


def is_number(text: str) -> bool:
    """Whether a text is a decimal, with or without an exponent."""
    return _DECIMAL.fullmatch(text) is not None
