"""What others notice of 1,000 half-open connections and 200 transfers that hang, and when these are gone.

    python benchmarks/soak/half_open.py [--connections 1000] [--transfers 200] [--out FILE]

`alone` and `crowded`: milliseconds of ListTrainingJobs over new connections, median and 95th percentile of 100 calls.
`gone_seconds`: from the last connection's opening to the end of all that wait for a head, and of all that stall.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest

sys.path.insert(0, str(Path(__file__).parent.parent))

from measuring import Server, describe_machine, present

PATIENCE = 60.0  #: seconds, the setting's default
CALLS = 100
OBJECT = 64 << 20  #: bytes, more than socket buffers take
LIMIT = 2 * PATIENCE
SPARE = 4  #: sockets of the server's own that come and go


def signed(server: Server, method: str, path: str, body: bytes, headers: dict[str, str], service: str) -> bytes:
    """A request on the wire."""
    credentials = server.key()
    request = AWSRequest(method, f"{server.url}{path}", headers, body)
    if service == "s3":
        signer = S3SigV4Auth(credentials, service, "us-east-1")
        signer.payload = lambda _: "UNSIGNED-PAYLOAD"
        signer.add_auth(request)
    else:
        SigV4Auth(credentials, service, "us-east-1").add_auth(request)
    lines = [f"{method} {path} HTTP/1.1", f"Host: {server.url.removeprefix('http://')}", "Connection: close"]
    return "\r\n".join([*lines, *(f"{n}: {v}" for n, v in request.headers.items()), "", ""]).encode() + body


def opened(server: Server, data: bytes) -> socket.socket:
    """A connection that has sent so much."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    connection.sendall(data)
    return connection


def call(server: Server) -> float:
    """Milliseconds of one ListTrainingJobs."""
    headers = {"X-Amz-Target": "SageMaker.ListTrainingJobs", "Content-Type": "application/x-amz-json-1.1"}
    data = signed(server, "POST", "/", b"{}", {**headers, "Content-Length": "2"}, "sagemaker")
    begin = time.perf_counter()
    with closing(opened(server, data)) as connection:
        answer = connection.recv(1 << 16)
    if b" 200 " not in answer[:20]:
        raise RuntimeError(answer.decode("latin-1"))
    return 1000 * (time.perf_counter() - begin)


def latencies(server: Server) -> dict[str, float]:
    """Median and 95th percentile of some calls."""
    found = sorted(call(server) for _ in range(CALLS))
    return {"median": round(statistics.median(found), 1), "p95": round(found[int(0.95 * CALLS)], 1)}


def sockets(pid: int) -> int:
    """How many a process has open."""
    found = 0
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found += os.readlink(each).startswith("socket:")
    return found


def gone(pid: int, most: int) -> float | None:
    """Seconds until the process has at most so many sockets; None if it has more after LIMIT."""
    begin = time.monotonic()
    while time.monotonic() - begin < LIMIT:
        if sockets(pid) <= most:
            return round(time.monotonic() - begin, 1)
        time.sleep(0.5)
    return None


def measure(folder: Path, count: int, transfers: int) -> dict[str, Any]:
    """Run it."""
    server = Server(folder / "home", {"PEGBOX_CLIENT_TIMEOUT": str(PATIENCE)})
    try:
        with closing(server.client("s3")) as s3:
            s3.create_bucket(Bucket="slow")
            s3.put_object(Bucket="slow", Key="big", Body=bytes(OBJECT))
        alone, before = latencies(server), sockets(server.pid)
        half = [opened(server, b"GET / HTTP/1.1\r\nHost:") for _ in range(count)]
        get = signed(server, "GET", "/slow/big", b"", {}, "s3")
        put = signed(server, "PUT", "/slow/new", b"x" * 1000, {"Content-Length": str(8 << 20)}, "s3")
        stalled = [opened(server, get if number % 2 else put) for number in range(transfers)]
        crowded = latencies(server)
        heads, stalls = gone(server.pid, before + transfers + SPARE), gone(server.pid, before + SPARE)
        after = latencies(server)
        for each in half + stalled:
            each.close()
    finally:
        server.stop()
    seconds = {"heads": heads, "transfers": None if stalls is None or heads is None else round(heads + stalls, 1)}
    return {
        "connections": count,
        "transfers": transfers,
        "milliseconds": {"alone": alone, "crowded": crowded, "after": after},
        "gone_seconds": seconds,
        "machine": describe_machine(),
    }


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--transfers", type=int, default=200)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), given.connections, given.transfers)
    present(result, given.out)
    return 0 if all(result["gone_seconds"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
