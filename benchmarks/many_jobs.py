"""Two hundred searches at once on one server: does it stay quick, and what does a training job cost it?

    python benchmarks/many_jobs.py [--tuning-jobs 200] [--jobs 25] [--slots 8]

Every training job is a process that prints one metric and ends.  While they run, DescribeHyperParameterTuningJob is
asked all the time over one keep-alive connection, and the server's memory is looked at.  Afterwards, on the idle
server: its CPU, and DescribeTrainingJob as fast as clients can ask.  Limits: all jobs Completed, Describe under 50 ms
at the 95th percentile, memory flat, 5 ms of CPU a training job in the engine's threads (runners and trainers are other
processes), an idle server under 1 % of a core, 500 Describe a second.

The engine's threads, and those that index for Search and look after objects, are there before the first request; the
others are the first thread, which speaks HTTP, and those that carry out operations, here nearly all Describe.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from measuring import Server, describe_machine, proportional_set_size

from pegbox.testing.requests import tuning_request

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, without its children's."""
    return _cpu_seconds(Path(f"/proc/{pid}/stat"))


def threads(pid: int) -> set[str]:
    """Those of a process but the first."""
    return set(os.listdir(f"/proc/{pid}/task")) - {str(pid)}


def thread_seconds(pid: int, which: Iterable[str]) -> float:
    """The same of some threads."""
    return sum(_cpu_seconds(Path(f"/proc/{pid}/task/{each}/stat")) for each in which)


