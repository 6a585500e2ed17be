"""Whatever byte of a signed request is changed, it is refused.  botocore signs; what may differ is listed here.

Each position of method, path, query, signed headers, Authorization, chunk signatures and trailers gets a handful of
other bytes.  A change that survives must be one of the equivalences in `meaning`, which are those of the signature
itself: two ways to write the same request.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from botocore.auth import HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from pegbox.errors import AuthError
from pegbox.wire.sigv4 import Head, Key, verify

KEY = Key("AKIDEXAMPLE", "a-very-secret-thing", "123456789012")
BODY = b'{"TrainingJobName": "one"}'
HASH = hashlib.sha256(BODY).hexdigest()
#: other case, next letter, and the letters that mean something somewhere
OTHERS = (b"A", b"0", b"%", b"+", b" ", b",", b"&", b"=", b"/", b";", b"\t", b".")


@dataclass(frozen=True)
class Signed:
    """A request that botocore has signed."""

    kind: type
    service: str
    method: str = "GET"
    target: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    token: str | None = None

    @property
    def body_hash(self) -> str | None:
        return None if self.service == "s3" else hashlib.sha256(self.body).hexdigest()

    def head(self) -> Head:
        request = AWSRequest(self.method, f"http://localhost:1234{self.target}", self.headers, self.body)
        credentials = Credentials(KEY.id, KEY.secret, self.token)
        if self.kind is HmacV1QueryAuth:
            self.kind(credentials, expires=600).add_auth(request)
        elif issubclass(self.kind, SigV4QueryAuth):
            self.kind(credentials, self.service, "eu-west-1", expires=600).add_auth(request)
        else:
            self.kind(credentials, self.service, "eu-west-1").add_auth(request)
        prepared = request.prepare()
        parts = urlsplit(prepared.url)
        texts = {name.lower(): v if isinstance(v, str) else v.decode() for name, v in prepared.headers.items()}
        texts.setdefault("host", parts.netloc)
        texts.pop("content-length", None)  # not signed
        if self.kind is HmacV1QueryAuth:
            texts.clear()  # the query has those that are signed
        return Head(self.method, parts.path.encode(), parts.query.encode(), list(texts.items()))


STREAMED = {
    "content-encoding": "aws-chunked",
    "x-amz-decoded-content-length": "5",
    "x-amz-trailer": "x-amz-checksum-crc32",
}
REQUESTS = {
    "json": Signed(SigV4Auth, "sagemaker", "POST", "/", {"X-Amz-Target": "SageMaker.StopTrainingJob"}, BODY),
    "json, session": Signed(SigV4Auth, "sagemaker", "POST", "/", {"X-Amz-Target": "SageMaker.X"}, BODY, "to/ken=="),
    "form": Signed(
        SigV4Auth,
        "sts",
        "POST",
        "/",
        {"Content-Type": "application/x-www-form-urlencoded"},
        b"Action=GetCallerIdentity",
    ),
    "path of another service": Signed(SigV4Auth, "sagemaker", "POST", "/endpoints/a%20b/invocations/", {}, BODY),
    "s3 put": Signed(
        S3SigV4Auth, "s3", "PUT", "/bucket/a/k%C3%A9%20y%2Cb.csv", {"Content-Type": "text/csv; a=b"}, b"x"
    ),
    "s3 copy": Signed(
        S3SigV4Auth,
        "s3",
        "PUT",
        "/bucket/k",
        {"x-amz-copy-source": "/b/a,b", "x-amz-meta-a": "two  b", "if-match": "1"},
    ),
    "s3 part": Signed(S3SigV4Auth, "s3", "PUT", "/bucket/k?partNumber=1&uploadId=a%2Bb", {}, b"x"),
    "s3 list": Signed(S3SigV4Auth, "s3", "GET", "/bucket?list-type=2&prefix=a%2Fb%20c&delimiter=%2F&start-after="),
    "s3 framed": Signed(S3SigV4Auth, "s3", "PUT", "/bucket/k", STREAMED),
    "presigned get": Signed(S3SigV4QueryAuth, "s3", "GET", "/bucket/a%2Bb?response-content-type=text%2Fcsv", token="t"),
    "presigned put": Signed(S3SigV4QueryAuth, "s3", "PUT", "/bucket/k", {"x-amz-meta-a": "b"}),
    "presigned sts": Signed(SigV4QueryAuth, "sts", "GET", "/?Action=GetCallerIdentity&Version=2011-06-15"),
    "presigned by version 2": Signed(HmacV1QueryAuth, "s3", "GET", "/bucket/k%20e/y?response-content-type=a%2Bb%26c"),
    "put by version 2": Signed(
        HmacV1QueryAuth,
        "s3",
        "PUT",
        "/b/k?partNumber=2&uploadId=x%20y",
        {"Content-Type": "text/csv", "x-amz-meta-a": "b"},
    ),
}


def find_key(key_id: str) -> Key | None:
    return KEY if key_id == KEY.id else None


def accepted(head: Head, body_hash: str | None) -> bool:
    try:
        verify(head, find_key, datetime.now(UTC), body_hash)
    except AuthError:
        return False
    return True


def meaning(head: Head) -> tuple[object, ...]:
    """What two requests must have in common to be one request, the only changes that a signature lets pass:

    - the path and the query with their percent-encodings undone (`%2f` is `%2F`, `+` in a query is a space);
    - but for S3, the path without empty and `.` segments;
    - a parameter without a value and one with an empty value;
    - runs of blanks in a header, and blanks around it, which HTTP lets proxies change;
    - blanks around the commas of the Authorization header.
    """
    pairs = [part.partition("=") for part in head.query_string.decode("latin-1").replace("+", "%20").split("&") if part]
    query = sorted((unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in pairs)
    headers = {name: re.sub(r"[ \t]+", " ", value.strip(" \t")) for name, value in head.headers}
    if "authorization" in headers:
        headers["authorization"] = re.sub(" *, *", ",", headers["authorization"])
    is_s3 = "/s3/" in headers.get("authorization", "") or b"%2Fs3%2F" in head.query_string or not headers
    path = head.raw_path if is_s3 else re.sub(rb"/+", b"/", (b"/" + head.raw_path)).replace(b"/./", b"/")
    return head.method, unquote_to_bytes(path), query, headers


def changes(text: bytes) -> Iterator[bytes]:
    """Each byte replaced by others, left out, and doubled."""
    for at in range(len(text)):
        old = text[at : at + 1]
        for new in {*OTHERS, bytes([text[at] ^ 1]), old.swapcase(), b"", old + old} - {old}:
            yield text[:at] + new + text[at + 1 :]


def changed(head: Head) -> Iterator[Head]:
    for method in changes(head.method.encode()):
        yield replace(head, method=method.decode("latin-1"))
    for path in changes(head.raw_path):
        yield replace(head, raw_path=path)
    for query in changes(head.query_string):
        yield replace(head, query_string=query)
    for number, (name, value) in enumerate(head.headers):
        before, after = list(head.headers[:number]), list(head.headers[number + 1 :])
        for other in changes(value.encode("latin-1")):
            yield replace(head, headers=[*before, (name, other.decode("latin-1")), *after])
        for other in changes(name.encode()):
            yield replace(head, headers=[*before, (other.decode("latin-1"), value), *after])


@pytest.mark.parametrize("name", REQUESTS)
def test_every_changed_byte_is_refused(name: str) -> None:
    request = REQUESTS[name]
    head = request.head()
    assert accepted(head, request.body_hash)
    wanted = meaning(head)
    passed = [other for other in changed(head) if accepted(other, request.body_hash) and meaning(other) != wanted]
    assert [(other.method, other.raw_path, other.query_string, other.headers) for other in passed] == []


@pytest.mark.parametrize("name", [name for name, request in REQUESTS.items() if request.service != "s3"])
def test_every_changed_byte_of_a_body_is_refused(name: str) -> None:
    request = REQUESTS[name]
    head = request.head()
    for other in changes(request.body):
        assert not accepted(head, hashlib.sha256(other).hexdigest())
