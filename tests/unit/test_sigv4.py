"""The verifier of signatures, with botocore's signers and the worked example of the S3 reference as oracles."""

from __future__ import annotations

import hashlib
import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote_to_bytes, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from pegbox.errors import AuthError
from pegbox.wire.sigv4 import (
    EMPTY_SHA256,
    Caller,
    ChunkChain,
    ChunkSeed,
    Head,
    Key,
    Scope,
    derive_key,
    query_pairs,
    scope_of,
    verify,
)

KEY = Key("AKIDEXAMPLE", "a-very-secret-thing", "123456789012")
BODY = b'{"TrainingJobName": "one"}'
BODY_HASH = hashlib.sha256(BODY).hexdigest()


def find_key(key_id: str) -> Key | None:
    return KEY if key_id == KEY.id else None


def credentials(token: str | None = None) -> Credentials:
    return Credentials(KEY.id, KEY.secret, token)


def head_of(request: AWSRequest) -> Head:
    prepared = request.prepare()
    parts = urlsplit(prepared.url)
    headers = [
        (name.lower(), value if isinstance(value, str) else value.decode()) for name, value in prepared.headers.items()
    ]
    if all(name != "host" for name, _ in headers):
        headers.append(("host", parts.netloc))
    return Head(request.method, parts.path.encode() or b"/", parts.query.encode(), headers)


def json_request(service: str = "sagemaker", token: str | None = None) -> Head:
    request = AWSRequest(
        "POST", "https://localhost:1234/", data=BODY, headers={"X-Amz-Target": "SageMaker.CreateTrainingJob"}
    )
    SigV4Auth(credentials(token), service, "eu-west-1").add_auth(request)
    return head_of(request)


def s3_request(method: str = "PUT", path: str = "/bucket/key", query: str = "", **headers: str) -> Head:
    url = f"http://localhost:1234{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method, url, data=b"data", headers=headers)
    S3SigV4Auth(credentials(), "s3", "us-east-1").add_auth(request)
    return head_of(request)


def presigned(expires: int = 600, path: str = "/bucket/key", query: str = "") -> Head:
    request = AWSRequest("GET", f"http://localhost:1234{path}?{query}")
    S3SigV4QueryAuth(credentials("token"), "s3", "us-east-1", expires=expires).add_auth(request)
    return head_of(request)


def now() -> datetime:
    return datetime.now(UTC)


def with_header(head: Head, name: str, value: str | None) -> Head:
    rest = [pair for pair in head.headers if pair[0] != name]
    return replace(head, headers=rest if value is None else [*rest, (name, value)])


def header(head: Head, name: str) -> str:
    return dict(head.headers)[name]


def refused(head: Head, at: datetime | None = None, body_hash: str | None = None) -> AuthError:
    with pytest.raises(AuthError) as caught:
        verify(head, find_key, at or now(), body_hash)
    return caught.value


def test_a_json_request_of_botocore_is_accepted() -> None:
    caller = verify(json_request(), find_key, now(), BODY_HASH)
    assert (caller.key_id, caller.account) == (KEY.id, KEY.account)
    assert (caller.region, caller.service) == ("eu-west-1", "sagemaker")
    assert caller.payload.sha256 == BODY_HASH


def test_a_session_token_is_tolerated() -> None:
    assert verify(json_request(token="session"), find_key, now(), BODY_HASH).account == KEY.account


def test_another_body_is_refused() -> None:
    assert refused(json_request(), body_hash=EMPTY_SHA256).code == "InvalidSignatureException"


def test_a_json_request_without_a_known_body_counts_as_empty() -> None:
    assert refused(json_request()).code == "InvalidSignatureException"


@pytest.mark.parametrize("name", ["authorization", "x-amz-date", "host", "x-amz-target"])
def test_nothing_signed_may_be_missing(name: str) -> None:
    expected = {"authorization": "MissingAuthenticationTokenException", "x-amz-date": "IncompleteSignatureException"}
    code = refused(with_header(json_request(), name, None), body_hash=BODY_HASH).code
    assert code == expected.get(name, "InvalidSignatureException")


def test_an_unknown_key_is_told() -> None:
    head = json_request()
    changed = header(head, "authorization").replace(KEY.id, "AKIDUNKNOWN")
    assert refused(with_header(head, "authorization", changed)).code == "UnrecognizedClientException"


