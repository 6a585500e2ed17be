"""A head that is never alone, unless nothing follows it."""

from __future__ import annotations

import socket

from running import RunningServer

HEALTH = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def test_an_answer_comes_in_one_piece(server: RunningServer) -> None:
    """Who reads once has all of it: a server that dies has sent an answer, or none."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        for _ in range(50):
            connection.sendall(HEALTH)
            head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
            (length,) = [line.split()[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
            assert len(body) == int(length) > 0
