"""The same search among the same 50,000 runs, here and in MLflow, each through its HTTP API, in turns of ten.

    python3 -m venv DIR && DIR/bin/pip install mlflow==3.17.2
    python benchmarks/search_beside_mlflow.py --mlflow DIR [--jobs 50000] [--searches 40]

A metric and a parameter, sorted by another metric, ten results; both on SQLite.  MLflow has one worker: with several
its answers are 40 ms later (uvicorn #3149).  Both are asked through a bare connection that stays open, requests to
pegbox signed, and their answers read as JSON.  pegbox is asked through boto3, too, also for a search of which it is
known at once that nothing is found; to make objects of ten records takes boto3 longer than anything else.  Limits:
30 times faster at the median, and 3 ms more than the search for nothing.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import Server, describe_machine, present, processes_below
from search import ACCOUNT, REGION, lines, request

from pegbox.maintenance import transfer
from pegbox.maintenance.progress import Progress
from pegbox.store.sql import SqlStore

PATIENCE = 120.0
TURN = 10  #: searches
QUERY = "Q1 metric and parameter by a metric"
MLFLOW = {
    "experiment_ids": ["0"],
    "filter": "metrics.auc > 0.9 and params.optimizer = 'adam'",
    "order_by": ["metrics.logloss ASC"],
    "max_results": 10,
}


class Mlflow:
    """Its server, on a store with the runs."""

    def __init__(self, environment: Path, folder: Path, jobs: int) -> None:
        database = folder / "mlflow.db"
        fill = [environment / "bin" / "python", Path(__file__).with_name("peers") / "with_mlflow.py", database]
        subprocess.run(fill, input=b"".join(lines(jobs)), check=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [environment / "bin" / "mlflow", "server", "--backend-store-uri", f"sqlite:///{database}"]
        command += ["--port", str(port), "--workers", "1"]
        with (folder / "mlflow.log").open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=folder,
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            )
        self.pid = self._process.pid
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._call("GET", "/health", None)
                return
            except OSError:
                self._connection.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def search(self) -> list[str]:
        """The names of the runs."""
        answer = json.loads(self._call("POST", "/api/2.0/mlflow/runs/search", json.dumps(MLFLOW)))
        return [each["info"]["run_name"] for each in answer["runs"]]

    def _call(self, method: str, path: str, body: str | None) -> bytes:
        self._connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(text.decode())
        return text

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(30)


class Bare:
    """pegbox without boto3: signed requests over one connection."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)

    def search(self, wanted: dict[str, Any]) -> list[str]:
        """The names of the training jobs."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "SageMaker.Search"}
        request = AWSRequest("POST", f"{self._server.url}/", headers, json.dumps(wanted).encode())
        SigV4Auth(self._server.key(), "sagemaker", REGION).add_auth(request)
        self._connection.request("POST", "/", request.body, dict(request.headers.items()))
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(text.decode())
        return [each["TrainingJob"]["TrainingJobName"] for each in json.loads(text)["Results"]]


@dataclass(frozen=True)
class Asked:
    """A search, and the process whose server answers it."""

    call: Callable[[], Any]
    server: int


def measure(asked: dict[str, Asked], searches: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each, in turns of several after one that does not count; `cpu`: of the server's processes."""
    times: dict[str, list[float]] = {name: [] for name in asked}
    used = dict.fromkeys(asked, 0.0)
    for name, each in (pair for _ in range(0, searches, TURN) for pair in asked.items()):
        each.call()
        before = cpu(each.server)
        for _ in range(TURN):
            began = time.perf_counter()
            each.call()
            times[name].append(1000 * (time.perf_counter() - began))
        used[name] += cpu(each.server) - before
    return {
        name: {
            "p50": round(statistics.median(found), 2),
            "p95": round(sorted(found)[int(0.95 * (len(found) - 1))], 2),
            "cpu": round(1000 * used[name] / len(found), 2),
        }
        for name, found in times.items()
    }


def cpu(pid: int) -> float:
    """Seconds that a process and those below it have used."""
    found = (Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()[11:13] for each in processes_below(pid))
    return sum(int(ticks) for pair in found for ticks in pair) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mlflow", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=50_000)
    parser.add_argument("--searches", type=int, default=40)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        home = folder / "home"
        home.mkdir(mode=0o700)
        store = SqlStore(f"sqlite:///{home / 'pegbox.db'}")
        transfer.load(transfer.Place(store, ACCOUNT, REGION), "jobs", lines(given.jobs), Progress(print))
        store.close()
        server, mlflow = Server(home), Mlflow(given.mlflow, folder, given.jobs)
        try:
            client = server.client("sagemaker")
            wanted = request(QUERY)
            found = [each["TrainingJob"]["TrainingJobName"] for each in client.search(**wanted)["Results"]]
            bare = Bare(server)
            if not found == bare.search(wanted) == mlflow.search():
                raise RuntimeError(f"they find others: {found}, {bare.search(wanted)}, {mlflow.search()}")
            asked = {
                "pegbox": Asked(lambda: bare.search(wanted), server.pid),
                "pegbox, boto3": Asked(lambda: client.search(**wanted), server.pid),
                "pegbox, boto3, nothing": Asked(lambda: client.search(Resource="FeatureGroup"), server.pid),
                "MLflow": Asked(mlflow.search, mlflow.pid),
            }
            measured = measure(asked, given.searches)
        finally:
            mlflow.stop()
            server.stop()
    result = {
        "machine": describe_machine(),
        "mlflow": subprocess.run(
            [given.mlflow / "bin" / "mlflow", "--version"], capture_output=True, text=True, check=True
        ).stdout.strip(),
        "jobs": given.jobs,
        "ms": measured,
        "times_less_cpu": round(measured["MLflow"]["cpu"] / max(measured["pegbox"]["cpu"], 0.01), 1),
        "times_faster": round(measured["MLflow"]["p50"] / measured["pegbox"]["p50"], 1),
        "times_faster_through_boto3": round(measured["MLflow"]["p50"] / measured["pegbox, boto3"]["p50"], 1),
        "own_cost_ms": round(measured["pegbox, boto3"]["p50"] - measured["pegbox, boto3, nothing"]["p50"], 2),
    }
    present(result, given.out)


if __name__ == "__main__":
    main()
