"""Training jobs as real processes in directories laid out like a training container's /opt/ml."""

from __future__ import annotations

import json
import os
import re
import signal
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from forking import Forked

DEADLINE = 40.0

Files = Mapping[str, bytes | str]


@dataclass
class Result:
    code: int
    out: str
    err: str
    failure: str

    def rounds(self) -> list[str]:
        return [line for line in self.out.splitlines() if re.match(r"\[\d+\]\t", line)]

    def last(self, name: str) -> float:
        dataset, metric = name.split(":")
        words = dict(word.rsplit(":", 1) for word in self.rounds()[-1].split("\t")[1:])
        return float(words[f"{dataset}-{metric}"])


class Instance(Forked):
    """A trainer in a process of its own, whose standard output is read as it comes."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        ours, theirs = os.pipe()
        self.stdout = open(ours)  # noqa: SIM115  (whoever waits for the process closes it)
        with os.fdopen(theirs, "w") as stdout, log.open("w") as stderr:
            super().__init__(
                (), stdout=stdout, stderr=stderr, env=environment, module="pegbox.algorithms.xgboost.train"
            )


@dataclass
class Job:
    """One training job: write its input, start its instances, wait for them."""

    root: Path
    network: int
    hosts: int = 1
    processes: dict[str, Instance] = field(default_factory=dict)

    def lay_out(
        self,
        hyperparameters: Mapping[str, object],
        channels: Mapping[str, Files | Mapping[int, Files]],
        content_type: str | None = "text/csv",
        input_mode: str = "File",
    ) -> Job:
        for host in self.names:
            config = self.home(host) / "input" / "config"
            config.mkdir(parents=True)
            (config / "hyperparameters.json").write_text(
                json.dumps({name: str(value) for name, value in hyperparameters.items()})
            )
            entry = {"TrainingInputMode": input_mode, "S3DistributionType": "FullyReplicated"}
            if content_type:
                entry["ContentType"] = content_type
            (config / "inputdataconfig.json").write_text(json.dumps(dict.fromkeys(channels, entry)))
            (config / "resourceconfig.json").write_text(json.dumps({"current_host": host, "hosts": self.names}))
            for place in ("model", "output/data"):
                (self.home(host) / place).mkdir(parents=True)
            for channel, files in channels.items():
                for name, content in self._share(files, host).items():
                    path = self.home(host) / "input" / "data" / channel / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content.encode() if isinstance(content, str) else content)
                (self.home(host) / "input" / "data" / channel).mkdir(parents=True, exist_ok=True)
        return self

    def _share(self, files: Files | Mapping[int, Files], host: str) -> Files:
        """Files of this host, when they are given by host number."""
        if any(isinstance(key, int) for key in files):
            return files.get(int(host.removeprefix("algo-")), {})  # type: ignore[call-overload, no-any-return]
        return files  # type: ignore[return-value]

    @property
    def names(self) -> list[str]:
        return sorted(f"algo-{number}" for number in range(1, self.hosts + 1))

    def home(self, host: str = "algo-1") -> Path:
        return self.root / host

    def model(self, host: str = "algo-1") -> Path:
        return self.home(host) / "model" / "xgboost-model"

    def environment(self, host: str = "algo-1") -> dict[str, str]:
        home = self.home(host)
        channels = json.loads((home / "input/config/inputdataconfig.json").read_text())
        environment = {
            "SM_INPUT_DIR": str(home / "input"),
            "SM_INPUT_CONFIG_DIR": str(home / "input/config"),
            "SM_MODEL_DIR": str(home / "model"),
            "SM_OUTPUT_DIR": str(home / "output"),
            "SM_OUTPUT_DATA_DIR": str(home / "output/data"),
            "SM_CURRENT_HOST": host,
            "SM_HOSTS": json.dumps(self.names),
            "SM_NUM_CPUS": "2",
            "TRAINING_JOB_NAME": self.root.name,
            **{f"SM_CHANNEL_{name.upper()}": str(home / "input/data" / name) for name in channels},
        }
        if self.hosts > 1:
            addresses = {name: f"127.77.{self.network}.{number}" for number, name in enumerate(self.names, 1)}
            environment["PEGBOX_HOST_ADDRESSES"] = json.dumps(addresses)
        return environment

    def start(self, host: str = "algo-1", **environment: str) -> Instance:
        given = {**os.environ, **self.environment(host), **environment}
        self.processes[host] = Instance(given, self.home(host) / "stderr")
        return self.processes[host]

    def wait(self, host: str = "algo-1") -> Result:
        """The result; what a test has read of the output itself is no longer in it."""
        process = self.processes[host]
        deadline = threading.Timer(DEADLINE, process.kill)
        deadline.start()
        with process.stdout as stdout:
            out = stdout.read()  # communicate() would lose what an earlier readline() has buffered
        process.wait()
        deadline.cancel()
        err = (self.home(host) / "stderr").read_text()
        failure = self.home(host) / "output/failure"
        return Result(process.returncode, out, err, failure.read_text() if failure.exists() else "")

    def run(self, **environment: str) -> Result:
        """Run all instances; the leader's result, the worst exit code."""
        for host in self.names:
            self.start(host, **environment)
        results = {host: self.wait(host) for host in self.names}
        leader = results["algo-1"]
        leader.code = max((result.code for result in results.values()), key=abs)
        return leader

    def kill(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()


@pytest.fixture(scope="session")
def networks() -> Iterator[int]:
    """Loopback networks that no other job of this test run uses."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return iter(count(1 + 60 * worker))


@pytest.fixture
def new_job(tmp_path: Path, networks: Iterator[int]) -> Iterator[Callable[..., Job]]:
    jobs: list[Job] = []

    def new(hosts: int = 1) -> Job:
        jobs.append(Job(tmp_path / f"job-{len(jobs)}", next(networks), hosts))
        return jobs[-1]

    yield new
    for job in jobs:
        job.kill()


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def message(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(values: Sequence[float], keys: Sequence[int] = (), shape: int = 0) -> bytes:
    packed = message(1, struct.pack(f"<{len(values)}f", *values))
    packed += message(2, b"".join(map(varint, keys))) if keys else b""
    packed += message(3, varint(shape)) if shape else b""
    return message(2, packed)


def record(label: float, features: bytes) -> bytes:
    def entry(value: bytes) -> bytes:
        return message(1, b"values") + message(2, value)

    payload = message(1, entry(features)) + message(2, entry(tensor([label])))
    return struct.pack("<II", 0xCED7230A, len(payload)) + payload + b"\0" * (-len(payload) % 4)


@pytest.fixture(scope="session")
def encode() -> SimpleNamespace:
    """Writers of RecordIO-wrapped protobuf: record(label, features) and tensor(values, keys, shape)."""
    return SimpleNamespace(record=record, tensor=tensor)
