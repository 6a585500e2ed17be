"""What a fresh server costs: time to its first answer, memory of all its processes, and a request's latency.

    python benchmarks/footprint.py [--runs 5]

Limits: first answer within 1.5 s, 150 MB (proportional set size, all processes) before the first job, and under 5 ms
for a keep-alive Describe at the median.  A bare `python -c "import boto3"` stands beside them as the machine's measure.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import Server, describe_machine, processes_below, proportional_set_size


def first_answer(home: Path) -> tuple[Server, float]:
    """A server in `home` and the seconds from its start to its first answer."""
    began = time.perf_counter()
    server = Server(home)
    return server, time.perf_counter() - began


def request_latencies(server: Server, count: int) -> list[float]:
    """Seconds of `count` signed requests over one connection, measured on the socket."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    credentials = server.key()
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    seconds = []
    for _ in range(count):
        headers = {"X-Amz-Target": "SageMaker.ListTrainingJobs", "Content-Type": "application/x-amz-json-1.1"}
        request = AWSRequest("POST", f"{server.url}/", headers, b"{}")
        SigV4Auth(credentials, "sagemaker", "us-east-1").add_auth(request)
        began = time.perf_counter()
        connection.request("POST", "/", b"{}", dict(request.headers.items()))
        answer = connection.getresponse()
        answer.read()
        seconds.append(time.perf_counter() - began)
        if answer.status != 200:
            raise RuntimeError(f"status {answer.status}")
    return seconds


def yardstick() -> float:
    """Seconds to start Python and import boto3."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import boto3"], check=True)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    starts, restarts, imports, memory = [], [], [], []
    latencies: list[float] = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / "home"
            server, seconds = first_answer(home)
            starts.append(seconds)
            memory.append(sum(proportional_set_size(pid) for pid in processes_below(server.pid)) / 2**20)
            latencies += request_latencies(server, 300)[20:]
            server.stop()
            server, seconds = first_answer(home)
            restarts.append(seconds)
            server.stop()
            imports.append(yardstick())
    result = {
        "machine": describe_machine(),
        "first_start_s": round(statistics.median(starts), 3),
        "later_start_s": round(statistics.median(restarts), 3),
        "import_boto3_s": round(statistics.median(imports), 3),
        "memory_mb": round(statistics.median(memory), 1),
        "request_ms_median": round(1000 * statistics.median(latencies), 2),
        "request_ms_p95": round(1000 * statistics.quantiles(latencies, n=20)[-1], 2),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
