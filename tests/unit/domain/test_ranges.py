from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pegbox.domain.ranges import FAR, Categorical, Continuous, Integer, Parameter, Scaling, Space

settings.register_profile("unhurried", deadline=None)  # other tests may keep the machine busy
settings.load_profile("unhurried")

LARGEST = 1.7976931348623157e308
SMALLEST = 5e-324
finite = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(min_value=SMALLEST, max_value=LARGEST)
below_one = st.floats(min_value=0, max_value=1, exclude_max=True)
wide = st.integers(-(2**63), 2**63 - 1)
units = st.floats(0, 1)


def ordered(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, Any]]:
    return st.tuples(values, values).map(lambda pair: (min(pair), max(pair)))


continuous = st.one_of(
    st.builds(lambda b: Continuous("x", *b, Scaling.LINEAR), ordered(finite)),
    st.builds(lambda b: Continuous("x", *b, Scaling.AUTO), ordered(finite)),
    st.builds(lambda b: Continuous("x", *b, Scaling.LOGARITHMIC), ordered(positive)),
    st.builds(lambda b: Continuous("x", *b, Scaling.REVERSE_LOGARITHMIC), ordered(below_one)),
)
integers = st.one_of(
    st.builds(lambda b: Integer("n", *b, Scaling.LINEAR), ordered(wide)),
    st.builds(lambda b: Integer("n", *b, Scaling.AUTO), ordered(wide)),
    st.builds(lambda b: Integer("n", *b, Scaling.LOGARITHMIC), ordered(st.integers(1, 2**63 - 1))),
)
choices = st.builds(
    lambda values: Categorical("c", tuple(values)), st.lists(st.text(max_size=5), min_size=1, max_size=30, unique=True)
)


@given(continuous, units)
@example(Continuous("x", -LARGEST, LARGEST, Scaling.LINEAR), 0.5)
@example(Continuous("x", 1e308, LARGEST, Scaling.LOGARITHMIC), 1 - 2**-53)
@example(Continuous("x", 0.1, 0.1 + 0.2, Scaling.LINEAR), 1 - 2**-53)
@example(Continuous("x", 0.0, SMALLEST, Scaling.LINEAR), 0.3)
@example(Continuous("x", 0.3, 1 - 2**-53, Scaling.REVERSE_LOGARITHMIC), 1 - 2**-53)
def test_a_number_stays_in_its_bounds_after_rendering(parameter: Continuous, point: float) -> None:
    text = parameter.decode(point)
    assert parameter.low <= float(text) <= parameter.high
    assert repr(float(text)) == text
    assert 0 <= parameter.encode(text) <= 1


@given(continuous)
def test_both_bounds_of_a_continuous_range_survive(parameter: Continuous) -> None:
    for bound in (parameter.low, parameter.high):
        assert float(parameter.decode(parameter.encode(repr(bound)))) == bound


@given(continuous, units)
def test_a_point_comes_back_to_its_place(parameter: Continuous, point: float) -> None:
    assume(parameter.low < parameter.high)
    value = float(parameter.decode(point))
    # no finer than the doubles themselves are
    neighbours = (math.nextafter(value, -math.inf), math.nextafter(value, math.inf))
    grain = max(abs(parameter.encode(repr(near)) - parameter.encode(repr(value))) for near in neighbours)
    assert abs(parameter.encode(repr(value)) - point) <= 4 * grain + 1e-9


@given(st.one_of(continuous, integers), units, units)
def test_the_order_of_points_is_that_of_values(parameter: Continuous | Integer, one: float, other: float) -> None:
    lower, upper = (float(parameter.decode(point)) for point in sorted((one, other)))
    slack = 4 * math.ulp(max(abs(lower), abs(upper)))  # exp and log are not quite monotonic
    assert lower <= upper + slack


@given(continuous, st.tuples(units, units, units))
def test_equal_steps_of_a_scale_hold_equal_shares(parameter: Continuous, points: tuple[float, ...]) -> None:
    """Linear in x, log x or -log(1 - x)."""
    assume(parameter.low < parameter.high < 1e100 and parameter.low > -1e100)
    scales: dict[Scaling, Callable[[float], float]] = {
        Scaling.LINEAR: lambda x: x,
        Scaling.LOGARITHMIC: math.log,
        Scaling.REVERSE_LOGARITHMIC: lambda x: -math.log1p(-x),
    }
    along = scales[parameter.scale]
    start, width = along(parameter.low), along(parameter.high) - along(parameter.low)
    assume(width > 1e-3 * (abs(start) + 1))  # else the logarithms of the check itself lose too many digits
    for point in points:
        value = float(parameter.decode(point))
        # no finer than the doubles themselves are
        near = [math.nextafter(value, end) for end in (parameter.low, parameter.high)]
        grain = max(abs(along(each) - along(value)) for each in near)
        assert abs(along(value) - start - point * width) <= 4 * grain + 1e-9 * width


