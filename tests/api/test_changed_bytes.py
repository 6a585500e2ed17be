"""Signed requests with one byte changed on the way, over the wire; unit/wire/test_every_byte.py changes them all."""

from __future__ import annotations

import random
import re
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from running import RunningServer

SAMPLE = 60  #: changes of each request
JSON = {"X-Amz-Target": "SageMaker.ListTrainingJobs", "Content-Type": "application/x-amz-json-1.1"}
#: method, target, headers, body, signer, service
REQUESTS: dict[str, tuple[str, str, dict[str, str], bytes, Any, str]] = {
    "json": ("POST", "/", JSON, b'{"NameContains": "a"}', SigV4Auth, "sagemaker"),
    "put": ("PUT", "/jobs/changed-put", {"x-amz-meta-a": "b"}, b"some data", S3SigV4Auth, "s3"),
    "presigned": ("PUT", "/jobs/changed-url", {}, b"", S3SigV4QueryAuth, "s3"),
}


def wire(server: RunningServer, name: str) -> bytes:
    method, target, headers, body, signer, service = REQUESTS[name]
    given = server.credentials()
    request = AWSRequest(method, f"{server.url}{target}", dict(headers), body)
    credentials = Credentials(given["aws_access_key_id"], given["aws_secret_access_key"])
    signer(credentials, service, "us-east-1").add_auth(request)
    netloc = urlsplit(server.url).netloc
    lines = [f"{method} {request.url.partition(netloc)[2]} HTTP/1.1", f"Host: {netloc}"]
    lines += [f"{key}: {value}" for key, value in request.headers.items()]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
    return head.encode() + body


def status(server: RunningServer, data: bytes) -> int:
    """Of the last answer; 0 when the server just closes."""
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname, place.port), timeout=20) as connection:
        connection.sendall(data)
        connection.settimeout(5)
        try:
            answer = connection.recv(1 << 16)
        except (ConnectionError, TimeoutError):  # a head that has become incomplete
            return 0
    found = re.findall(rb"HTTP/1\.1 ([0-9]{3})", answer)
    return int(found[-1]) if found else 0


def signed_part(data: bytes) -> list[int]:
    """Positions whose change is no other way to write the same: not in names, separators, version and length."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines, at, found = head.split(b"\r\n"), 0, list(range(len(head) + 4, len(head) + 4 + len(body)))
    for number, line in enumerate(lines):
        name = line.partition(b": ")[0]
        if number == 0:
            found += range(at, at + len(line) - len(b" HTTP/1.1"))
        elif name.lower() not in (b"content-length", b"connection"):
            found += range(at + len(name) + 2, at + len(line))
        at += len(line) + 2
    return [each for each in found if data[each : each + 1] not in (b" ", b"%")]


@pytest.mark.parametrize("name", REQUESTS)
def test_a_changed_byte_is_refused(server: RunningServer, s3: Any, bucket: str, name: str) -> None:
    data, key = wire(server, name), REQUESTS[name][1].removeprefix("/jobs/")
    rng = random.Random(name)
    for at in rng.sample(signed_part(data), SAMPLE):
        letter = rng.choice([sign for sign in b"aZ09-_.~" if bytes([sign]).lower() != data[at : at + 1].lower()])
        other = data[:at] + bytes([letter]) + data[at + 1 :]
        assert status(server, other) in (0, 400, 403, 404, 405, 501), other
    assert key not in [each["Key"] for each in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
    assert status(server, data) == 200
