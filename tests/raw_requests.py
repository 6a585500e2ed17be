"""Requests byte by byte, over a socket of the test's own."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from running import RunningServer


def connect(server: RunningServer, stack: ExitStack, *sent: bytes) -> socket.socket:
    place = urlsplit(server.url)
    connection = stack.enter_context(socket.create_connection((place.hostname, place.port), timeout=30))
    for piece in sent:
        connection.sendall(piece)
    return connection


def signed(
    server: RunningServer, method: str, path: str, *, payload: str = "UNSIGNED-PAYLOAD", **headers: str
) -> bytes:
    """The head of a signed S3 request, as it goes over the wire; `payload` is what it says of its body's SHA-256."""
    given = server.credentials()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = AWSRequest(method, f"{server.url}{path}", headers={"X-Amz-Content-SHA256": payload, **named})
    credentials = Credentials(given["aws_access_key_id"], given["aws_secret_access_key"])
    signer = S3SigV4Auth(credentials, "s3", "us-east-1")
    signer.payload = lambda _: payload
    signer.add_auth(request)
    lines = [f"{method} {path} HTTP/1.1", f"Host: {urlsplit(server.url).netloc}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in request.headers.items()), "", ""]).encode()
