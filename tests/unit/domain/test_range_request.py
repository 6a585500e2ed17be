from __future__ import annotations

from typing import Any

import pytest

from pegbox.domain.range_request import parse_ranges
from pegbox.domain.ranges import Categorical, Continuous, Integer, Scaling, Space
from pegbox.errors import ValidationException


def integer(name: str = "n", low: str = "1", high: str = "10", **more: str) -> dict[str, Any]:
    return {"IntegerParameterRanges": [{"Name": name, "MinValue": low, "MaxValue": high, **more}]}


def number(name: str = "x", low: str = "0.1", high: str = "1", **more: str) -> dict[str, Any]:
    return {"ContinuousParameterRanges": [{"Name": name, "MinValue": low, "MaxValue": high, **more}]}


def choice(*values: str, name: str = "c") -> dict[str, Any]:
    return {"CategoricalParameterRanges": [{"Name": name, "Values": list(values)}]}


def test_parse() -> None:
    document = integer(ScalingType="Linear") | number(low="1e-3", ScalingType="ReverseLogarithmic", high=".5")
    assert parse_ranges(document | choice('"sgd"', "adam"), {"other": "1"}) == Space(
        (
            Integer("n", 1, 10, Scaling.LINEAR),
            Continuous("x", 0.001, 0.5, Scaling.REVERSE_LOGARITHMIC),
            Categorical("c", ('"sgd"', "adam")),
        )
    )


@pytest.mark.parametrize(
    "document",
    [
        integer(low="5", high="5"),
        integer(low="-9223372036854775808", high="+9223372036854775807"),
        integer(low="007", high="0" * 200 + "8"),
        number(low="-0.0", high="0"),
        number(low="-1E+308", high="1.7976931348623157e308"),
        number(low="1e-400", high="5e-324"),
        number(low="0", high="0.9999", ScalingType="ReverseLogarithmic"),
        choice("only"),
        choice(*map(str, range(30))),
    ],
)
def test_what_is_accepted(document: dict[str, Any]) -> None:
    space = parse_ranges(document, {})
    assert space.encode(space.decode([0.5]))


def test_minus_zero_is_zero() -> None:
    assert parse_ranges(number(low="-0.0", high="0"), {}).decode([0.0]) == {"x": "0.0"}


@pytest.mark.parametrize(
    ("document", "part"),
    [
        (integer(low="10", high="1"), "MinValue of the hyperparameter n must not be greater than its MaxValue"),
        (number(low="1", high="0.5"), "MinValue of the hyperparameter x must not be greater than its MaxValue"),
        (integer(low="1e3", high="2000"), "MinValue of the integer hyperparameter n must be an integer"),
        (integer(high="1.5"), "MaxValue of the integer hyperparameter n must be an integer"),
        (integer(high="1_0"), "must be an integer"),
        (integer(high="\u0661"), "must be an integer"),
        (integer(high=" 1"), "must be an integer"),
        (integer(high=""), "must be an integer"),
        (integer(high="9223372036854775808"), "does not fit into 64 bits"),
        (integer(low="-9223372036854775809"), "does not fit into 64 bits"),
        (integer(high="9" * 256), "does not fit into 64 bits"),
        (number(low="nan"), "MinValue of the continuous hyperparameter x must be a finite number"),
        (number(high="inf"), "must be a finite number"),
        (number(high="1e999"), "must be a finite number"),
        (number(high="ten"), "must be a finite number"),
        (number(high="0x10"), "must be a finite number"),
        (number(high="."), "must be a finite number"),
        (number(low="0", ScalingType="Logarithmic"), "x with ScalingType Logarithmic needs MinValue > 0"),
        (integer(low="0", ScalingType="Logarithmic"), "n with ScalingType Logarithmic needs MinValue >= 1"),
        (number(high="1", ScalingType="ReverseLogarithmic"), "x with ScalingType ReverseLogarithmic needs"),
        (number(low="-0.1", high=".5", ScalingType="ReverseLogarithmic"), "x with ScalingType ReverseLogarithmic"),
        (integer(ScalingType="ReverseLogarithmic"), "n cannot have ScalingType ReverseLogarithmic"),
        (choice("a", "b", "a"), "c has the value 'a' more than once"),
        (choice(), "c has no values"),
        (choice(*map(str, range(31))), "c has 31 values; the maximum is 30"),
        (integer(name="same") | number(name="same"), "same has more than one parameter range"),
        (number(name="static"), "static is both in ParameterRanges and in StaticHyperParameters"),
        (choice("a", name="_tuning_objective_metric"), "_tuning_objective_metric is set by the service"),
        ({}, "at least one"),
        ({"IntegerParameterRanges": [], "ContinuousParameterRanges": None}, "at least one"),
        ({"AutoParameters": [{"Name": "eta", "ValueHint": "0.1"}]}, "at least one"),
        (
            {"IntegerParameterRanges": [integer(name=f"n{i}")["IntegerParameterRanges"][0] for i in range(30)]}
            | number(),
            "31 tunable hyperparameters over all parameter ranges; the maximum is 30",
        ),
    ],
)
def test_what_is_refused(document: dict[str, Any], part: str) -> None:
    with pytest.raises(ValidationException) as refusal:
        parse_ranges(document, {"static": "1"})
    assert part in refusal.value.message
