"""The AWS JSON 1.0 and 1.1 protocols: the operation in X-Amz-Target, one JSON object in, one out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from pegbox.errors import MalformedRequest, PegboxError
from pegbox.wire.dump import dump, epoch_seconds
from pegbox.wire.service import Operation


def parse(body: bytes) -> dict[str, Any]:
    """The request object.  Raises MalformedRequest when the body is not one."""
    if not body:
        return {}
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
    except RecursionError:
        raise MalformedRequest("The request body is nested too deeply") from None
    except ValueError as error:
        raise MalformedRequest(f"The request body is not valid JSON: {str(error)[:200]}") from None
    if not isinstance(value, dict):
        raise MalformedRequest("The request body must be a JSON object")
    return value


def answer(value: Mapping[str, Any] | None, operation: Operation) -> bytes:
    """The response body; operations without output answer with an empty one."""
    shape = operation.model.output_shape
    if shape is None:
        return b""
    return json.dumps(dump(value or {}, shape, epoch_seconds), separators=(",", ":")).encode()


def refusal(error: PegboxError) -> bytes:
    """The body of an error."""
    return json.dumps({"__type": error.code, "message": error.message, "Message": error.message}).encode()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
