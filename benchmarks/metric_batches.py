"""How many values of metrics a second are put to trial components: through the store, and over HTTP.

    python benchmarks/metric_batches.py [--values 200000] [--clients 4]

`store` has one writer, and every batch is synced to disk.  `http` sends requests that were made before, and signs each:
boto3 takes longer to make one than the server to answer it.  Batches of 10 are those of the SageMaker Python SDK.
Limit: 50,000 values a second in batches of 1,000.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from measuring import Server, describe_machine

from pegbox.domain.curves import Value
from pegbox.store.resources import Kind, Resource
from pegbox.store.sql import SqlStore

ACCOUNT, REGION = "000000000000", "us-east-1"
BATCHES = (10, 1000)
CONTENT = {"Content-Type": "application/json"}


def rate(count: int, work: Callable[[], None], cpu: Callable[[], float]) -> dict[str, float]:
    """Values a second, and microseconds of a processor for each."""
    began, used = time.perf_counter(), cpu()
    work()
    seconds, used = time.perf_counter() - began, cpu() - used
    return {"values_per_second": round(count / seconds), "cpu_us_per_value": round(used / count * 1e6, 1)}


def through_store(folder: Path, batch: int, count: int) -> dict[str, float]:
    """One writer, one metric."""
    store = SqlStore(f"sqlite:///{folder / f'{batch}.db'}")
    row = Resource(
        account=ACCOUNT,
        region=REGION,
        kind=Kind.TRIAL_COMPONENT,
        name="run",
        status="",
        created_at=1.0,
        modified_at=1.0,
        ended_at=1.0,
        document={"Parameters": {f"p{number}": {"NumberValue": number} for number in range(35)}},
    )
    with store.transaction() as tx:
        tx.insert(row)

    def put() -> None:
        for first in range(0, count, batch):
            values = {"loss": [Value(step, 1e9 + step, 0.5) for step in range(first, first + batch)]}
            with store.transaction() as tx:
                tx.tracking.put(ACCOUNT, REGION, "run", values, 1000)

    found = rate(count, put, time.process_time)
    store.close()
    return found


def over_http(server: Server, batch: int, count: int, clients: int) -> dict[str, float]:
    """So many clients, each with a trial component of its own; the CPU is the server's."""
    sagemaker, key = server.client("sagemaker"), server.key()
    now = time.time()
    data = [{"MetricName": "loss", "Timestamp": now, "Step": step, "Value": 0.5 + step} for step in range(batch)]

    def put(name: str) -> None:
        body = json.dumps({"TrialComponentName": name, "MetricData": data}).encode()
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        for _ in range(count // clients // batch):
            request = AWSRequest("PUT", f"{server.url}/BatchPutMetrics", headers=dict(CONTENT), data=body)
            SigV4Auth(key, "sagemaker", REGION).add_auth(request)
            connection.request("PUT", "/BatchPutMetrics", body, dict(request.headers.items()))
            answer = connection.getresponse()
            told = answer.read()
            assert answer.status == 200 and told == b"{}", told

    names = [f"run-{batch}-{number}" for number in range(clients)]
    for name in names:
        sagemaker.create_trial_component(TrialComponentName=name)
    threads = [threading.Thread(target=put, args=(name,)) for name in names]

    def together() -> None:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return rate(count // clients // batch * clients * batch, together, lambda: cpu_of(server.pid))


def cpu_of(pid: int) -> float:
    """Seconds of a processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--values", type=int, default=200_000)
    parser.add_argument("--clients", type=int, default=4)
    given = parser.parse_args()
    found: dict[str, Any] = {"machine": describe_machine(), "clients": given.clients, "store": {}, "http": {}}
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "home")
        try:
            for batch in BATCHES:
                count = given.values if batch == max(BATCHES) else given.values // 10
                found["store"][batch] = through_store(Path(folder), batch, count)
                found["http"][batch] = over_http(server, batch, count, given.clients)
        finally:
            server.stop()
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
