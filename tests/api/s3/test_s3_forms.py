"""Uploads from web forms: PostObject, with boto3's own presigned posts."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import httpx
import pytest
from botocore.config import Config
from s3_client import FIRST, code, read
from s3_server import KEYS, running


def signer(url: str, version: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=FIRST,
        aws_secret_access_key=KEYS[FIRST].secret,
        config=Config(signature_version=version),
    )


def post(presigned: dict[str, Any], body: bytes = b"hello", **fields: str) -> httpx.Response:
    form = {**presigned["fields"], **{name.replace("_", "-"): value for name, value in fields.items()}}
    return httpx.post(presigned["url"], data=form, files={"file": ("C:\\data\\a b.txt", body)})


def told(answer: httpx.Response) -> tuple[str, int]:
    return answer.text.partition("<Code>")[2].partition("<")[0], answer.status_code


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_presigned_post(s3: Any, url: str, bucket: str, version: str) -> None:
    extra = {"Content-Type": "text/csv", "x-amz-meta-who": "mé", "acl": "private"}
    conditions = [{name: value} for name, value in extra.items()]
    presigned = signer(url, version).generate_presigned_post(bucket, "k", extra, conditions)
    assert post(presigned).status_code == 204
    found = s3.get_object(Bucket=bucket, Key="k")
    assert (found["Body"].read(), found["ContentType"]) == (b"hello", "text/csv")
    assert found["Metadata"]["who"].encode("latin-1").decode() == "mé"
    assert found["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    changed = {**presigned, "fields": {**presigned["fields"], "Content-Type": "text/html"}}
    assert told(post(changed, b"new")) == ("AccessDenied", 403)
    assert told(post(presigned, b"new", x_amz_meta_more="1")) == ("AccessDenied", 403)
    assert read(s3, bucket, "k") == b"hello"


def test_answers_of_a_post(s3: Any, url: str, bucket: str) -> None:
    def presigned(**fields: str) -> dict[str, Any]:
        conditions: list[Any] = [{name: value} for name, value in fields.items()]
        answer: dict[str, Any] = signer(url, "s3v4").generate_presigned_post(
            bucket, "in/${filename}", fields, [*conditions, ["starts-with", "$key", "in/"]]
        )
        return answer

    created = post(presigned(success_action_status="201"))
    assert created.status_code == 201
    assert "<Key>in/a b.txt</Key>" in created.text
    assert created.headers["location"] == f"{url}/{bucket}/in/a%20b.txt"
    assert read(s3, bucket, "in/a b.txt") == b"hello"
    assert post(presigned(success_action_status="200")).status_code == 200
    assert post(presigned(success_action_status="404")).status_code == 204
    redirected = post(presigned(success_action_redirect="http://localhost/done?a=b"))
    assert redirected.status_code == 303
    query = parse_qs(urlsplit(redirected.headers["location"]).query)
    assert (query["a"], query["bucket"], query["key"]) == (["b"], [bucket], ["in/a b.txt"])
    assert post(presigned(success_action_redirect="javascript:alert(1)")).status_code == 204


def test_conditions_are_for_the_expanded_key(s3: Any, url: str, bucket: str) -> None:
    def upload(name: str) -> httpx.Response:
        policy = a_policy(conditions=[["starts-with", "$key", "report"]])
        return httpx.post(
            f"{url}/{bucket}", data=form(bucket, policy, key="${filename}"), files={"file": (name, b"hello")}
        )

    assert upload("report.txt").status_code == 204
    assert told(upload("other.txt")) == ("AccessDenied", 403)
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["report.txt"]


def test_a_large_file_is_streamed(s3: Any, url: str, bucket: str) -> None:
    body = os.urandom(5_000_000) + b"\r\n--not the boundary\r\n"
    presigned = signer(url, "s3v4").generate_presigned_post(bucket, "k")
    assert post(presigned, body).status_code == 204
    assert read(s3, bucket, "k") == body


def test_the_size_of_the_file(s3: Any, url: str, bucket: str) -> None:
    conditions = [["content-length-range", 3, 2_000_000]]
    presigned = signer(url, "s3v4").generate_presigned_post(bucket, "k", None, conditions)
    assert told(post(presigned, b"12")) == ("EntityTooSmall", 400)
    assert told(post(presigned, b"x" * 2_000_001)) == ("EntityTooLarge", 400)
    assert code(s3.head_object, Bucket=bucket, Key="k")[1] == 404
    assert post(presigned, b"123").status_code == 204


def test_tags_and_checksums_of_a_form(s3: Any, url: str, bucket: str) -> None:
    tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b + c</Value></Tag></TagSet></Tagging>"
    right = base64.b64encode(hashlib.sha256(b"hello").digest()).decode()
    fields = {"tagging": tags, "x-amz-checksum-sha256": right}
    presigned = signer(url, "s3v4").generate_presigned_post(
        bucket, "k", fields, [{name: value} for name, value in fields.items()]
    )
    assert told(post(presigned, b"other")) == ("BadDigest", 400)
    assert post(presigned).status_code == 204
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "b + c"}]
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumSHA256"] == right


def form(bucket: str, policy: Any, **changes: str) -> dict[str, str]:
    text = base64.b64encode(json.dumps(policy).encode()).decode()
    signature = base64.b64encode(hmac.digest(KEYS[FIRST].secret.encode(), text.encode(), "sha1")).decode()
    return {"key": "k", "AWSAccessKeyId": FIRST, "policy": text, "signature": signature, **changes}


def a_policy(**changes: Any) -> dict[str, Any]:
    later = datetime.now(UTC) + timedelta(hours=12)  # some are made long before they are sent
    conditions = [*changes.pop("conditions", [["starts-with", "$key", ""]]), ["starts-with", "$bucket", ""]]
    return {"expiration": f"{later:%Y-%m-%dT%H:%M:%SZ}", "conditions": conditions, **changes}


WRONG = [
    (a_policy(expiration="2020-01-01T00:00:00Z"), {}, ("AccessDenied", 403)),
    (a_policy(expiration="tomorrow"), {}, ("InvalidPolicyDocument", 400)),
    ({"conditions": []}, {}, ("InvalidPolicyDocument", 400)),
    ({**a_policy(), "conditions": None}, {}, ("InvalidPolicyDocument", 400)),
    (a_policy(conditions=[{}]), {}, ("InvalidPolicyDocument", 400)),
    (a_policy(conditions=[["content-length-range", 0]]), {}, ("InvalidPolicyDocument", 400)),
    (a_policy(conditions=[["content-length-range", -1, 5]]), {}, ("InvalidPolicyDocument", 400)),
    (a_policy(conditions=[["starts-with", "$key", "other"]]), {}, ("AccessDenied", 403)),
    (a_policy(conditions=[["starts-with", "$key", ""], {"bucket": "other"}]), {}, ("AccessDenied", 403)),
    ({**a_policy(), "conditions": [["starts-with", "$key", ""]]}, {}, ("AccessDenied", 403)),  # of no bucket
    (a_policy(), {"AWSAccessKeyId": "AKIDNOBODY"}, ("InvalidAccessKeyId", 403)),
    (a_policy(), {"signature": "AAAA"}, ("SignatureDoesNotMatch", 403)),
    (a_policy(), {"signature": ""}, ("InvalidArgument", 400)),
    (a_policy(), {"key": ""}, ("KeyTooLongError", 400)),
    (a_policy(), {"key": "k" * 1025}, ("KeyTooLongError", 400)),
    ([], {}, ("InvalidPolicyDocument", 400)),
    (a_policy(conditions=[["starts-with", "$key", ""], ["eq", "$acl", "public-read"]]), {"acl": "public-read"}, 501),
]


@pytest.mark.parametrize(("policy", "changes", "expected"), WRONG)
def test_forms_that_are_refused(
    s3: Any, url: str, bucket: str, policy: Any, changes: dict[str, str], expected: Any
) -> None:
    answer = httpx.post(f"{url}/{bucket}", data=form(bucket, policy, **changes), files={"file": b"new"})
    assert told(answer) == (("NotImplemented", 501) if expected == 501 else expected)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_a_form_without_a_policy_or_a_file(s3: Any, url: str, bucket: str) -> None:
    assert told(httpx.post(f"{url}/{bucket}", data={"key": "k"}, files={"file": b"x"})) == ("AccessDenied", 403)
    lone = httpx.post(f"{url}/{bucket}", files={"key": (None, "k")})
    assert told(lone) == ("InvalidArgument", 400)
    long = httpx.post(f"{url}/{bucket}", data={"key": "k" * 30_000}, files={"file": b"x"})
    assert told(long) == ("MaxPostPreDataLengthExceeded", 400)
    headers = {"content-type": "multipart/form-data; boundary=b"}
    for body in (b"", b"nonsense", b"--b\r\n"):
        assert httpx.post(f"{url}/{bucket}", content=body, headers=headers).status_code == 400
    for ending in ("", "; boundary=", f"; boundary={'b' * 257}", f'; boundary="{"b" * 60_000}"'):
        answer = httpx.post(f"{url}/{bucket}", content=b"", headers={"content-type": f"multipart/form-data{ending}"})
        assert told(answer) == ("MalformedPOSTRequest", 400)


def test_a_form_that_is_cut_off_becomes_nothing(s3: Any, url: str, bucket: str) -> None:
    fields = form(bucket, a_policy())
    parts = [f'--b\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()]
    parts.append('--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nhalf of')
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.netloc, timeout=20)
    connection.request("POST", f"/{bucket}", "".join(parts), {"content-type": "multipart/form-data; boundary=b"})
    assert b"MalformedPOSTRequest" in connection.getresponse().read()
    connection.close()
    assert code(s3.head_object, Bucket=bucket, Key="k")[1] == 404


def test_the_account_of_the_key_must_own_the_bucket(tmp_path: Path) -> None:
    with running(tmp_path / "objects") as url:
        signer(url, "s3v4").create_bucket(Bucket="bucket")
        text = form("bucket", a_policy())["policy"]
        other = KEYS["AKIDOTHER"]
        signature = base64.b64encode(hmac.digest(other.secret.encode(), text.encode(), "sha1")).decode()
        fields = {"key": "k", "AWSAccessKeyId": other.id, "policy": text, "signature": signature}
        answer = httpx.post(f"{url}/bucket", data=fields, files={"file": b"x"})
        assert told(answer) == ("AccessDenied", 403)


@pytest.mark.parametrize("host", ["[", "[::1", "a b", "é", "", "a/b", "a:b", "x" * 300])
def test_a_host_that_is_none_does_no_harm(s3: Any, url: str, bucket: str, host: str) -> None:
    presigned = signer(url, "s3v4").generate_presigned_post(
        bucket, "k", {"success_action_status": "201"}, [{"success_action_status": "201"}]
    )
    request = httpx.Request("POST", presigned["url"], data=presigned["fields"], files={"file": ("a", b"hello")})
    body, place = request.read(), urlsplit(url)
    with contextlib.closing(http.client.HTTPConnection(place.netloc, timeout=20)) as connection:
        connection.putrequest("POST", f"/{bucket}", skip_host=True)
        connection.putheader("Host", host.encode())
        connection.putheader("Content-Type", request.headers["content-type"])
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        text = answer.read().decode()
    assert answer.status in (201, 400)
    if answer.status == 201:
        assert f"<Location>/{bucket}/k</Location>" in text


@pytest.mark.parametrize("target", ["http://[", "http://é\u20ac/\U0001f600", "https://a b/"])
def test_a_redirect_that_is_none_does_no_harm(url: str, bucket: str, target: str) -> None:
    fields = {"success_action_redirect": target}
    presigned = signer(url, "s3v4").generate_presigned_post(bucket, "k", fields, [fields])
    answer = post(presigned)
    assert answer.status_code == 303
    assert answer.headers["location"].isascii() and " " not in answer.headers["location"]


def test_deep_policies_are_refused(url: str, bucket: str) -> None:
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    presigned = signer(url, "s3v4").generate_presigned_post(bucket, "k", {}, [["content-length-range", deep, 5]])
    assert told(post(presigned)) == ("InvalidPolicyDocument", 400)


def test_headers_behind_the_file_have_limits(url: str, bucket: str) -> None:
    presigned = signer(url, "s3v4").generate_presigned_post(bucket, "k")
    request = httpx.Request("POST", presigned["url"], data=presigned["fields"], files={"file": ("a", b"hello")})
    body = request.read()
    end = body.rstrip(b"\r\n").rsplit(b"\r\n", 1)[1].removesuffix(b"--")
    body = body.rstrip(b"\r\n").removesuffix(b"--") + b"\r\na: " + b"b" * (8 << 20) + b"\r\n\r\n\r\n" + end + b"--\r\n"
    answer = httpx.post(f"{url}/{bucket}", content=body, headers={"content-type": request.headers["content-type"]})
    assert told(answer) == ("MalformedPOSTRequest", 400)


def test_fields_that_can_be_no_headers(s3: Any, url: str, bucket: str) -> None:
    def posted(**fields: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        conditions = [{name: value} for name, value in named.items()]
        return post(signer(url, "s3v4").generate_presigned_post(bucket, "k", named, conditions))

    assert posted(content_type=" ", cache_control=" a ", x_amz_meta_a=" b ").status_code == 204
    found = s3.head_object(Bucket=bucket, Key="k")
    assert (found["ContentType"], found["CacheControl"]) == ("binary/octet-stream", "a")
    assert found["Metadata"] == {"a": "b"}
    for name in ("x-amz-meta-a b", "x-amz-meta-\u00e9", "x-amz-meta-"):
        assert told(posted(**{name: "1"})) == ("InvalidArgument", 400)
    address = signer(url, "s3").generate_presigned_url("put_object", {"Bucket": bucket, "Key": "k", "ContentType": " "})
    assert httpx.put(address, content=b"x").status_code in (200, 403)
    assert s3.head_object(Bucket=bucket, Key="k")["ContentType"] == "binary/octet-stream"
