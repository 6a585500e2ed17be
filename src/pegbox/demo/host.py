"""The demo's own server, in a process and a home of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from pegbox import background
from pegbox.settings import load


class DemoServer:
    """`pegbox serve` on a free port in a temporary home; a context manager that ends and removes both, unless kept."""

    def __init__(self, *, keep: bool) -> None:
        self.keep = keep
        self.home = Path(tempfile.mkdtemp(prefix="pegbox-demo-"))
        self.url = ""

    def __enter__(self) -> DemoServer:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PEGBOX_", "AWS_"))}
        try:
            self._process, self.url = background.start(self.home, ["--port", "0"], environment)
        except background.DidNotStart:
            shutil.rmtree(self.home, ignore_errors=True)
            raise
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
        from pegbox.client.connection import Connection

        return Connection(url=self.url, settings=load({"home": self.home}, {})).client(service)
