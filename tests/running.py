"""A real server in a process of its own, and real clients of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config

from forking import Forked

DEADLINE = 60.0
_T = TypeVar("_T")


def wait_for(what: str, look: Callable[[], _T | None], seconds: float = DEADLINE) -> _T:
    """Poll until `look` gives something true."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(0.02)


def clean_environment() -> dict[str, str]:
    """Ours, without what is meant for pegbox or for AWS clients."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PEGBOX_", "AWS_"))}


class RunningServer:
    """`pegbox serve` on a free port; `kill` and `start` again as often as a test likes."""

    def __init__(
        self,
        home: Path,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        before: str = "",
        forked: bool = True,
    ) -> None:
        """`before` is Python that the server's process runs first; `forked=False` starts it as a user does."""
        self.home = home
        run = ["-c", f"{before}\nfrom pegbox.cli import main\nmain()"] if before else ["-m", "pegbox"]
        self._program = [sys.executable, *run]
        self._forked = forked and not before
        self.log = home.with_name(home.name + ".log")
        self._arguments = arguments
        self.environment = dict(environment or {})
        self._environment = clean_environment() | self.environment
        self.start()

    def start(self) -> None:
        arguments = ["serve", "--port", "0", "--home", str(self.home), *self._arguments]
        self.process: Forked | subprocess.Popen[bytes]
        with self.log.open("ab") as log:
            if self._forked:
                self.process = Forked(arguments, stdout=log, stderr=log, env=self._environment)
            else:
                self.process = subprocess.Popen(
                    [*self._program, *arguments], stdout=log, stderr=log, env=self._environment
                )
        self.url = wait_for("the server", self._announced)
        wait_for("an answer", self._healthy)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(30)

    def client(self, service: str, **changes: Any) -> Any:
        """A boto3 client with this server's own key."""
        given = {"region_name": "us-east-1", **self.credentials(), **changes}
        config = Config(retries={"max_attempts": 0}).merge(given.pop("config", Config()))
        return boto3.client(service, endpoint_url=self.url, config=config, **given)

    def credentials(self) -> dict[str, str]:
        lines = (self.home / "credentials").read_text().splitlines()
        values = dict(line.split(" = ") for line in lines if " = " in line)
        return {key: values[key] for key in ("aws_access_key_id", "aws_secret_access_key")}

    def _announced(self) -> str | None:
        if self.process.poll() is not None:
            raise RuntimeError(f"the server ended:\n{self.log.read_text()[-4000:]}")
        try:
            found = json.loads((self.home / "run" / "server.json").read_text())
        except (OSError, ValueError):
            return None
        return str(found["url"]) if found["pid"] == self.process.pid else None

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
