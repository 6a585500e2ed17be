"""What the policy of a web form allows: until when, and which values of its fields.

S3 API reference, "POST Policy".  Names of fields are in lower case here.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pegbox.errors import S3Error

#: fields that no condition has to name
_FREE = frozenset({"policy", "signature", "awsaccesskeyid", "x-amz-signature", "file"})
_TIMES = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many bytes the file may have."""

    least: int
    most: int


def check_policy(policy: str, fields: Mapping[str, str], now: datetime, most: int) -> Sizes:
    """Check the fields of a form, `bucket` among them, against its policy in base64.

    A policy has to name the bucket like any other field: it would be good for all buckets of the account.
    Raises S3Error InvalidPolicyDocument, AccessDenied.
    """
    expiration, conditions = _document(policy)
    if now >= expiration:
        raise _denied("Policy expired.")
    sizes, named = Sizes(least=0, most=most), set(_FREE)
    for condition in conditions:
        kind, first, second = _read(condition)
        if kind == "content-length-range":
            sizes = Sizes(least=max(sizes.least, _size(first)), most=min(sizes.most, _size(second)))
            continue
        name = str(first).lower()
        value = fields.get(name, "")
        if not (value == second if kind == "eq" else value.startswith(second)):
            raise _denied(f"Policy Condition failed: {json.dumps(condition)}")
        named.add(name)
    for name in fields:
        if name not in named and not name.startswith("x-ignore-"):
            raise _denied(f"Extra input fields: {name}")
    return sizes


def _document(policy: str) -> tuple[datetime, Sequence[Any]]:
    try:
        document = json.loads(base64.b64decode(policy, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise _invalid("Invalid JSON.") from None
    if not isinstance(document, dict):
        raise _invalid("Invalid JSON.")
    expiration, conditions = document.get("expiration"), document.get("conditions")
    if not isinstance(expiration, str):
        raise _invalid("Policy missing expiration.")
    if not isinstance(conditions, list):
        raise _invalid("Policy missing conditions.")
    for form in _TIMES:
        try:
            return datetime.strptime(expiration, form).replace(tzinfo=UTC), conditions
        except ValueError:
            continue
    raise _invalid(f"Invalid 'expiration' value: '{expiration}'")


def _read(condition: Any) -> tuple[str, Any, Any]:
    """Kind, and name and value or least and most, of a condition.  Names come without their dollar sign."""
    if isinstance(condition, dict) and len(condition) == 1:
        ((name, value),) = condition.items()
        if isinstance(value, str):
            return "eq", name, value
    if isinstance(condition, list) and len(condition) == 3 and isinstance(condition[0], str):
        kind, first, second = condition[0].lower(), condition[1], condition[2]
        if kind == "content-length-range":
            return kind, first, second
        if kind in ("eq", "starts-with") and isinstance(first, str) and isinstance(second, str) and first[:1] == "$":
            return kind, first[1:], second
    raise _invalid("Invalid Simple-Condition: a condition must be {name: value} or [kind, $name, value].")


def _size(value: Any) -> int:
    text = str(value) if isinstance(value, str | int) else ""
    if isinstance(value, bool) or not text.isascii() or not text.isdigit() or len(text) > 18:
        raise _invalid("Invalid content-length-range: it needs two whole numbers.")
    return int(text)


def _invalid(why: str) -> S3Error:
    return S3Error("InvalidPolicyDocument", 400, f"Invalid Policy: {why}")


def _denied(why: str) -> S3Error:
    return S3Error("AccessDenied", 403, f"Invalid according to Policy: {why}")
