"""Values that shapes of the model admit."""

from __future__ import annotations

import math
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from pegbox.wire.service import enum_of, matcher, pattern_of

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