@given(integers, units)
def test_an_integer_stays_in_its_bounds(parameter: Integer, point: float) -> None:
    text = parameter.decode(point)
    assert str(int(text)) == text
    assert parameter.low <= int(text) <= parameter.high


@given(integers)
def test_both_bounds_of_an_integer_range_survive(parameter: Integer) -> None:
    for bound in (parameter.low, parameter.high):
        assert parameter.decode(parameter.encode(str(bound))) == str(bound)


@given(integers, st.data())
def test_integers_of_moderate_ranges_survive(parameter: Integer, data: st.DataObject) -> None:
    assume(parameter.high - parameter.low < 2**45)
    number = data.draw(st.integers(parameter.low, parameter.high))
    assert parameter.decode(parameter.encode(str(number))) == str(number)
    assert parameter.value(parameter.index(str(number))) == str(number)


@given(integers)
def test_the_ends_of_the_scale_are_the_bounds(parameter: Integer) -> None:
    assert parameter.decode(0.0) == str(parameter.low)
    assert parameter.decode(1.0) == str(parameter.high)


@given(choices, units)
def test_categories_survive(parameter: Categorical, point: float) -> None:
    value = parameter.decode(point)
    assert value in parameter.values
    assert parameter.decode(parameter.encode(value)) == value


@given(st.lists(st.one_of(integers, continuous, choices), min_size=1, max_size=5), st.data())
def test_spaces_survive(parameters: list[Parameter], data: st.DataObject) -> None:
    named = tuple(type(p)(f"p{i}", *_fields(p)) for i, p in enumerate(parameters))
    space = Space(named)
    point = data.draw(st.lists(units, min_size=len(named), max_size=len(named)))
    values = space.decode(point)
    assert tuple(values) == space.names
    assert all(0 <= place <= 1 for place in space.encode(values))
    size = space.size()
    if size is not None:
        index = data.draw(st.integers(0, size - 1))
        assert space.index(space.configuration(index)) == index


def _fields(parameter: Parameter) -> tuple[Any, ...]:
    if isinstance(parameter, Categorical):
        return (parameter.values,)
    return parameter.low, parameter.high, parameter.scaling


def test_linear_integers_have_equal_cells() -> None:
    parameter = Integer("n", 1, 3)
    assert [parameter.decode(place) for place in (0.0, 0.33, 0.34, 0.66, 0.67, 1.0)] == ["1", "1", "2", "2", "3", "3"]
    assert parameter.encode("2") == 0.5


def test_logarithmic_integers_have_cells_of_the_logarithm() -> None:
    parameter = Integer("n", 1, 100, Scaling.LOGARITHMIC)
    low, high = math.log(0.5), math.log(100.5)
    edge = (math.log(1.5) - low) / (high - low)
    assert (parameter.decode(edge - 1e-9), parameter.decode(edge + 1e-9)) == ("1", "2")
    assert parameter.encode("10") == pytest.approx((math.log(10) - low) / (high - low))


def test_scales() -> None:
    assert float(Continuous("x", 1e-4, 1.0, Scaling.LOGARITHMIC).decode(0.5)) == pytest.approx(1e-2)
    assert float(Continuous("x", 0.0, 0.9999, Scaling.REVERSE_LOGARITHMIC).decode(0.5)) == pytest.approx(0.99)
    assert Continuous("x", -1.0, 3.0, Scaling.LINEAR).decode(0.5) == "1.0"


@pytest.mark.parametrize(
    ("parameter", "scale"),
    [
        (Continuous("x", 0.01, 1.0), Scaling.LOGARITHMIC),
        (Continuous("x", 0.02, 1.0), Scaling.LINEAR),
        (Continuous("x", 0.0, 1000.0), Scaling.LINEAR),
        (Continuous("x", SMALLEST, LARGEST), Scaling.LOGARITHMIC),
        (Continuous("x", 0.01, 1.0, Scaling.LINEAR), Scaling.LINEAR),
        (Integer("n", 1, 1000), Scaling.LOGARITHMIC),
        (Integer("n", 1, 999), Scaling.LINEAR),
        (Integer("n", 0, 10**6), Scaling.LINEAR),
    ],
)
def test_auto_scaling(parameter: Continuous | Integer, scale: Scaling) -> None:
    assert parameter.scale is scale


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.07415510551626486, "0.07415510551626486"),
        (1e-4, "0.0001"),
        (1e-5, "1e-05"),
        (5e-324, "5e-324"),
        (1.0, "1.0"),
        (1e16, "1e+16"),
        (-2.5, "-2.5"),
        (-0.0, "0.0"),
    ],
)
def test_numbers_are_rendered_as_the_shortest_that_parses_back(number: float, text: str) -> None:
    assert Continuous("x", number, number).decode(0.5) == text
    assert float(text) == number


