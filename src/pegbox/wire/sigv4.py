"""Verify AWS Signature Version 4: signed headers, presigned URLs and signed chunks.

    head --scope_of--> Scope                    who claims to call which service; nothing is checked
    head --verify----> Caller                   the signature holds for everything but the body
    Caller.payload                              how the body is bound; whoever reads the body checks it

Sources: IAM user guide, "Create a signed AWS API request"; S3 API reference, "Authenticating Requests (AWS Signature
Version 4)" and "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks".
S3 encodes the path once and does not normalise it; every other service normalises it and encodes it twice.
boto3 presigns S3 URLs of the older regions by version 2 unless told otherwise; those are left to sigv2.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote_to_bytes

from pegbox.errors import AuthError
from pegbox.wire import sigv2
from pegbox.wire.signed import (
    Caller,
    ChunkSeed,
    ClockSkew,
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

__all__ = [
    "Caller",
    "ChunkChain",
    "ChunkSeed",
    "ClockSkew",
    "Head",
    "Key",
    "Payload",
    "PresignExpired",
    "Scope",
    "admit",
    "credential",
    "derive_key",
    "query_pairs",
    "scope_of",
    "verify",
]

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
SIGNED_CHUNKS = frozenset({"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"})
UNSIGNED_CHUNKS = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
WINDOW = timedelta(minutes=15)
LONGEST_PRESIGN = 7 * 24 * 3600  #: seconds
MOST_TOLD = 512  #: characters of the names of headers in a message

_STAMP = "%Y%m%dT%H%M%SZ"
_HEX64 = re.compile(r"[0-9a-f]{64}")
_FIELDS = frozenset({"Credential", "SignedHeaders", "Signature"})
_PARAMETERS = tuple(
    f"X-Amz-{name}" for name in ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
)
_MAY_BE_UNSIGNED = frozenset({"x-amz-security-token", "x-amz-user-agent"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    scope: Scope
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str
    expires: int | None  #: seconds; None unless presigned


class ChunkChain:
    """Checks the signatures of an aws-chunked body, each of which depends on the one before."""

    def __init__(self, seed: ChunkSeed) -> None:
        self._seed, self._previous = seed, seed.signature

    def chunk(self, signature: str, sha256: str) -> None:
        """Check one chunk by the hash of its data.  Raises AuthError."""
        self._link(f"{ALGORITHM}-PAYLOAD", f"{EMPTY_SHA256}\n{sha256}", signature)

    def trailer(self, signature: str, sha256: str) -> None:
        """Check the trailer by the hash of its `name:value` lines.  Raises AuthError."""
        self._link(f"{ALGORITHM}-TRAILER", sha256, signature)

    def _link(self, kind: str, rest: str, signature: str) -> None:
        text = f"{kind}\n{self._seed.timestamp}\n{self._seed.scope}\n{self._previous}\n{rest}"
        expected = _hmac(self._seed.signing_key, text).hex()
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            raise mismatch()
        self._previous = expected


def scope_of(head: Head) -> Scope | None:
    """The scope that the request claims, unchecked; None if it is unsigned or unreadable.  Never raises."""
    try:
        if sigv2.is_presigned(head):
            return sigv2.scope_of(head)
        presigned = _presign_parameters(head)
        text = presigned.get("X-Amz-Credential") or _authorization(head).get("Credential", "")
        return credential(text)
    except AuthError:
        return None


def verify(head: Head, find_key: Callable[[str], Key | None], now: datetime, body_hash: str | None = None) -> Caller:
    """Check the signature of a request.

    `find_key` maps an access key id to the key; `now` is aware; `body_hash` is the hex SHA-256 of the body if it has
    been read already (services other than S3), else the body counts as empty unless x-amz-content-sha256 says more.
    Raises AuthError, whatever the request looks like.
    """
    if sigv2.is_presigned(head):
        return sigv2.verify(head, find_key, now)
    claim, key = _admitted(head, find_key, now)
    payload_hash = _payload_hash(claim, head, body_hash)
    signing_key = derive_key(key.secret, claim.scope)
    request = hashlib.sha256(_canonical_request(claim, head, payload_hash)).hexdigest()
    expected = _hmac(signing_key, f"{ALGORITHM}\n{claim.timestamp}\n{claim.scope}\n{request}").hex()
    if not hmac.compare_digest(expected.encode(), wire_bytes(claim.signature)):
        raise mismatch()
    return Caller(
        key_id=key.id,
        account=key.account,
        region=claim.scope.region,
        service=claim.scope.service,
        payload=_payload(claim, payload_hash, signing_key),
    )


def admit(head: Head, find_key: Callable[[str], Key | None], now: datetime) -> None:
    """Check what can be checked before a body that the signature binds has come: key, time, signed headers.

    Nobody without the id of a key has a long body kept in memory.  Raises AuthError.
    """
    if not sigv2.is_presigned(head):
        _admitted(head, find_key, now)


def derive_key(secret: str, scope: Scope) -> bytes:
    """The signing key of one day, region and service."""
    key = ("AWS4" + secret).encode()
    for part in (scope.date, scope.region, scope.service, "aws4_request"):
        key = _hmac(key, part)
    return key


# -- reading the claim


def _admitted(head: Head, find_key: Callable[[str], Key | None], now: datetime) -> tuple[_Claim, Key]:
    claim = _claim(head)
    key = key_of(claim.scope.key_id, find_key)
    _check_time(claim, now)
    _check_signed_headers(claim, head)
    return claim, key


def _claim(head: Head) -> _Claim:
    presigned = _presign_parameters(head)
    has_header = any(head.all("authorization"))
    if presigned and has_header:
        message = "Only one auth mechanism is allowed: an Authorization header or X-Amz- query parameters."
        raise incomplete(message, "InvalidArgument")
    if not presigned and not has_header:
        raise AuthError("MissingAuthenticationTokenException", "Missing Authentication Token")
    return _presigned_claim(presigned) if presigned else _header_claim(head)


def _header_claim(head: Head) -> _Claim:
    fields = _authorization(head)
    return _Claim(
        scope=credential(_required(fields, "Credential")),
        signed_headers=tuple(_required(fields, "SignedHeaders").split(";")),
        signature=_required(fields, "Signature"),
        timestamp=_header_date(head),
        expires=None,
    )


def _presigned_claim(parameters: Mapping[str, str]) -> _Claim:
    if missing := [name for name in _PARAMETERS if not parameters.get(name)]:
        raise unreadable_url(f"Query-string authentication version 4 requires the parameter {missing[0]}.")
    if parameters["X-Amz-Algorithm"] != ALGORITHM:
        raise unreadable_url(f"X-Amz-Algorithm only supports {ALGORITHM!r}.")
    expires = parameters["X-Amz-Expires"]
    if not re.fullmatch(r"[0-9]{1,6}", expires) or not 1 <= int(expires) <= LONGEST_PRESIGN:
        raise unreadable_url(f"X-Amz-Expires must be a number between 1 and {LONGEST_PRESIGN}.")
    return _Claim(
        scope=credential(parameters["X-Amz-Credential"]),
        signed_headers=tuple(parameters["X-Amz-SignedHeaders"].split(";")),
        signature=parameters["X-Amz-Signature"],
        timestamp=parameters["X-Amz-Date"],
        expires=int(expires),
    )


def _presign_parameters(head: Head) -> dict[str, str]:
    """The X-Amz-* parameters of the query if it carries a signature, else nothing."""
    found: dict[str, str] = {}
    for raw, value in query_pairs(head.query_string):
        name = raw.decode("utf-8", "replace")
        if not name.startswith("X-Amz-"):
            continue
        if name in found:
            raise unreadable_url(f"The query parameter {name!r} must not be repeated.")
        found[name] = value.decode("utf-8", "replace")
    return found if "X-Amz-Signature" in found or "X-Amz-Credential" in found else {}


def _authorization(head: Head) -> dict[str, str]:
    algorithm, _, rest = (head.one("authorization") or "").partition(" ")
    if algorithm == "AWS":  # version 2 of the signature
        message = f"The authorization mechanism you have provided is not supported. Please use {ALGORITHM}."
        raise incomplete(message, "InvalidRequest")
    if algorithm != ALGORITHM:
        raise incomplete(f"Unsupported Authorization Type. Please use {ALGORITHM}.", "InvalidArgument")
    fields: dict[str, str] = {}
    for part in rest.split(","):
        name, _, value = part.strip(" ").partition("=")
        if name not in _FIELDS or name in fields:
            raise incomplete("Authorization header needs Credential, SignedHeaders and Signature, each once.")
        fields[name] = value
    return fields


def credential(text: str) -> Scope:
    """The scope that a Credential names.  Raises AuthError."""
    parts = text.rsplit("/", 4)
    if len(parts) != 5 or parts[4] != "aws4_request" or not re.fullmatch(r"[0-9]{8}", parts[1]) or not all(parts):
        raise incomplete("Credential must have exactly 5 elements: key/yyyymmdd/region/service/aws4_request.")
    return Scope(*parts[:4])


def _required(fields: Mapping[str, str], name: str) -> str:
    value = fields.get(name)
    if not value:
        raise incomplete(f"Authorization requires {name!r}.")
    return value


def _header_date(head: Head) -> str:
    stamp = head.one("x-amz-date")
    if stamp is not None:
        return stamp
    try:
        date = parsedate_to_datetime(head.one("date") or "")
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC).strftime(_STAMP)
    except (ValueError, TypeError, OverflowError, IndexError):
        raise _undated() from None


# -- checks


def _check_time(claim: _Claim, now: datetime) -> None:
    signed_at = _signing_time(claim)
    if signed_at > now + WINDOW:
        raise ClockSkew(
            "InvalidSignatureException",
            f"Signature not yet current: {claim.timestamp} is still later than {now + WINDOW:{_STAMP}} "
            f"({now:{_STAMP}} + 15 min.)",
        )
    if claim.expires is not None:
        if now > signed_at + timedelta(seconds=claim.expires):
            raise PresignExpired("AccessDeniedException", "Request has expired")
    elif signed_at < now - WINDOW:
        raise ClockSkew(
            "InvalidSignatureException",
            f"Signature expired: {claim.timestamp} is now earlier than {now - WINDOW:{_STAMP}} "
            f"({now:{_STAMP}} - 15 min.)",
        )
    if claim.timestamp[:8] != claim.scope.date:
        raise incomplete("The date of the credential is not the date of the request.")


def _signing_time(claim: _Claim) -> datetime:
    try:
        if re.fullmatch(r"[0-9]{8}T[0-9]{6}Z", claim.timestamp):
            return datetime.strptime(claim.timestamp, _STAMP).replace(tzinfo=UTC)
    except ValueError:
        pass
    if claim.expires is not None:
        raise unreadable_url("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    raise _undated()


def _undated() -> AuthError:
    return incomplete("AWS authentication requires a valid 'X-Amz-Date' or 'Date' header.", "AccessDenied", 403)


def _check_signed_headers(claim: _Claim, head: Head) -> None:
    present, signed = {name for name, _ in head.headers}, set(claim.signed_headers)
    if "host" not in signed:
        raise incomplete("'Host' must be a signed header.")
    if missing := sorted(signed - present):
        raise AuthError("InvalidSignatureException", f"Signed headers are missing: {', '.join(missing)[:MOST_TOLD]}")
    if len(signed) != len(claim.signed_headers):
        raise incomplete("SignedHeaders must not repeat a name.")
    loose = {name for name in present - signed if name.startswith("x-amz-")} - _MAY_BE_UNSIGNED
    if loose:
        raise AuthError(
            "AccessDeniedException",
            f"There were headers present in the request which were not signed: {', '.join(sorted(loose))[:MOST_TOLD]}",
        )


def _payload_hash(claim: _Claim, head: Head, body_hash: str | None) -> str:
    """The last line of the canonical request, checked as far as it can be without the body."""
    declared = head.one("x-amz-content-sha256")
    if claim.scope.service == "s3":
        if declared is None and claim.expires is None:
            raise incomplete("Missing required header for this request: x-amz-content-sha256", "InvalidRequest")
        declared = UNSIGNED if declared is None else declared
        if not _HEX64.fullmatch(declared) and declared not in {UNSIGNED, UNSIGNED_CHUNKS, *SIGNED_CHUNKS}:
            message = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-… or a valid sha256 value."
            raise incomplete(message, "InvalidArgument")
        return declared
    actual = body_hash or EMPTY_SHA256
    if declared is not None and (body_hash is not None or not _HEX64.fullmatch(declared)) and declared != actual:
        raise AuthError("InvalidSignatureException", "The body does not have the hash of x-amz-content-sha256.")
    return declared or actual


def _payload(claim: _Claim, payload_hash: str, signing_key: bytes) -> Payload:
    if payload_hash in SIGNED_CHUNKS:
        seed = ChunkSeed(
            signing_key=signing_key,
            timestamp=claim.timestamp,
            scope=str(claim.scope),
            signature=claim.signature,
        )
        return Payload(chunks=seed)
    return Payload(sha256=payload_hash if _HEX64.fullmatch(payload_hash) else None)


# -- canonical form


def _canonical_request(claim: _Claim, head: Head, payload_hash: str) -> bytes:
    values = {name: b",".join(_squeezed(v) for v in head.all(name)) for name in claim.signed_headers}
    headers = b"".join(wire_bytes(name) + b":" + value + b"\n" for name, value in values.items())
    path = _s3_path(head.raw_path) if claim.scope.service == "s3" else _path(head.raw_path)
    lines = (
        wire_bytes(head.method),
        path.encode(),
        _canonical_query(head.query_string).encode(),
        headers,
        wire_bytes(";".join(claim.signed_headers)),
        payload_hash.encode(),
    )
    return b"\n".join(lines)


def _s3_path(raw: bytes) -> str:
    return quote(unquote_to_bytes(raw), safe="/~") or "/"


def _path(raw: bytes) -> str:
    kept: list[bytes] = []
    for part in raw.split(b"/"):
        if part == b"..":
            del kept[-1:]
        elif part and part != b".":
            kept.append(part)
    first = b"/" if not raw or raw.startswith(b"/") else b""
    tail = b"/" if kept and raw.endswith(b"/") else b""
    return quote(first + b"/".join(kept) + tail, safe="/~")


def _canonical_query(query_string: bytes) -> str:
    pairs = (pair for pair in query_pairs(query_string) if pair[0] != b"X-Amz-Signature")
    encoded = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def _squeezed(value: str) -> bytes:
    return re.sub(rb"[ \t]+", b" ", wire_bytes(value).strip(b" \t"))


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256")