def _cpu_seconds(stat: Path) -> float:
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Signed:
    """One keep-alive connection, and the SageMaker calls on it; signing is not measured."""

    def __init__(self, server: Server) -> None:
        self._credentials = server.key()
        self._url = f"{server.url}/"
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port)

    def prepared(self, operation: str, **request: Any) -> tuple[bytes, dict[str, str]]:
        """Body and signed headers."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        body = json.dumps(request).encode()
        headers = {"X-Amz-Target": f"SageMaker.{operation}", "Content-Type": "application/x-amz-json-1.1"}
        signed = AWSRequest("POST", self._url, headers, body)
        SigV4Auth(self._credentials, "sagemaker", "us-east-1").add_auth(signed)
        return body, dict(signed.headers.items())

    def send(self, body: bytes, headers: dict[str, str]) -> tuple[float, dict[str, Any]]:
        """Seconds until the answer was there, and the answer."""
        began = time.perf_counter()
        self._connection.request("POST", "/", body, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        seconds = time.perf_counter() - began
        if answer.status != 200:
            raise RuntimeError(f"status {answer.status}: {text[:300]!r}")
        return seconds, json.loads(text) if text else {}


def run(server: Server, engine: set[str], tuning_jobs: int, jobs: int) -> dict[str, Any]:
    """All searches from the first Create to the last end, and what was seen meanwhile; `engine`: its threads."""
    sagemaker = server.client("sagemaker")
    names = [f"search-{number:03}" for number in range(tuning_jobs)]
    first = [str(server.pid)]
    cpu, http = cpu_seconds(server.pid), thread_seconds(server.pid, first)
    worked, began = thread_seconds(server.pid, engine), time.perf_counter()
    for name in names:
        sagemaker.create_hyper_parameter_tuning_job(**tuning_request(name, "tiny", "s3://models/out", jobs, 4))
    created = time.perf_counter() - began
    asking = Signed(server)
    latencies: list[float] = []
    memory: list[float] = []
    final: dict[str, dict[str, Any]] = {}
    while len(final) < len(names):
        for name in names:
            if name in final:
                continue
            seconds, found = asking.send(
                *asking.prepared("DescribeHyperParameterTuningJob", HyperParameterTuningJobName=name)
            )
            latencies.append(seconds)
            if found["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping"):
                final[name] = found
            time.sleep(0.01)
        memory.append(proportional_set_size(server.pid) / 2**20)
    seconds = time.perf_counter() - began
    used, spoken = cpu_seconds(server.pid) - cpu, thread_seconds(server.pid, first) - http
    worked = thread_seconds(server.pid, engine) - worked
    completed = sum(found["TrainingJobStatusCounters"]["Completed"] for found in final.values())
    quarter = max(1, len(memory) // 4)
    return {
        "training_jobs": tuning_jobs * jobs,
        "completed": completed,
        "tuning_jobs_completed": sum(found["HyperParameterTuningJobStatus"] == "Completed" for found in final.values()),
        "seconds": round(seconds, 1),
        "created_in_seconds": round(created, 1),
        "jobs_per_second": round(completed / seconds, 1),
        "engine_cpu_ms_per_job": round(1000 * worked / completed, 2),
        "engine_and_operations_cpu_ms_per_job": round(1000 * (used - spoken) / completed, 2),
        "operations_cpu_seconds": round(used - spoken - worked, 1),
        "http_cpu_seconds": round(spoken, 1),
        "describes_meanwhile": len(latencies),
        "describe_ms_median": round(1000 * statistics.median(latencies), 1),
        "describe_ms_p95": round(1000 * statistics.quantiles(latencies, n=20)[-1], 1),
        "memory_mb_first_quarter": round(statistics.median(memory[:quarter]), 1),
        "memory_mb_last_quarter": round(statistics.median(memory[-quarter:]), 1),
    }


def idle(server: Server, seconds: float) -> float:
    """Share of a core that the server uses when nobody asks for anything."""
    time.sleep(3)
    cpu, began = cpu_seconds(server.pid), time.perf_counter()
    time.sleep(seconds)
    return (cpu_seconds(server.pid) - cpu) / (time.perf_counter() - began)


def describes(server: Server, count: int, clients: int) -> dict[str, float]:
    """DescribeTrainingJob over `clients` keep-alive connections, requests signed beforehand."""
    name = server.client("sagemaker").list_training_jobs(MaxResults=1)["TrainingJobSummaries"][0]["TrainingJobName"]
    connections = [Signed(server) for _ in range(clients)]
    prepared = connections[0].prepared("DescribeTrainingJob", TrainingJobName=name)
    cpu = cpu_seconds(server.pid)

    def ask(connection: Signed) -> None:
        for _ in range(count // clients):
            connection.send(*prepared)

    threads = [threading.Thread(target=ask, args=(connection,)) for connection in connections]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    done = count // clients * clients
    return {
        "describe_per_second": round(done / seconds),
        "describe_cpu_ms": round(1000 * (cpu_seconds(server.pid) - cpu) / done, 2),
    }


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tuning-jobs", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=25)
    parser.add_argument("--slots", type=int, default=8)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = {"PEGBOX_TUNING_JOBS": str(given.tuning_jobs), "PEGBOX_SLOTS": str(given.slots)}
        server = Server(Path(folder) / "home", environment)
        engine = threads(server.pid)
        server.client("s3").create_bucket(Bucket="models")
        register(server, Path(folder))
        engine &= threads(server.pid)  # one probes what the machine can contain, and ends
        found = run(server, engine, given.tuning_jobs, given.jobs)
        found["idle_core_percent"] = round(100 * idle(server, 20), 2)
        found |= describes(server, 5000, 4)
        server.stop()
        log = (Path(folder) / "server.log").read_text()
        found["errors_in_log"] = log.count("level=error")
    print(json.dumps({"machine": describe_machine(), **found}, indent=2))


def register(server: Server, folder: Path) -> None:
    """Say what the image runs."""
    import subprocess

    command = ["sh", "-c", 'echo "loss=$SM_HP_X;"']
    subprocess.run(
        [sys.executable, "-m", "pegbox", "image", "add", "tiny", "--command", " ".join(map(quoted, command)),
         "--workdir", str(folder), "--home", str(server.home)],
        check=True,
    )  # fmt: skip


def quoted(word: str) -> str:
    """A word of a command line."""
    import shlex

    return shlex.quote(word)


if __name__ == "__main__":
    main()
