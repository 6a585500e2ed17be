"""ParameterRanges as a request writes them, and the rules that they keep.

Source: SageMaker developer guide, "Define Hyperparameter Ranges"; API reference, ParameterRanges.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn

from pegbox.domain.ranges import (
    LARGEST_INTEGER,
    MOST_RANGES,
    MOST_VALUES,
    OBJECTIVE_HYPERPARAMETER,
    SMALLEST_INTEGER,
    Categorical,
    Continuous,
    Integer,
    Parameter,
    Scaling,
    Space,
    is_integer,
    is_number,
    render,
)
from pegbox.errors import ValidationException


def parse_ranges(document: Mapping[str, Any], static: Mapping[str, str]) -> Space:
    """Read ParameterRanges of the API beside the definition's StaticHyperParameters; Autotune has read AutoParameters.

    Raises ValidationException, naming the hyperparameter, when the ranges break a rule of the guide.
    """
    parameters = tuple(_parse_all(document))
    if not parameters:
        _refuse("ParameterRanges must contain at least one integer, continuous or categorical parameter range.")
    if len(parameters) > MOST_RANGES:
        _refuse(
            f"The tuning job has {len(parameters)} tunable hyperparameters over all parameter ranges; "
            f"the maximum is {MOST_RANGES}."
        )
    _check_names([parameter.name for parameter in parameters], static)
    return Space(parameters)


def _parse_all(document: Mapping[str, Any]) -> Iterator[Parameter]:
    yield from map(_parse_integer, document.get("IntegerParameterRanges") or ())
    yield from map(_parse_continuous, document.get("ContinuousParameterRanges") or ())
    yield from map(_parse_categorical, document.get("CategoricalParameterRanges") or ())


def _check_names(names: Iterable[str], static: Mapping[str, str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name == OBJECTIVE_HYPERPARAMETER:
            _refuse(f"The hyperparameter {name} is set by the service and cannot be tuned.")
        if name in static:
            _refuse(f"The hyperparameter {name} is both in ParameterRanges and in StaticHyperParameters.")
        if name in seen:
            _refuse(f"The hyperparameter {name} has more than one parameter range; names must be unique.")
        seen.add(name)


def _parse_integer(document: Mapping[str, Any]) -> Integer:
    name, scaling = document["Name"], _scaling(document)
    low, high = (_integer(name, bound, document[bound]) for bound in ("MinValue", "MaxValue"))
    _check_order(name, low, high, document)
    if scaling is Scaling.REVERSE_LOGARITHMIC:
        _refuse(f"The integer hyperparameter {name} cannot have ScalingType ReverseLogarithmic.")
    if scaling is Scaling.LOGARITHMIC and low < 1:
        _refuse(f"The integer hyperparameter {name} with ScalingType Logarithmic needs MinValue >= 1, but it is {low}.")
    return Integer(name, low, high, scaling)


def _parse_continuous(document: Mapping[str, Any]) -> Continuous:
    name, scaling = document["Name"], _scaling(document)
    low, high = (_decimal(name, bound, document[bound]) for bound in ("MinValue", "MaxValue"))
    _check_order(name, low, high, document)
    if scaling is Scaling.LOGARITHMIC and low <= 0:
        _refuse(f"The hyperparameter {name} with ScalingType Logarithmic needs MinValue > 0, but it is {render(low)}.")
    if scaling is Scaling.REVERSE_LOGARITHMIC and not (low >= 0 and high < 1):
        _refuse(
            f"The hyperparameter {name} with ScalingType ReverseLogarithmic needs 0 <= MinValue and MaxValue < 1, "
            f"but they are {render(low)} and {render(high)}."
        )
    return Continuous(name, low, high, scaling)


def _parse_categorical(document: Mapping[str, Any]) -> Categorical:
    name, values = document["Name"], tuple(document["Values"])
    if not values:
        _refuse(f"The categorical hyperparameter {name} has no values.")
    if len(values) > MOST_VALUES:
        _refuse(f"The categorical hyperparameter {name} has {len(values)} values; the maximum is {MOST_VALUES}.")
    for place, value in enumerate(values):
        if value in values[:place]:
            _refuse(f"The categorical hyperparameter {name} has the value {value!r} more than once.")
    return Categorical(name, values)


def _scaling(document: Mapping[str, Any]) -> Scaling:
    return Scaling(document.get("ScalingType") or "Auto")


def _integer(name: str, bound: str, text: str) -> int:
    if not is_integer(text):
        _refuse(f"{bound} of the integer hyperparameter {name} must be an integer in plain digits, but it is {text!r}.")
    digits = text.lstrip("+-").lstrip("0")
    number = int(text) if len(digits) < 20 else LARGEST_INTEGER + 1
    if not SMALLEST_INTEGER <= number <= LARGEST_INTEGER:
        _refuse(f"{bound} of the integer hyperparameter {name} does not fit into 64 bits: {text}.")
    return number


def _decimal(name: str, bound: str, text: str) -> float:
    if not is_number(text) or math.isinf(float(text)):
        _refuse(f"{bound} of the continuous hyperparameter {name} must be a finite number, but it is {text!r}.")
    return float(text) + 0.0


def _check_order(name: str, low: float, high: float, document: Mapping[str, Any]) -> None:
    if low > high:
        _refuse(
            f"MinValue of the hyperparameter {name} must not be greater than its MaxValue, "
            f"but they are {document['MinValue']} and {document['MaxValue']}."
        )


def _refuse(message: str) -> NoReturn:
    raise ValidationException(message)