def test_a_wrong_secret_is_told() -> None:
    with pytest.raises(AuthError) as caught:
        verify(json_request(), lambda _: replace(KEY, secret="other"), now(), BODY_HASH)
    assert caught.value.code == "InvalidSignatureException"


@pytest.mark.parametrize(("minutes", "words"), [(16, "Signature expired"), (-16, "Signature not yet current")])
def test_clocks_may_differ_by_a_quarter_of_an_hour(minutes: int, words: str) -> None:
    error = refused(json_request(), now() + timedelta(minutes=minutes), BODY_HASH)
    assert error.code == "InvalidSignatureException"
    assert words in error.message
    close = now() + timedelta(minutes=minutes * 14 / 16)
    assert verify(json_request(), find_key, close, BODY_HASH)


def test_host_must_be_signed() -> None:
    head = json_request()
    changed = header(head, "authorization").replace("host;", "")
    assert refused(with_header(head, "authorization", changed)).code == "IncompleteSignatureException"


def test_amz_headers_must_be_signed() -> None:
    head = s3_request()
    assert verify(head, find_key, now())
    error = refused(with_header(head, "x-amz-copy-source", "/other/secret"))
    assert error.code == "AccessDeniedException"


@pytest.mark.parametrize(
    "path", ["/", "/bucket", "/bucket/a//b", "/bucket/../x/./y", "/bucket/" + quote("é ü+%&=?#~*'()!"), "/bucket/dir/"]
)
def test_paths_of_s3_are_as_they_are(path: str) -> None:
    assert verify(s3_request(path=path), find_key, now()).service == "s3"


@pytest.mark.parametrize("path", ["/endpoints/a%20b/invocations", "/a//b/../c", "/", "/x/%C3%A9", "/a/./b/"])
def test_paths_of_other_services_are_encoded_twice(path: str) -> None:
    request = AWSRequest("POST", f"http://localhost{path}", data=BODY)
    SigV4Auth(credentials(), "sagemaker", "us-east-1").add_auth(request)
    assert verify(head_of(request), find_key, now(), BODY_HASH)


@pytest.mark.parametrize("query", ["", "uploads", "prefix=a%2Fb&delimiter=%2F", "b=2&a=1&a=0", "x=%20%2B", "acl="])
def test_queries_are_signed(query: str) -> None:
    assert verify(s3_request("GET", query=query), find_key, now())
    assert verify(presigned(query=query), find_key, now())


def test_values_of_headers_may_have_blanks() -> None:
    head = s3_request(**{"x-amz-meta-a": "two  blanks", "content-type": "text/csv; a=b"})
    assert verify(head, find_key, now())


def test_a_date_header_will_do() -> None:
    request = AWSRequest("POST", "http://localhost/", data=BODY, headers={"Date": "now"})
    SigV4Auth(credentials(), "sts", "us-east-1").add_auth(request)
    assert "X-Amz-Date" not in request.headers
    assert verify(head_of(request), find_key, now(), BODY_HASH)


def test_a_presigned_url_is_accepted_until_it_expires() -> None:
    head = presigned(expires=60)
    assert verify(head, find_key, now()).payload.sha256 is None
    assert verify(head, find_key, now() + timedelta(seconds=58))
    error = refused(head, now() + timedelta(seconds=62))
    assert (error.code, error.message) == ("AccessDeniedException", "Request has expired")


def test_a_presigned_url_of_another_service_binds_the_body() -> None:
    request = AWSRequest("GET", "http://localhost/?Action=GetCallerIdentity&Version=2011-06-15")
    SigV4QueryAuth(credentials(), "sts", "us-east-1", expires=60).add_auth(request)
    assert verify(head_of(request), find_key, now()).payload.sha256 == EMPTY_SHA256
    assert refused(head_of(request), body_hash=BODY_HASH).code == "InvalidSignatureException"


@pytest.mark.parametrize("expires", ["0", "604801", "-1", "x", "1e3", "٣"])
def test_a_presigned_url_lives_at_most_a_week(expires: str) -> None:
    head = presigned()
    query = head.query_string.replace(b"X-Amz-Expires=600", f"X-Amz-Expires={quote(expires)}".encode())
    assert refused(replace(head, query_string=query)).code == "IncompleteSignatureException"


