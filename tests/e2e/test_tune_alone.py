"""pegbox tune where no server runs: one is started in the background, and outlives the command."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import forking
from running import clean_environment, wait_for
from terminal import Terminal

PEGBOX = [sys.executable, "-m", "pegbox"]
#: a job waits for a file; so the test says when it ends
REQUEST = """
command: [sh, -c, "while [ ! -e go ]; do sleep 0.05; done; echo loss=$0", "{x}"]
minimize: loss
parameters: {x: [1, 9]}
budget: {jobs: 2, parallel: 1}
"""


class Alone:
    """A home of its own, and commands on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        self.environment = clean_environment() | {"PEGBOX_HOME": str(self.home), "PEGBOX_STOP_GRACE": "5"}
        work = folder / "work"
        work.mkdir()
        self.file = work / "wait.yaml"
        self.file.write_text(REQUEST)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return forking.run(arguments, self.environment)

    def terminal(self, *arguments: str) -> Terminal:
        return Terminal([*PEGBOX, *arguments], self.environment)

    @property
    def server(self) -> int:
        """The pid of the server in the background."""
        found = json.loads((self.home / "run" / "server.json").read_text())
        return int(found["pid"])

    def close(self) -> None:
        (self.file.parent / "go").touch()  # nothing that waits outlives a test that failed
        for file in self.home.glob("run/server*.json"):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int(json.loads(file.read_text())["pid"]), signal.SIGTERM)
        wait_for("the server's end", lambda: not list(self.home.glob("run/server*.json")))


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Alone]:
    found = Alone(tmp_path)
    yield found
    found.close()


def test_ctrl_c_asks_whether_to_stop_or_to_leave_it(alone: Alone) -> None:
    terminal = alone.terminal("tune", str(alone.file))
    terminal.see("1 running")
    terminal.interrupt()
    terminal.see("Stop wait-1 [s], leave it running [l], or watch on [w]?")
    terminal.type("x")
    terminal.see("Type s, l or w.")
    terminal.type("w")
    wait_for("the view", lambda: "1 running" in terminal.screen.rpartition("watch on [w]?")[2])
    terminal.interrupt()
    wait_for("the second question", lambda: terminal.screen.count("watch on [w]?") == 3)
    terminal.type("l")
    assert terminal.end() == 130
    screen = " ".join(terminal.screen.split())
    assert f"a server has been started in the background on {alone.home} (process {alone.server})" in screen
    assert "wait-1 goes on. watch pegbox describe wait-1 --watch stop pegbox stop wait-1" in screen
    assert [folder.stat().st_mode & 0o777 for folder in (alone.home, alone.home / "run")] == [0o700, 0o700]

    terminal = alone.terminal("describe", "wait-1", "--watch")
    terminal.see("1 running")
    terminal.interrupt()
    terminal.see("watch on [w]?")
    terminal.type("s")
    assert terminal.end() == 1
    assert "wait-1 Stopped: 1 training job, 1 stopped" in terminal.screen
    assert "in the background" not in terminal.screen  # it is the same server


def test_whoever_watches_goes_on_with_the_next_server(alone: Alone) -> None:
    watching = alone.environment | {"AWS_MAX_ATTEMPTS": "1"}
    process = subprocess.Popen(
        [*PEGBOX, "tune", str(alone.file)], env=watching, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("tuning job  wait-1 on ")
    first = alone.server
    os.kill(first, signal.SIGTERM)
    others = {f"server-{first}.json", "server.json"}
    wait_for("the next server", lambda: {file.name for file in alone.home.glob("run/server*.json")} - others)
    (alone.file.parent / "go").touch()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, "wait-1 Completed: 2 training jobs" in out) == (0, True), err
    assert err.count("a server has been started in the background") == 2


def test_without_a_terminal_ctrl_c_leaves_the_job_and_the_next_server_goes_on_with_it(alone: Alone) -> None:
    process = subprocess.Popen(
        [*PEGBOX, "tune", str(alone.file)], env=alone.environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("tuning job  wait-1 on ")
    first = alone.server
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert (process.returncode, "wait-1 goes on." in rest) == (130, True)
    os.kill(first, signal.SIGKILL)

    log = alone.folder / "log"
    with log.open("wb") as opened:
        server = subprocess.Popen(
            [*PEGBOX, "serve", "--port", "0", "--idle", "1"], env=alone.environment, stdout=opened, stderr=opened
        )
    wait_for("the server", lambda: b"event=serving" in log.read_bytes())
    with pytest.raises(subprocess.TimeoutExpired):
        server.wait(2)  # there is a job
    (alone.file.parent / "go").touch()
    assert server.wait(60) == 0
    assert b"there is nothing to do" in log.read_bytes()

    ended = alone.run("describe", "wait-1")
    assert ended.stdout.startswith("wait-1 Completed: 2 training jobs\n"), ended.stderr
    assert f"(process {alone.server})" in ended.stderr
