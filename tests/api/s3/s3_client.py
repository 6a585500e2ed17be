"""Clients of the S3 tests: boto3, and requests signed byte by byte."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from s3_server import KEYS

FIRST, OTHER = "AKIDFIRST", "AKIDOTHER"


def client(url: str, key_id: str = FIRST, secret: str | None = None, **config: Any) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=key_id,
        aws_secret_access_key=secret or (KEYS[key_id].secret if key_id in KEYS else "unknown"),
        config=Config(signature_version="s3v4", retries={"total_max_attempts": 1}, **config),
    )


def code(work: Callable[..., object], *args: object, **kwargs: object) -> tuple[str, int]:
    """The error code and HTTP status that a call ends in."""
    with pytest.raises(ClientError) as caught:
        work(*args, **kwargs)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def read(s3: Any, bucket: str, key: str, **kwargs: Any) -> bytes:
    body: bytes = s3.get_object(Bucket=bucket, Key=key, **kwargs)["Body"].read()
    return body


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Raw:
    """A signed request, byte by byte."""

    url: str
    method: str = "GET"
    path: str = "/"
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def sign(self) -> dict[str, str]:
        address = f"{self.url}{quote(self.path, safe='/~')}" + (f"?{self.query}" if self.query else "")
        request = AWSRequest(self.method, address, data=self.body, headers=self.headers)
        S3SigV4Auth(Credentials(FIRST, KEYS[FIRST].secret), "s3", "us-east-1").add_auth(request)
        return {name: str(value) for name, value in request.headers.items()}

    def send(self, **changes: str) -> Answer:
        headers = {**self.sign(), **{name.replace("_", "-"): value for name, value in changes.items()}}
        target = quote(self.path, safe="/~") + (f"?{self.query}" if self.query else "")
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=20)
        with contextlib.closing(connection):
            connection.request(self.method, target, self.body, headers)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
