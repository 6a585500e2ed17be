"""A server in a process of its own, which outlives whoever started it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pegbox.settings import make_home

PATIENCE = 60.0  #: seconds for a server to start
LOG = "server.log"  #: in the home
MOST_TOLD = 2000  #: characters of the log that are quoted


class DidNotStart(Exception):
    """The server ended, or said nothing; the message has the end of its log."""


def start(home: Path, options: Sequence[str], environment: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], str]:
    """Run `pegbox serve` on a home; returns the process and its URL once it answers.  Raises DidNotStart."""
    command = [sys.executable, "-m", "pegbox", "serve", "--home", str(home), *options]
    make_home(home)
    descriptor = os.open(home / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    begin = os.fstat(descriptor).st_size
    with os.fdopen(descriptor, "ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        )
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if url := _announced(home, process.pid):
            return process, url
        time.sleep(0.02)
    process.terminate()
    said = (home / LOG).read_bytes()[begin:].decode("utf-8", "replace")[-MOST_TOLD:]
    raise DidNotStart(f"the server did not start: {said.strip() or 'it said nothing'}")


def _announced(home: Path, pid: int) -> str | None:
    try:
        found = json.loads((home / "run" / f"server-{pid}.json").read_text())
        return str(found["url"])
    except (OSError, ValueError, KeyError):
        return None
