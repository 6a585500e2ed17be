"""What a filter means: bounds for numbers, and that fractions do not count beside integers."""

from __future__ import annotations

import math
import operator

import pytest

from pegbox.domain.properties import Catalog, Property, Type
from pegbox.domain.query import Between, Has, Nested, Not, Text, parse

CATALOG = Catalog(
    {"Name": Type.TEXT, "Size": Type.NUMBER, "CreationTime": Type.TIME, "Channels.Name": Type.TEXT},
    {"HyperParameters": Type.EITHER, "Tags": Type.TEXT},
    frozenset({"Channels"}),
)
STORED = [step / 4 for step in range(-14, 15)]
COMPARE = {
    "Equals": operator.eq,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}


def meant(name: str, how: str, value: str) -> object:
    return parse({"Filters": [{"Name": name, "Operator": how, "Value": value}]}, None, CATALOG)


def is_within(bounds: Between, number: float) -> bool:
    above = number > bounds.low if bounds.low_open else number >= bounds.low
    return above and (number < bounds.high if bounds.high_open else number <= bounds.high)


@pytest.mark.parametrize("how", COMPARE)
@pytest.mark.parametrize("value", [-3, -2, -1, 0, 1, 2, 3])
def test_beside_an_integer_fractions_of_hyperparameters_do_not_count(how: str, value: int) -> None:
    found = meant("HyperParameters.x", how, str(value))
    assert isinstance(found, Has) and isinstance(found.test, Between)
    for stored in STORED:
        assert is_within(found.test, stored) == COMPARE[how](math.trunc(stored), value), stored


@pytest.mark.parametrize("how", COMPARE)
@pytest.mark.parametrize("value", [2**53 - 1, 2**53, 2**53 + 2, 1_764_312_345_678_901_234, -(2**53), -(2**64)])
def test_integers_that_are_so_large_that_numbers_have_no_fractions(how: str, value: int) -> None:
    """As seeds, and times in nanoseconds."""
    found = meant("HyperParameters.seed", how, str(value))
    assert isinstance(found, Has) and isinstance(found.test, Between)
    for stored in (float(value), math.nextafter(value, -math.inf), math.nextafter(value, math.inf)):
        assert is_within(found.test, stored) == COMPARE[how](stored, float(value)), stored


@pytest.mark.parametrize("how", COMPARE)
@pytest.mark.parametrize("name, value", [("HyperParameters.x", "1.0"), ("HyperParameters.x", "-0.5"), ("Size", "1")])
def test_beside_a_decimal_and_elsewhere_they_do(name: str, value: str, how: str) -> None:
    found = meant(name, how, value)
    assert isinstance(found, Has) and isinstance(found.test, Between)
    for stored in STORED:
        assert is_within(found.test, stored) == COMPARE[how](stored, float(value)), stored


def test_names_are_spelt_as_the_model_has_them() -> None:
    assert meant("hyperparameters.Eta.x", "Equals", "adam") == Has("HyperParameters.Eta.x", Text("adam"))
    assert meant("tags.a", "NotEquals", "b") == Not(Has("Tags.a", Text("b")))


def test_members_of_a_list_may_be_named_without_it() -> None:
    nested = {"NestedPropertyName": "Channels", "Filters": [{"Name": "Name", "Value": "train"}]}
    assert parse({"NestedFilters": [nested]}, None, CATALOG) == Nested(
        "Channels", (Has("Channels.Name", Text("train")),)
    )


def test_a_record_becomes_properties() -> None:
    record = {
        "Name": "a",
        "Size": 3,
        "CreationTime": 1.23456,
        "Unknown": "x",
        "Channels": [{"Name": "train"}, {"Name": None}, {"Name": "test"}],
        "HyperParameters": {"eta": "0.10", "opt": "nan"},
        "Tags": [{"Key": "k", "Value": "v"}],
    }
    assert sorted(CATALOG.properties(record)) == [
        Property("Channels.Name", 0, None, "train"),
        Property("Channels.Name", 2, None, "test"),
        Property("CreationTime", 0, 1.235, None),
        Property("HyperParameters.eta", 0, 0.1, "0.10"),
        Property("HyperParameters.opt", 0, None, "nan"),
        Property("Name", 0, None, "a"),
        Property("Size", 0, 3.0, None),
        Property("Tags.k", 0, None, "v"),
    ]
