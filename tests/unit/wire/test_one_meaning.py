"""A signature holds for one request: nothing that it does not tell apart may mean two things to the server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import HmacV1QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from starlette.requests import Request

from pegbox.errors import AuthError, S3Error
from pegbox.wire import sigv2
from pegbox.wire.rest_s3.call import headers_of, query_of
from pegbox.wire.rest_s3.endpoint import ROUTES
from pegbox.wire.sigv4 import Head, Key, verify

KEY = Key("AKIDEXAMPLE", "a-very-secret-thing", "123456789012")


def presigned(query: str = "", method: str = "GET", **headers: str) -> Head:
    """A URL as boto3 presigns it by version 2; its headers are all in the query."""
    request = AWSRequest(
        method, f"http://localhost/b/k?{query}", {name.replace("_", "-"): v for name, v in headers.items()}
    )
    HmacV1QueryAuth(Credentials(KEY.id, KEY.secret), expires=600).add_auth(request)
    parts = urlsplit(request.url)
    return Head(method, parts.path.encode(), parts.query.encode(), [])


def refused(head: Head, old: bytes = b"", new: bytes = b"") -> None:
    """The request is accepted as it is, and refused with `new` for `old`, or with `new` before all."""
    verify(head, {KEY.id: KEY}.get, datetime.now(UTC))
    query = head.query_string.replace(old, new) if old else new + head.query_string
    assert query != head.query_string
    with pytest.raises(AuthError):
        verify(replace(head, query_string=query), {KEY.id: KEY}.get, datetime.now(UTC))


def test_version_2_sees_through_percent_encodings_of_names() -> None:
    for name in (b"%75ploadId=x&", b"ta%67ging&", b"response-%63ontent-type=text%2Fhtml&", b"%64elete&", b"acl&"):
        refused(presigned(), new=name)


def test_version_2_lets_nothing_be_repeated() -> None:
    refused(presigned(method="PUT", x_amz_meta_a="1"), new=b"x-amz-meta-a=2&")
    refused(presigned(method="PUT", content_type="text/csv"), new=b"content-type=text%2Fhtml&")
    refused(presigned("response-content-type=text%2Fcsv"), new=b"response-content-type=text%2Fhtml&")


def test_version_2_lets_no_value_be_another_parameter() -> None:
    copy = presigned(method="PUT", x_amz_copy_source="/b/a", x_amz_meta_a="1")
    refused(copy, b"x-amz-copy-source=%2Fb%2Fa&x-amz-meta-a=1", b"x-amz-copy-source=%2Fb%2Fa%0Ax-amz-meta-a:1")
    refused(presigned(method="PUT", x_amz_copy_source="/b/a:b"), b"=%2Fb%2Fa%3Ab", b"%3A%2Fb%2Fa=b")
    both = presigned("response-content-disposition=attachment&response-content-type=text%2Fcsv")
    refused(both, b"&response-content-type=", b"%26response-content-type%3D")


def test_version_2_reads_a_plus_as_the_rest_of_the_server_does() -> None:
    refused(presigned("response-content-type=a%2Bb"), b"%2B", b"+")


def test_version_2_signs_all_that_chooses_an_operation() -> None:
    chosen = {name for _, _, names in ROUTES for name in names} - {"list-type"}  # two forms of one listing
    assert {name.encode() for name in chosen} <= sigv2._SUBRESOURCES


def request_of(query: bytes = b"", *headers: tuple[bytes, bytes]) -> Request:
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "query_string": query, "headers": headers}
    return Request(scope)


def test_a_parameter_has_one_value() -> None:
    """The signature sorts values, so `?a=1&a=2` and `?a=2&a=1` have the same."""
    assert query_of(request_of(b"a=1&b=&a=1&b")) == {"a": "1", "b": ""}
    with pytest.raises(S3Error):
        query_of(request_of(b"prefix=1&prefix=2"))


def test_a_value_cut_at_a_comma_is_still_one_value() -> None:
    """The signature joins the values of a repeated header by commas."""
    headers = headers_of(request_of(b"", (b"x-amz-copy-source", b"/b/a"), (b"x-amz-copy-source", b"secret")), {})
    assert headers["x-amz-copy-source"] == "/b/a,secret"
    assert headers.getlist("x-amz-copy-source") == ["/b/a,secret"]


@pytest.mark.parametrize("key_id", ["", "A" * 129, "A\x00", "Ä", "A B", "\ufffd"])
def test_what_cannot_be_the_id_of_a_key_is_not_looked_up(key_id: str) -> None:
    def find(_: str) -> Key | None:
        raise AssertionError("looked up")

    query = f"AWSAccessKeyId={key_id}&Signature=x&Expires=9999999999".encode()
    with pytest.raises(AuthError):
        verify(Head("GET", b"/", query, []), find, datetime.now(UTC))
