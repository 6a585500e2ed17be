"""Verify the signature of an upload from a web form: it is that of the form's policy, by version 4 or 2.

S3 API reference, "Authenticating Requests in Browser-Based Uploads Using POST (AWS Signature Version 4)".
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Mapping

from pegbox.wire import sigv2
from pegbox.wire.signed import Caller, Key, Payload, incomplete, key_of, mismatch
from pegbox.wire.sigv4 import ALGORITHM, credential, derive_key

FIELDS_OF_4 = ("x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature")
FIELDS_OF_2 = ("awsaccesskeyid", "signature")


def verify_form(fields: Mapping[str, str], find_key: Callable[[str], Key | None]) -> Caller:
    """Who signed the field `policy`.  Names of fields are in lower case.  Raises AuthError.

    When the signature ends is for the policy to say.
    """
    if "x-amz-signature" in fields or "x-amz-credential" in fields:
        return _by_4(fields, find_key)
    return _by_2(fields, find_key)


def _by_4(fields: Mapping[str, str], find_key: Callable[[str], Key | None]) -> Caller:
    algorithm, claimed, _, signature = (_field(fields, name) for name in FIELDS_OF_4)
    if algorithm != ALGORITHM:
        raise incomplete(f"X-Amz-Algorithm must be {ALGORITHM}.", "InvalidArgument")
    scope = credential(claimed)
    key = key_of(scope.key_id, find_key)
    expected = hmac.digest(derive_key(key.secret, scope), _field(fields, "policy").encode(), "sha256").hex()
    if scope.service != "s3" or not hmac.compare_digest(expected.encode(), signature.encode()):
        raise mismatch()
    return Caller(key_id=key.id, account=key.account, region=scope.region, service="s3", payload=Payload())


def _by_2(fields: Mapping[str, str], find_key: Callable[[str], Key | None]) -> Caller:
    key_id, signature = (_field(fields, name) for name in FIELDS_OF_2)
    key = key_of(key_id, find_key)
    expected = base64.b64encode(hmac.digest(key.secret.encode(), _field(fields, "policy").encode(), "sha1"))
    if not hmac.compare_digest(expected, signature.encode()):
        raise mismatch()
    return Caller(key_id=key.id, account=key.account, region=sigv2.REGION, service="s3", payload=Payload())


def _field(fields: Mapping[str, str], name: str) -> str:
    if not fields.get(name):
        raise incomplete(f"Bucket POST must contain a field named '{name}'.", "InvalidArgument")
    return fields[name]
