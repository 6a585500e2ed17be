"""Who the caller is (AWS Security Token Service)."""

from __future__ import annotations

from typing import Any

from pegbox.operations.call import Call
from pegbox.wire.registry import operation_of

ROLE = "pegbox"  #: the role in whose name every key of an account acts


@operation_of("sts")
def get_caller_identity(request: dict[str, Any], call: Call) -> dict[str, str]:
    """The account and the ARN behind the access key."""
    return {
        "UserId": call.key_id or ROLE,
        "Account": call.account,
        "Arn": f"arn:aws:sts::{call.account}:assumed-role/{ROLE}/session",
    }