def test_only_one_way_to_sign_is_allowed() -> None:
    head = with_header(presigned(), "authorization", header(s3_request(), "authorization"))
    assert refused(head).code == "IncompleteSignatureException"


def test_s3_needs_the_hash_of_the_body_in_a_header() -> None:
    head = with_header(s3_request(), "x-amz-content-sha256", None)
    assert "x-amz-content-sha256" in refused(head).message


def test_json_services_do_not_take_unsigned_bodies() -> None:
    request = AWSRequest("POST", "http://localhost/", data=BODY, headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    SigV4Auth(credentials(), "sagemaker", "us-east-1").add_auth(request)
    assert refused(head_of(request), body_hash=BODY_HASH).code == "InvalidSignatureException"
    assert refused(head_of(request)).code == "InvalidSignatureException"


def test_scope_of_reads_without_checking() -> None:
    assert scope_of(json_request()) == Scope(KEY.id, now().strftime("%Y%m%d"), "eu-west-1", "sagemaker")
    found = scope_of(presigned())
    assert found is not None
    assert found.service == "s3"
    assert scope_of(Head("GET", b"/", b"", [])) is None
    assert scope_of(Head("GET", b"/", b"X-Amz-Credential=a/b", [("authorization", "nonsense")])) is None


def test_secrets_are_not_shown() -> None:
    assert KEY.secret not in repr(KEY)
    seed = ChunkSeed(signing_key=b"hidden", timestamp="t", scope="s", signature="x")
    assert "hidden" not in repr(seed)
    assert "authorization" not in repr(json_request())


# -- the chunked upload of the S3 API reference, "Example: Examples of a chunked upload"

EXAMPLE = Key("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "1")
EXAMPLE_HEAD = Head(
    "PUT",
    b"/examplebucket/chunkObject.txt",
    b"",
    [
        ("host", "s3.amazonaws.com"),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            "SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
            "x-amz-decoded-content-length;x-amz-storage-class,"
            "Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        ),
        ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "66560"),
        ("content-length", "66824"),
    ],
)
EXAMPLE_CHUNKS = [
    (b"a" * 65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
    (b"a" * 1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
    (b"", "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
]


def example() -> Caller:
    return verify(EXAMPLE_HEAD, lambda _: EXAMPLE, datetime(2013, 5, 24, tzinfo=UTC))


def test_the_chunks_of_the_reference_are_accepted() -> None:
    seed = example().payload.chunks
    assert seed is not None
    chain = ChunkChain(seed)
    for data, signature in EXAMPLE_CHUNKS:
        chain.chunk(signature, hashlib.sha256(data).hexdigest())


def test_a_chunk_out_of_order_is_refused() -> None:
    seed = example().payload.chunks
    assert seed is not None
    chain = ChunkChain(seed)
    data, signature = EXAMPLE_CHUNKS[1]
    with pytest.raises(AuthError):
        chain.chunk(signature, hashlib.sha256(data).hexdigest())
    with pytest.raises(AuthError):
        chain.trailer("é", EMPTY_SHA256)


def test_the_signing_key_of_the_reference() -> None:
    secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    key = derive_key(secret, Scope("AKIDEXAMPLE", "20150830", "us-east-1", "iam"))
    assert key.hex() == "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"


# -- whatever is changed is refused; whatever is sent, nothing else goes wrong


def meaning(head: Head) -> tuple[object, ...]:
    """What a signature protects: equal meanings may be written differently."""
    blank = {ord(" "): None, ord("\t"): None}
    pairs = sorted(query_pairs(head.query_string))
    headers = [(name, value.translate(blank)) for name, value in head.headers]
    return head.method, unquote_to_bytes(head.raw_path), pairs, headers


def changed(head: Head, part: int, position: int, letter: str) -> Head:
    def swap(text: str) -> str:
        at = position % len(text)
        return text[:at] + letter + text[at + 1 :]

    if part == 0:
        return replace(head, method=swap(head.method))
    if part == 1:
        return replace(head, raw_path=swap(head.raw_path.decode()).encode())
    if part == 2 and head.query_string:
        return replace(head, query_string=swap(head.query_string.decode()).encode())
    which = part % len(head.headers)
    headers = [(name, swap(value) if number == which else value) for number, (name, value) in enumerate(head.headers)]
    return replace(head, headers=headers)


def only_signed(head: Head) -> Head:
    return replace(head, headers=[pair for pair in head.headers if pair[0] != "content-length"])


REQUESTS = [
    only_signed(json_request()),
    only_signed(s3_request(path="/bucket/a/key.csv", query="partNumber=1&uploadId=abc", **{"x-amz-meta-a": "b c"})),
    only_signed(presigned(query="response-content-type=text%2Fcsv")),
]


SIGNED_AT = now()  # the other tests may take longer than a signature is good for


@pytest.mark.parametrize("head", REQUESTS)
def test_the_unchanged_requests_are_accepted(head: Head) -> None:
    assert verify(head, find_key, SIGNED_AT, BODY_HASH if head is REQUESTS[0] else None)


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(REQUESTS),
    st.integers(0, 12),
    st.integers(0, 2000),
    st.sampled_from(string.ascii_letters + string.digits + "%&=/;,. -_~+\t"),
)
def test_a_changed_byte_is_refused(head: Head, part: int, position: int, letter: str) -> None:
    body_hash = BODY_HASH if head is REQUESTS[0] else None
    other = changed(head, part, position, letter)
    if meaning(other) == meaning(head):
        return
    with pytest.raises(AuthError):
        verify(other, find_key, SIGNED_AT, body_hash)


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=8),
    st.binary(max_size=40),
    st.binary(max_size=80),
    st.lists(
        st.tuples(
            st.sampled_from(["authorization", "x-amz-date", "date", "host", "x-amz-content-sha256"]),
            st.text(max_size=60),
        ),
        max_size=6,
    ),
)
def test_nonsense_is_an_auth_error(method: str, path: bytes, query: bytes, headers: list[tuple[str, str]]) -> None:
    head = Head(method, path, query, headers)
    scope_of(head)
    with pytest.raises(AuthError):
        verify(head, find_key, now())


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["Credential", "SignedHeaders", "Signature", "x-amz-date", "date", "X-Amz-Expires"]),
    st.text(max_size=30) | st.from_regex(r"[0-9]{8}T[0-9]{6}Z", fullmatch=True),
)
def test_nonsense_in_one_place_is_an_auth_error(place: str, text: str) -> None:
    today = now().strftime("%Y%m%d")
    fields = {
        "Credential": f"{KEY.id}/{today}/r/s3/aws4_request",
        "SignedHeaders": "host",
        "Signature": "0" * 64,
        "X-Amz-Expires": "60",
    }
    fields |= {place: text}
    date = fields.get("x-amz-date", now().strftime("%Y%m%dT%H%M%SZ"))
    words = ", ".join(f"{name}={fields[name]}" for name in ("Credential", "SignedHeaders", "Signature"))
    headers = [("host", "h"), ("authorization", f"AWS4-HMAC-SHA256 {words}")]
    headers.append(("date", fields["date"]) if place == "date" else ("x-amz-date", date))
    query = "&".join(
        f"X-Amz-{name.removeprefix('X-Amz-')}={quote(value, errors='replace')}" for name, value in fields.items()
    )
    url = Head(
        "GET",
        b"/",
        f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={date}&{query}".encode("utf-8", "replace"),
        [("host", "h")],
    )
    for head in (Head("GET", b"/", b"", headers), url):
        with pytest.raises(AuthError):
            verify(head, find_key, now())


# -- URLs presigned by version 2


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["AWSAccessKeyId", "Signature", "Expires", "x-amz-é"]), st.text(max_size=30))
def test_nonsense_of_version_2_is_an_auth_error(place: str, text: str) -> None:
    fields = {"AWSAccessKeyId": KEY.id, "Signature": "AAAA", "Expires": "9999999999"} | {place: text}
    query = "&".join(f"{name}={quote(value, errors='replace')}" for name, value in fields.items()).encode()
    head = Head("GET", b"/bucket/key", query, [("host", "h"), ("x-amz-é", text)])
    scope_of(head)
    with pytest.raises(AuthError):
        verify(head, find_key, now())


def test_the_scope_of_version_2_is_s3() -> None:
    scope = scope_of(Head("GET", b"/b/k", b"AWSAccessKeyId=A&Signature=B&Expires=1", []))
    assert scope is not None
    assert (scope.key_id, scope.service) == ("A", "s3")
