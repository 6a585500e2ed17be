"""Verify S3 URLs presigned by AWS Signature Version 2, boto3's default in us-east-1, eu-west-1 and a few others.

Only the query form is accepted, and only for S3; requests with an `Authorization: AWS ...` header are refused.
Values stand undelimited in what is signed, so what would let one request read as another is refused: repeated names,
line feeds, a parameter inside another's value.  As on S3, the parameters of listings are not signed.
Source: S3 user guide, "Signing and authenticating REST requests (AWS signature version 2)".
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from datetime import datetime

from pegbox.wire.signed import (
    Caller,
    Head,
    Key,
    Payload,
    PresignExpired,
    Scope,
    incomplete,
    key_of,
    mismatch,
    query_pairs,
    unreadable_url,
    wire_bytes,
)

REGION = "us-east-1"  #: this version of the signature names none

_REQUIRED = (b"AWSAccessKeyId", b"Signature", b"Expires")
_SUBRESOURCES = frozenset(
    b"accelerate acl analytics cors defaultObjectAcl delete inventory lifecycle location logging metrics notification "
    b"object-lock partNumber policy replication requestPayment response-cache-control response-content-disposition "
    b"response-content-encoding response-content-language response-content-type response-expires restore select "
    b"select-type storageClass tagging torrent uploadId uploads versionId versioning versions website "
    # Later than this version of the signature; signed here, so that nobody can add them to a URL.
    b"attributes encryption ownershipControls policyStatus publicAccessBlock".split()
)


def is_presigned(head: Head) -> bool:
    """Whether the request claims such a signature, and no other."""
    names = {name for name, _ in query_pairs(head.query_string)}
    return names.issuperset(_REQUIRED) and not head.all("authorization")


def scope_of(head: Head) -> Scope:
    """Whose request it claims to be, unchecked."""
    key_id = _parameters(head)[b"AWSAccessKeyId"].decode("utf-8", "replace")
    return Scope(key_id, "", REGION, "s3")


def verify(head: Head, find_key: Callable[[str], Key | None], now: datetime) -> Caller:
    """Check the signature.  Raises AuthError."""
    given = _parameters(head)
    key = key_of(given[b"AWSAccessKeyId"].decode("utf-8", "replace"), find_key)
    expires = given[b"Expires"]
    if not expires.isdigit() or len(expires) > 12:
        raise incomplete("Invalid date (should be seconds since epoch): Expires", "AccessDenied", 403)
    if now.timestamp() > int(expires):
        raise PresignExpired("AccessDeniedException", "Request has expired")
    expected = base64.b64encode(hmac.digest(key.secret.encode(), _string_to_sign(head, given), "sha1"))
    if not hmac.compare_digest(expected, given[b"Signature"]):
        raise mismatch()
    return Caller(key_id=key.id, account=key.account, region=REGION, service="s3", payload=Payload())


def _parameters(head: Head) -> dict[bytes, bytes]:
    """The parameters of the query.  Raises AuthError for one that is repeated: which of them would count?"""
    pairs = query_pairs(head.query_string)
    found = dict(pairs)
    if len(found) != len(pairs):
        raise unreadable_url("A parameter of a presigned URL must not be repeated.")
    return found


def _string_to_sign(head: Head, given: dict[bytes, bytes]) -> bytes:
    def standard(name: str) -> bytes:
        value = head.one(name)
        return given.get(name.encode(), b"") if value is None else wire_bytes(value).strip()

    custom = {name: value for name, value in given.items() if name.startswith(b"x-amz-")}
    for name in {name for name, _ in head.headers if name.startswith("x-amz-")}:
        custom[name.encode("latin-1", "replace")] = b",".join(wire_bytes(value).strip() for value in head.all(name))
    lines = [wire_bytes(head.method), standard("content-md5"), standard("content-type"), given[b"Expires"]]
    lines += [_line(name, value) for name, value in sorted(custom.items())]
    lines.append(_resource(head, given))
    if any(b"\n" in line for line in lines):
        raise unreadable_url("A parameter of a presigned URL must not contain line feeds.")
    return b"\n".join(lines)


def _line(name: bytes, value: bytes) -> bytes:
    if b":" in name:
        raise unreadable_url("A parameter of a presigned URL must not have a colon in its name.")
    return name + b":" + value


def _resource(head: Head, given: dict[bytes, bytes]) -> bytes:
    chosen = sorted((name, value) for name, value in given.items() if name in _SUBRESOURCES)
    bare = {part for part in head.query_string.split(b"&") if b"=" not in part}  # ?acl and ?acl= are not the same here
    query = b"&".join(name if name in bare else name + b"=" + value for name, value in chosen)
    if any(part.partition(b"=")[0] in _SUBRESOURCES for _, value in chosen for part in value.split(b"&")[1:]):
        raise unreadable_url("A parameter of a presigned URL must not contain another one.")
    bucket_only = head.raw_path.count(b"/") == 1 and head.raw_path != b"/"  # its resource ends in a slash
    return head.raw_path + b"/" * bucket_only + (b"?" + query if query else b"")
