"""Servers that are forked from a process in which everything is imported already, so that a start costs no second.

Such a server differs from `python -m pegbox` in the imports only: it has a pid, an environment, arguments and files of
its own, and ends like any other.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

ORIGIN = Path(__file__).with_name("fork_origin.py")


class Forked:
    """A forked server, with that part of `subprocess.Popen` which tests use."""

    def __init__(self, arguments: list[str], log: IO[bytes], environment: Mapping[str, str]) -> None:
        request = {"arguments": arguments, "environment": dict(environment), "folder": os.getcwd()}
        self._said, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(_origin(), [json.dumps(request).encode()], [theirs.fileno(), log.fileno()])
        self._lines = self._said.makefile("rb")
        self.pid = int(self._lines.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._said, selectors.EVENT_READ)
                if not selector.select(timeout):
                    raise subprocess.TimeoutExpired(f"the server {self.pid}", timeout or 0.0)
            self.returncode = int(self._lines.readline())
            self._lines.close()
            self._said.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


@functools.cache
def _origin() -> socket.socket:
    """The process that forks servers; it ends with this one, and they with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen([sys.executable, str(ORIGIN)], stdin=theirs, stdout=subprocess.DEVNULL)

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours
