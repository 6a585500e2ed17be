"""The demo's own server, in a process and a home of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pegbox.settings import load

PATIENCE = 60.0  #: seconds for the server to start


class DemoServer:
    """`pegbox serve` on a free port in a temporary home; a context manager that ends and removes both, unless kept."""

    def __init__(self, *, keep: bool) -> None:
        self.keep = keep
        self.home = Path(tempfile.mkdtemp(prefix="pegbox-demo-"))
        self.url = ""

    def __enter__(self) -> DemoServer:
        command = [sys.executable, "-m", "pegbox", "serve", "--port", "0", "--home", str(self.home)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PEGBOX_", "AWS_"))}
        with (self.home / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        self.url = self._reached()
        return self

    def __exit__(self, *_: object) -> None:
        if self.keep:
            return
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def pid(self) -> int:
        """Of the server's process."""
        return self._process.pid

    def client(self, service: str) -> Any:
        """A plain boto3 client of the server."""
        import boto3

        from pegbox.serving import client_environment

        variables = client_environment(load({"home": self.home}, {}))
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=variables["AWS_REGION"],
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        )

    def _reached(self) -> str:
        deadline = time.monotonic() + PATIENCE
        announcement = self.home / "run" / "server.json"
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                return str(json.loads(announcement.read_text())["url"])
            except (OSError, ValueError):
                time.sleep(0.02)
        log = (self.home / "server.log").read_text()[-2000:]
        raise RuntimeError(f"the demo's server did not start:\n{log}")
