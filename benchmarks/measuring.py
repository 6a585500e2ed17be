"""What the benchmarks share: a server in its own process, memory of processes, a description of the machine."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PATIENCE = 30.0


class Server:
    """`pegbox serve` on a free port; constructed when it has answered."""

    def __init__(self, home: Path, environment: dict[str, str] | None = None) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("PEGBOX_", "AWS_"))}
        with (home.parent / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pegbox", "serve", "--port", "0", "--home", str(home)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=plain | (environment or {}),
            )
        self.pid = self._process.pid
        self.url = self._reached()
        self.port = int(self.url.rsplit(":", 1)[1])

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(30)

    def credentials(self) -> dict[str, str]:
        """Its first access key, as boto3 takes it."""
        lines = (self.home / "credentials").read_text().splitlines()
        return dict(line.split(" = ") for line in lines if " = " in line)

    def key(self) -> Any:
        """The same, as botocore's signers take it."""
        from botocore.credentials import Credentials

        given = self.credentials()
        return Credentials(given["aws_access_key_id"], given["aws_secret_access_key"])

    def client(self, service: str, config: Any = None) -> Any:
        """A boto3 client."""
        import boto3

        place = {"endpoint_url": self.url, "region_name": "us-east-1"}
        return boto3.client(service, config=config, **place, **self.credentials())

    def _reached(self) -> str:
        import http.client

        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                found = json.loads((self.home / "run" / "server.json").read_text())
                if found["pid"] != self.pid:
                    raise ValueError
                connection = http.client.HTTPConnection("127.0.0.1", int(found["url"].rsplit(":", 1)[1]), timeout=5)
                with contextlib.closing(connection):
                    connection.request("GET", "/health")
                    if connection.getresponse().status == 200:
                        return str(found["url"])
            except (OSError, ValueError):
                time.sleep(0.005)
        raise TimeoutError("the server did not start")


def present(result: dict[str, Any], out: Path | None = None) -> None:
    """Print a result as JSON, and write it into a file if one is given."""
    text = json.dumps(result, indent=1)
    print(text)
    if out:
        out.write_text(text + "\n")


def processes_below(pid: int) -> list[int]:
    """A process and all that came from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def processor_time(pids: Iterable[int]) -> float:
    """Seconds that the threads of processes have computed."""
    spent = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):  # it has ended
                spent += int(task.read_text().split()[0])
    return spent / 1e9


def proportional_set_size(pid: int) -> int:
    """Bytes of memory, shared pages counted in parts."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def describe_machine() -> dict[str, Any]:
    """What the figures were taken on."""
    import importlib.metadata

    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    names = ("pegbox", "xgboost-cpu", "boto3", "numpy", "scipy")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in names},
        "when": time.strftime("%Y-%m-%d", time.gmtime()),
    }
