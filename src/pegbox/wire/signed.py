"""What signed requests are made of, whichever version of the signature they carry."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from pegbox.errors import AuthError

_KEY_ID = re.compile(r"[A-Za-z0-9_.+=@/-]{1,128}")  # IAM API reference, AccessKey: at most 128 characters


class ClockSkew(AuthError):
    """The time of signing is too far from the server's clock."""


class PresignExpired(AuthError):
    """The presigned URL has outlived its X-Amz-Expires."""


class Unreadable(AuthError):
    """The signature cannot be read.  S3 has several codes for that."""

    def __init__(self, message: str, s3_code: str, s3_status: int) -> None:
        super().__init__("IncompleteSignatureException", message)
        self.s3_code, self.s3_status = s3_code, s3_status


@dataclass(frozen=True, slots=True)
class Key:
    """An access key and the account that it belongs to."""

    id: str
    secret: str = field(repr=False)
    account: str


@dataclass(frozen=True, slots=True)
class Head:
    """A request without its body, as it was on the wire."""

    method: str
    raw_path: bytes  #: percent-encoded, without the query
    query_string: bytes
    headers: Sequence[tuple[str, str]] = field(repr=False)  #: lower-case names, values as Latin-1, in order

    def all(self, name: str) -> list[str]:
        """Every value of one header."""
        return [value for key, value in self.headers if key == name]

    def one(self, name: str) -> str | None:
        """The value of a header that may be given once; AuthError if it is repeated."""
        values = self.all(name)
        if len(values) > 1:
            raise incomplete(f"The header {name!r} must not be repeated.")
        return values[0] if values else None


@dataclass(frozen=True, slots=True)
class Scope:
    """The credential scope: which key, for which day, region and service."""

    key_id: str
    date: str  #: yyyymmdd
    region: str
    service: str

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkSeed:
    """What the signatures of the chunks of one body follow from."""

    signing_key: bytes = field(repr=False)
    timestamp: str
    scope: str
    signature: str  #: of the request's head: the first link of the chain


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """How the signature binds the body.  With neither field set the body is not bound (UNSIGNED-PAYLOAD)."""

    sha256: str | None = None  #: the body must have this hash, in lower-case hex
    chunks: ChunkSeed | None = None  #: the body is aws-chunked and each chunk is signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, proven by a signature."""

    key_id: str
    account: str
    region: str
    service: str
    payload: Payload


def query_pairs(query_string: bytes) -> list[tuple[bytes, bytes]]:
    """The decoded names and values of a query string, in order; `+` is a space."""
    pairs = (part.partition(b"=") for part in query_string.replace(b"+", b"%20").split(b"&") if part)
    return [(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in pairs]


def wire_bytes(text: str) -> bytes:
    """The bytes of a header as they were on the wire."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def incomplete(message: str, s3_code: str = "AuthorizationHeaderMalformed", s3_status: int = 400) -> Unreadable:
    """The signature cannot be read."""
    return Unreadable(message, s3_code, s3_status)


def unreadable_url(message: str) -> Unreadable:
    """The signature of a presigned URL cannot be read."""
    return incomplete(message, "AuthorizationQueryParametersError")


def mismatch() -> AuthError:
    """The signature is another than the one the key makes of the request."""
    return AuthError(
        "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method.",
    )


def key_of(key_id: str, find_key: Callable[[str], Key | None]) -> Key:
    """The key of this id.  What cannot be an id is not looked up, hence not remembered.  Raises AuthError.

    Ids are no secrets, so how long the look-up takes may tell whether there is one.
    """
    key = find_key(key_id) if _KEY_ID.fullmatch(key_id) else None
    if key is None:
        raise unrecognized()
    return key


def unrecognized() -> AuthError:
    """Nobody has this key."""
    return AuthError("UnrecognizedClientException", "The security token included in the request is invalid.")
