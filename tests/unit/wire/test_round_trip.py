"""botocore is the oracle: what its serialiser writes we read, what we write its parser reads, for every operation."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from pegbox.wire import json11
from pegbox.wire.service import Operation, enum_of, find_operation, matcher, pattern_of, service_model
from pegbox.wire.validate import violations

OPERATIONS = sorted(service_model("sagemaker").operation_names)

#: Strings for the patterns that no short list of guesses satisfies.
GUESSES = (
    "a", "a-b", "A1", "1", "10", "a/b", "s3://bucket/key", "https://host/path", "example.com/image:1",
    "arn:aws:sagemaker:us-east-1:123456789012:thing/name", "arn:aws:iam::123456789012:role/service-role/name",
    "arn:aws:sagemaker:us-east-1:123456789012:pipeline/name/execution/abcdefghijkl",
    "2020-01-01T00:00:00Z", "ml.m5.large", "model.tar.gz", "a@b.co", "vpc-12345678", "subnet-12345678", "/opt/ml/x",
    "fs-12345678", "sg-1234", "d-abcdefghijkl", "us-east-1", "Tags.a", "text/csv", "2020-01-01", "+0100", "1.0.0", "-1",
)  # fmt: skip


def example(shape: Shape, seen: tuple[str, ...] = ()) -> Any:
    """A smallest value that the shape admits; recursion is cut where members are optional."""
    if isinstance(shape, StructureShape):
        names = shape.required_members
        if getattr(shape, "is_tagged_union", False) and not names:
            names = list(shape.members)[:1]
        else:
            names = list(names) + [n for n in shape.members if n not in names and shape.members[n].name not in seen]
        inner = (*seen, shape.name)
        if len(inner) > 6:
            names = shape.required_members
        return {name: example(shape.members[name], inner) for name in names}
    if isinstance(shape, ListShape):
        return [example(shape.member, seen)] * max(1, shape.metadata.get("min", 1))
    if isinstance(shape, MapShape):
        return {example(shape.key, seen): example(shape.value, seen)}
    return scalar(shape)


def scalar(shape: Shape) -> Any:
    kind, low = shape.type_name, shape.metadata.get("min")
    if kind == "string":
        return text(shape)
    if kind == "boolean":
        return True
    if kind == "timestamp":
        return 1_600_000_000.5
    if kind == "blob":
        return b"x" * max(1, low or 1)
    return math.ceil(low) if low is not None else 1


def text(shape: Shape) -> str:
    values = enum_of(shape)
    if values:
        return values[0]
    low = shape.metadata.get("min", 1)
    pattern = pattern_of(shape)
    match = matcher(pattern) if pattern else None
    for guess in GUESSES:
        value = guess if len(guess) >= low else guess + "a" * (low - len(guess))
        if match is None or match(value):
            return value
    return "a" * max(1, low)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_request_of_botocore_is_read_as_it_was_meant(name: str) -> None:
    operation = _operation(name)
    shape = operation.model.input_shape
    if shape is None:
        return
    value = example(shape)
    serializer = create_serializer("json", include_validation=False)
    wire = serializer.serialize_to_request(value, operation.model)
    parsed = json11.parse(wire["body"])
    structural = [text for text in violations(parsed, shape, "") if "pattern" not in text and "length" not in text]
    assert structural == []
    assert set(parsed) == set(value)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_answer_is_read_by_botocore_as_it_was_meant(name: str) -> None:
    operation = _operation(name)
    shape = operation.model.output_shape
    if shape is None:
        assert json11.answer(None, operation) == b""
        return
    value = example(shape)
    body = json11.answer({**value, "NoSuchMember": 1}, operation)
    response = {"body": body, "headers": {}, "status_code": 200}
    parsed = create_parser("json").parse(response, shape)
    parsed.pop("ResponseMetadata")
    assert "NoSuchMember" not in json.loads(body)
    assert set(parsed) == set(value)


def _operation(name: str) -> Operation:
    operation = find_operation("sagemaker", name)
    assert operation is not None
    return operation
