"""What is surely right has no fault, and what has none is mostly told so at once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.model import Shape

from pegbox.wire.quick import checked, surely
from pegbox.wire.service import find_operation, service_model
from pegbox.wire.validate import violations
from shape_examples import example

OPERATIONS = sorted(service_model("sagemaker").operation_names)
#: in the place of anything
OTHERS: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2**31, -(2**63) - 1, 0.5, 1e308, -1e300, float("inf"), 10**400, "", "a", "a-b_/ ", "x" * 70,
    "x" * 5000, "\x00", "\ud800", "ä", [], [[]], [1] * 300, {}, {"a": "b"}, {"NoSuchMember": 1}, b"x",
)  # fmt: skip
DRAWS = 40


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of everything in a value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    if not path:
        return other
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], other)
    return copy


def has_rare(shape: Shape, value: Any) -> bool:
    """Whether there is something in a value that is always looked at slowly."""
    if shape.type_name == "structure":
        members: dict[str, Shape] = shape.members  # type: ignore[attr-defined]
        is_rare = bool(getattr(shape, "is_tagged_union", False))
        return is_rare or any(item is None or has_rare(members[name], item) for name, item in value.items())
    if shape.type_name == "list":
        return any(has_rare(shape.member, each) for each in value)  # type: ignore[attr-defined]
    if shape.type_name == "map":
        return any(has_rare(shape.value, each) for each in value.values())  # type: ignore[attr-defined]
    return shape.type_name == "blob"


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_is_sure_is_so(name: str) -> None:
    operation = find_operation("sagemaker", name)
    shape = operation.model.input_shape if operation else None
    if shape is None:
        return
    draw, right = random.Random(name), example(shape)
    paths = list(places(right))
    changed = [replaced(right, draw.choice(paths), draw.choice(OTHERS)) for _ in range(DRAWS)]
    for value in (right, {}, *changed):
        faults = list(violations(value, shape, ""))
        if surely(shape)(value):
            assert faults == []
            assert checked(value, shape) is value
        elif not faults:
            assert has_rare(shape, value)


def test_shapes_are_made_once() -> None:
    operations = [find_operation("sagemaker-metrics", name) for name in ("BatchPutMetrics",) * 2]
    shapes = [each.model.input_shape for each in operations if each]
    assert shapes[0] is shapes[1]
    assert surely(shapes[0]) is surely(shapes[1])
