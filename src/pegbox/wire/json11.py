"""The AWS JSON 1.0 and 1.1 protocols: the operation in X-Amz-Target, one JSON object in, one out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import accumulate
from typing import Any, NoReturn

from pegbox.errors import MalformedRequest, PegboxError
from pegbox.wire.dump import dump, epoch_seconds
from pegbox.wire.service import Operation

MOST_DEPTH = 100  #: lists and objects inside each other; the deepest shape of the model has about 20
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = {**dict.fromkeys(b"[{", 1), **dict.fromkeys(b"]}", -1)}


def parse(body: bytes) -> dict[str, Any]:
    """The request object; of a repeated name the last counts.  Raises MalformedRequest when the body is not one."""
    if not body:
        return {}
    try:
        text = body.decode()
        _check_depth(body)
        value = json.loads(text, parse_constant=_refuse_constant)
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


def _check_depth(body: bytes) -> None:
    """Count brackets before anything recurses.  Raises MalformedRequest."""
    if body.count(b"[") + body.count(b"{") <= MOST_DEPTH:
        return
    # Without escapes every other piece between quotation marks is a string.
    outside = _STRING.sub(b"", body) if b"\\" in body else b"".join(body.split(b'"')[::2])
    brackets = outside.translate(None, _NO_BRACKETS)
    if max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > MOST_DEPTH:
        raise MalformedRequest(f"The request body is nested too deeply: more than {MOST_DEPTH} levels")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
