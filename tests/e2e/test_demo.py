"""The demo as a user runs it: on a terminal, and with its output sent elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from terminal import Terminal

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
    terminal = Terminal(COMMAND, {**os.environ, "TMPDIR": str(tmp_path)})
    assert terminal.end() == 0, terminal.screen
    screen = terminal.screen
    assert "tuning job MyTuningJob" in screen
    assert "best so far" in screen
    assert "4/4" in screen
    assert LAST_LINE.fullmatch(screen.strip().splitlines()[-1])
