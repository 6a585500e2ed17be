"""The demo as a user runs it: on a terminal, and with its output sent elsewhere."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path

COMMAND = [sys.executable, "-m", "pegbox", "demo", "--jobs", "4"]
LAST_LINE = re.compile(r"best MyTuningJob-00[1-4]-[0-9a-f]{8} validation:auc=(0|1)\.\d+")


def test_without_a_terminal_it_prints_plain_lines(tmp_path: Path) -> None:
    done = subprocess.run(
        COMMAND, capture_output=True, text=True, timeout=120, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert LAST_LINE.fullmatch(lines[-1])
    assert "\x1b" not in done.stdout
    assert sum("Completed" in line for line in lines) == 4
    assert list(tmp_path.glob("pegbox-demo-*")) == []


def test_on_a_terminal_it_shows_a_live_view(tmp_path: Path) -> None:
    main, other = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40", "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(COMMAND, stdin=other, stdout=other, stderr=other, env=environment)
    os.close(other)
    shown: list[bytes] = []
    reader = threading.Thread(target=_read, args=(main, shown))
    reader.start()
    assert process.wait(120) == 0, b"".join(shown).decode()
    reader.join(10)
    screen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", b"".join(shown).decode())
    assert "tuning job MyTuningJob" in screen
    assert "best so far" in screen
    assert "4/4" in screen
    assert LAST_LINE.fullmatch(screen.strip().splitlines()[-1])


def _read(descriptor: int, shown: list[bytes]) -> None:
    while True:
        try:
            data = os.read(descriptor, 65536)
        except OSError:  # the other end is closed
            return
        if not data:
            return
        shown.append(data)