@pytest.mark.parametrize("value", ['"\\"sgd\\""', '"sgd"', " ", "", "\u00e9", "1e-05", "007"])
def test_categories_reach_the_job_byte_for_byte(value: str) -> None:
    assert Categorical("c", (value,)).decode(0.5) == value


def test_values_from_elsewhere_go_to_the_nearer_bound() -> None:
    assert Continuous("x", 1.0, 2.0).encode("5") == 1.0
    assert Continuous("x", 1.0, 2.0).encode("-5") == 0.0
    assert Integer("n", 1, 4).encode("-5") == 0.125
    with pytest.raises(ValueError):
        Categorical("c", ("a",)).encode("b")
    with pytest.raises(ValueError):
        Space((Integer("n", 1, 4),)).index({"n": "5"})
    with pytest.raises(ValueError):
        Space((Continuous("x", 1.0, 1.0),)).index({"x": "2.0"})


def test_size_and_order_of_a_finite_space() -> None:
    space = Space((Categorical("c", ("b", "a")), Continuous("k", 0.5, 0.5), Integer("n", -1, 1)))
    assert space.size() == 6
    listed = [tuple(space.configuration(index).values()) for index in range(6)]
    assert listed == [(c, "0.5", n) for c in "ba" for n in ("-1", "0", "1")]
    assert Space((Continuous("x", 0.0, 1.0), *space.parameters)).size() is None


def test_no_numerical_library_is_loaded() -> None:
    program = "import sys, pegbox.domain.ranges; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@given(st.one_of(continuous, integers), st.lists(finite, min_size=2, max_size=5))
def test_values_outside_have_places_outside_in_their_order(
    parameter: Continuous | Integer, numbers: list[float]
) -> None:
    numbers = sorted(math.floor(number) if isinstance(parameter, Integer) else number for number in numbers)
    places = [parameter.place(str(number)) for number in numbers]
    assert places == sorted(places)
    for number, place in zip(numbers, places, strict=True):
        assert -1.0 <= place <= 2.0
        if parameter.low <= number <= parameter.high:
            assert place == parameter.encode(str(number))
        elif parameter.size() != 1:
            assert place <= 0.0 if number < parameter.low else place >= 1.0


@pytest.mark.parametrize(
    ("parameter", "value", "place"),
    [
        (Continuous("x", 0.0, 10.0), "15", 1.5),
        (Continuous("x", 0.0, 10.0), "-5", -0.5),
        (Continuous("x", 0.0, 10.0), "1e300", 2.0),
        (Continuous("x", 1e-2, 1.0, Scaling.LOGARITHMIC), "10", 1.5),
        (Continuous("x", 1e-2, 1.0, Scaling.LOGARITHMIC), "0", -1.0),
        (Continuous("x", 0.0, 0.9, Scaling.REVERSE_LOGARITHMIC), "0.99", 2.0),
        (Continuous("x", 0.0, 0.9, Scaling.REVERSE_LOGARITHMIC), "1", 2.0),
        (Integer("n", 1, 10), "15", 1.45),
        (Integer("n", 1, 10, Scaling.LOGARITHMIC), "0", -1.0),
    ],
)
def test_places_outside(parameter: Parameter, value: str, place: float) -> None:
    assert parameter.place(value) == pytest.approx(place)


@pytest.mark.parametrize("value", ["nan", "inf", "many"])
def test_what_is_no_number_has_no_place(value: str) -> None:
    for parameter in (Continuous("x", 0.0, 1.0), Integer("n", 0, 1), Categorical("c", ("a",))):
        with pytest.raises(ValueError):
            parameter.place(value)
        if value != "inf":  # which is beyond the end, and goes there
            with pytest.raises(ValueError):
                parameter.encode(value)


HUGE = "1" + "0" * 400


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("scaling", [Scaling.LINEAR, Scaling.LOGARITHMIC])
@pytest.mark.parametrize("bounds", [(1, 10), (1, 2**63 - 1), (2**62, 2**63 - 1)])
def test_an_integer_of_any_size_has_a_place(bounds: tuple[int, int], scaling: Scaling, sign: str) -> None:
    """A program may take numbers that are too great for a double, and an earlier search may have had one."""
    parameter = Integer("n", *bounds, scaling)
    assert parameter.place(sign + HUGE) == (-FAR if sign else 1.0 + FAR)
    assert parameter.place(sign + "1" + "0" * 40) == (-FAR if sign else 1.0 + FAR)
