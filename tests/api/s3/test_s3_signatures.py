"""Signatures, presigned URLs and framed bodies of the S3 API, on the wire."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore import UNSIGNED
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from s3_client import FIRST, Answer, Raw, client, code, read
from s3_server import KEYS, running

from pegbox.wire.sigv4 import Scope, derive_key

BODY = b"some data of a chunked upload " * 5000


def visit(address: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
    try:
        with urlopen(Request(address, method=method, data=body)) as response:
            return response.status, response.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()


def code_of(body: bytes) -> str:
    found = re.search(rb"<Code>(.*?)</Code>", body)
    return found[1].decode() if found else ""


def message_of(work: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as caught:
        work()
    return caught.value.response["Error"]["Message"]


def test_who_is_not_known(url: str, bucket: str) -> None:
    assert code(client(url, "AKIDNOBODY").list_buckets) == ("InvalidAccessKeyId", 403)
    assert code(client(url, FIRST, "wrong").list_buckets) == ("SignatureDoesNotMatch", 403)
    anonymous = boto3.client("s3", endpoint_url=url, region_name="us-east-1", config=Config(signature_version=UNSIGNED))
    assert code(anonymous.list_buckets) == ("AccessDenied", 403)
    unknown = "The AWS Access Key Id you provided does not exist in our records."
    assert message_of(client(url, "AKIDNOBODY").list_buckets) == unknown
    assert message_of(anonymous.list_buckets) == "Access Denied"
    assert code(client(url, FIRST, "wrong").head_bucket, Bucket=bucket) == ("403", 403)


def test_clocks_that_differ_too_much(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    late = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=20)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: late)
    answer = Raw(url).send()
    assert (answer.status, b"<Code>RequestTimeTooSkewed</Code>" in answer.body) == (403, True)


UNSUPPORTED, UNDATED = ("InvalidArgument", 400), ("AccessDenied", 403)
UNREADABLE = ("AuthorizationHeaderMalformed", 400)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Authorization", "", ("AccessDenied", 403)),
        ("Authorization", "AWS4 HAHAHA", UNSUPPORTED),
        ("Authorization", "AWS AKID:FWeDfwojDSdS2Ztmpfeubhd9isU=", ("InvalidRequest", 400)),
        ("Authorization", "AWS4-HMAC-SHA256 Credential=HAHAHA", UNREADABLE),
        ("X-Amz-Date", "Bad Date", UNDATED),
        ("X-Amz-Date", "", UNDATED),
        ("X-Amz-Date", "20101332T215304Z", UNDATED),
        ("X-Amz-Date", "20100707T215304Z", ("RequestTimeTooSkewed", 403)),
        ("X-Amz-Date", "99990707T215304Z", ("RequestTimeTooSkewed", 403)),
        ("X-Amz-Content-SHA256", "invalid", ("InvalidArgument", 400)),
    ],
)
def test_signatures_that_cannot_be_read(
    url: str, bucket: str, name: str, value: str, expected: tuple[str, int]
) -> None:
    sent = Raw(url, "PUT", f"/{bucket}/k", body=b"bar")
    answer = sent.send(**{name: value})
    assert (code_of(answer.body), answer.status) == expected


def test_a_signature_of_other_letters_is_just_wrong(url: str, bucket: str) -> None:
    sent = Raw(url, path=f"/{bucket}")
    right = sent.sign()["Authorization"]
    for wrong in (right.upper()[-64:], "FWeDfwojDSdS2Ztmpfeubhd9isU=", "\xe4"):
        answer = sent.send(Authorization=right[:-64] + wrong)
        assert (code_of(answer.body), answer.status) == ("SignatureDoesNotMatch", 403)


def test_parameters_of_presigned_urls_that_cannot_be_read(s3: Any, bucket: str) -> None:
    right = s3.generate_presigned_url("list_objects_v2", {"Bucket": bucket})
    for old, new in (
        ("X-Amz-Expires=3600", "X-Amz-Expires=0"),
        ("X-Amz-Expires=3600", "X-Amz-Expires=604801"),
        ("X-Amz-Expires=3600", "X-Amz-Expires=-7"),
        ("&X-Amz-Expires=3600", ""),
        ("X-Amz-Date=2", "X-Amz-Date=x"),
        ("SHA256", "SHA512"),
    ):
        status, body = visit(right.replace(old, new))
        assert (code_of(body), status) == ("AuthorizationQueryParametersError", 400)


def test_presigned_urls(s3: Any, url: str, bucket: str) -> None:
    at = {"Bucket": bucket, "Key": "a b/é+.txt"}
    put = s3.generate_presigned_url("put_object", at)
    assert visit(put, "PUT", b"hello")[0] == 200
    get = s3.generate_presigned_url("get_object", {**at, "ResponseContentType": "text/csv"})
    assert visit(get) == (200, b"hello")
    status, body = visit(get.replace("X-Amz-Expires=3600", "X-Amz-Expires=3601"))
    assert (status, b"<Code>SignatureDoesNotMatch</Code>" in body) == (403, True)
    assert visit(get.replace("a%20b", "other"))[0] == 403
    assert visit(get, "DELETE")[0] == 403
    assert read(s3, bucket, at["Key"]) == b"hello"


def test_urls_presigned_as_boto3_does_by_default(
    s3: Any, url: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=FIRST,
        aws_secret_access_key=KEYS[FIRST].secret,
    )
    at = {"Bucket": bucket, "Key": "a b/é+.txt"}
    put = default.generate_presigned_url("put_object", {**at, "ContentType": "text/csv", "Metadata": {"a": "b"}})
    assert "AWSAccessKeyId=" in put
    with urlopen(Request(put, method="PUT", data=b"hello", headers={"Content-Type": "text/csv"})) as response:
        assert response.status == 200
    found = s3.head_object(**at)
    assert (found["ContentType"], found["Metadata"]) == ("text/csv", {"a": "b"})
    get = default.generate_presigned_url("get_object", {**at, "ResponseContentType": "text/x, y"})
    assert visit(get) == (200, b"hello")
    assert visit(default.generate_presigned_url("list_objects_v2", {"Bucket": bucket}))[0] == 200
    for other in (
        get.replace("a%20b", "other"),
        get.replace("text%2Fx", "text%2Fy"),
        get.replace("Expires=1", "Expires=2"),
        get.replace("Signature=", "Signature=A"),
        get + "&acl",
        get + "&x-amz-acl=private",
        get + "&Expires=9999999999",
    ):
        assert other != get
        assert visit(other)[0] in (400, 403)
    assert visit(get, "DELETE")[0] == 403
    assert visit(get.replace(FIRST, "AKIDNOBODY"))[0] == 403
    monkeypatch.setattr("botocore.auth.time.time", lambda: 1_000_000_000)
    assert b"Request has expired" in visit(default.generate_presigned_url("get_object", at))[1]


def test_expired_urls(s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=30)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: earlier)
    address = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"}, ExpiresIn=10)
    status, body = visit(address)
    assert (status, b"<Code>AccessDenied</Code><Message>Request has expired</Message>" in body) == (403, True)


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


class Framed(Raw):
    """A request whose body is aws-chunked."""

    def framed(self, kind: str, data: bytes, trailer: str = "", size: int = 65536) -> None:
        """Sign the head for `kind` and frame `data`, signing the chunks if the kind wants it."""
        self.headers |= {
            "content-encoding": "aws-chunked",
            "x-amz-decoded-content-length": str(len(data)),
            **({"x-amz-trailer": trailer.partition(":")[0]} if trailer else {}),
        }
        address = f"{self.url}{self.path}"
        request = AWSRequest(self.method, address, headers=self.headers)
        signer = S3SigV4Auth(Credentials(FIRST, KEYS[FIRST].secret), "s3", "us-east-1")
        signer.payload = lambda _: kind
        signer.add_auth(request)
        signed = {name: str(value) for name, value in request.headers.items()}
        self.sign = lambda: signed  # type: ignore[method-assign]
        self._signature = signed["Authorization"].partition("Signature=")[2]
        self._stamp = signed["X-Amz-Date"]
        signs = "UNSIGNED" not in kind
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        self.body = b"".join(self._chunk(piece, signs) + piece + b"\r\n" for piece in pieces) + self._chunk(b"", signs)
        if trailer:
            self.body += f"{trailer}\r\n".encode()
            if signs:
                signature = self._link("TRAILER", f"{trailer}\n".encode())
                self.body += f"x-amz-trailer-signature:{signature}\r\n".encode()
        self.body += b"\r\n"

    def _chunk(self, data: bytes, signs: bool) -> bytes:
        extension = f";chunk-signature={self._link('PAYLOAD', data)}" if signs else ""
        return f"{len(data):x}{extension}\r\n".encode()

    def _link(self, kind: str, data: bytes) -> str:
        scope = Scope(FIRST, self._stamp[:8], "us-east-1", "s3")
        empty = "" if kind == "TRAILER" else hashlib.sha256(b"").hexdigest() + "\n"
        text = f"AWS4-HMAC-SHA256-{kind}\n{self._stamp}\n{scope}\n{self._signature}\n{empty}"
        text += hashlib.sha256(data).hexdigest()
        self._signature = hmac.new(derive_key(KEYS[FIRST].secret, scope), text.encode(), "sha256").hexdigest()
        return self._signature


KINDS = {
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": "",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": f"x-amz-checksum-crc32:{crc32(BODY)}",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER": f"x-amz-checksum-crc32:{crc32(BODY)}",
}


def framed(url: str, bucket: str, kind: str, data: bytes = BODY, **arguments: Any) -> Framed:
    request = Framed(url, "PUT", f"/{bucket}/k")
    request.framed(kind, data, KINDS[kind], **arguments)
    return request


def told(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.body.partition(b"<Code>")[2].partition(b"</Code>")[0].decode()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [65536, 8192, 1 << 20])
def test_framed_bodies(s3: Any, url: str, bucket: str, kind: str, size: int) -> None:
    assert framed(url, bucket, kind, size=size).send().status == 200
    found = s3.get_object(Bucket=bucket, Key="k")
    assert found["Body"].read() == BODY
    assert "ContentEncoding" not in found
    if KINDS[kind]:
        assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumCRC32"] == crc32(BODY)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "UNSIGNED" not in kind])
@pytest.mark.parametrize("at", [100, 70_000, -40, -150])
def test_a_changed_framed_body_is_refused(s3: Any, url: str, bucket: str, kind: str, at: int) -> None:
    request = framed(url, bucket, kind)
    body = bytearray(request.body)
    body[at] = ord("0") if body[at] != ord("0") else ord("1")
    request.body = bytes(body)
    answer = request.send()
    assert answer.status in (400, 403)
    assert code(s3.head_object, Bucket=bucket, Key="k")[1] == 404


def test_frames_that_are_wrong(s3: Any, url: str, bucket: str) -> None:
    signed, unsigned = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

    def changed(kind: str, old: bytes, new: bytes) -> tuple[int, str]:
        request = framed(url, bucket, kind)
        assert old in request.body
        request.body = request.body.replace(old, new, 1)
        return told(request.send())

    assert changed(unsigned, b"10000\r\n", b"1000x\r\n") == (400, "IncompleteBody")
    assert changed(unsigned, b"10000\r\n", b"10001\r\n") == (400, "IncompleteBody")
    assert changed(unsigned, b"10000\r\n", b"ffffffffffff\r\n") == (400, "IncompleteBody")
    assert changed(unsigned, b"10000\r\n", b"0" * 5000) == (400, "IncompleteBody")
    assert changed(unsigned, crc32(BODY).encode(), crc32(b"").encode()) == (400, "BadDigest")
    assert changed(unsigned, b"x-amz-checksum-crc32:", b"x-amz-other:") == (400, "MalformedTrailerError")
    assert changed(unsigned, b"\r\n0\r\n", b"\r\n0\r\n\r\n") == (400, "IncompleteBody")
    assert changed(unsigned, b"\r\n\r\n", b"\r\n\r\nmore") == (400, "IncompleteBody")
    assert changed(unsigned, b"\r\n\r\n", b"\r\n") == (400, "IncompleteBody")
    assert changed(signed, b";chunk-signature=", b";chunk-signatura=") == (400, "IncompleteBody")
    assert changed(signed, b"\r\n\r\n", b"\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n") == (400, "MalformedTrailerError")
    assert code(s3.head_object, Bucket=bucket, Key="k")[1] == 404


def test_a_signed_trailer_needs_its_signature(s3: Any, url: str, bucket: str) -> None:
    request = framed(url, bucket, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
    request.body = request.body.partition(b"x-amz-trailer-signature")[0] + b"\r\n"
    assert told(request.send()) == (403, "SignatureDoesNotMatch")
    assert code(s3.head_object, Bucket=bucket, Key="k")[1] == 404


def test_the_decoded_length_must_be_right(url: str, bucket: str) -> None:
    request = Framed(url, "PUT", f"/{bucket}/k")
    request.framed("STREAMING-UNSIGNED-PAYLOAD-TRAILER", BODY, KINDS["STREAMING-UNSIGNED-PAYLOAD-TRAILER"])
    longer = framed(url, bucket, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", BODY + b"more")
    request.body = longer.body
    assert told(request.send()) == (400, "IncompleteBody")


def test_parts_may_be_framed(s3: Any, url: str, bucket: str) -> None:
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    assert framed(url, bucket, kind, b"").send().status == 200
    assert read(s3, bucket, "k") == b""


def test_without_checks_the_framing_is_still_undone(tmp_path: Path) -> None:
    with running(tmp_path, checks=False) as url:
        s3 = client(url, "AKIDNOBODY")
        s3.create_bucket(Bucket="bucket")
        for kind in KINDS:
            request = framed(url, "bucket", kind)
            assert request.send().status == 200
            assert read(s3, "bucket", "k") == BODY
            request.body = request.body[:-10]
            assert told(request.send()) == (400, "IncompleteBody")
        anonymous = Raw(url, "GET", "/bucket/k")
        anonymous.sign = dict  # type: ignore[method-assign]
        assert anonymous.send().body == BODY
