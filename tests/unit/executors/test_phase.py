"""What a server sees of an attempt while a runner comes, works and goes between two of its looks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from pegbox.executors import directory as files
from pegbox.executors.base import Phase
from pegbox.processes import identity

#: The steps of an attempt whose runner was started twice, and what a server that looks after each has to see.
STEPS = ("spawned", "locked", "loser gone", "written down", "started", "ended", "gone")
SEEN = (Phase.STARTING,) * 4 + (Phase.RUNNING, Phase.EXITED, Phase.EXITED)

#: Takes and frees the lock of a directory as told on its stdin.
HOLDER = """
import fcntl, os, sys
for line in sys.stdin:
    what, _, path = line.rstrip().partition(" ")
    if what == "lock":
        fd = os.open(path, os.O_RDWR | os.O_CREAT)
        fcntl.lockf(fd, fcntl.LOCK_EX)
    else:
        os.close(fd)
    print(flush=True)
"""


class Attempt:
    """An attempt that goes on step by step."""

    def __init__(self, directory: Path, holder: subprocess.Popen[str]) -> None:
        self.directory, self._holder = directory, holder
        self._loser: subprocess.Popen[bytes] | None = None
        self.done = -1

    def go_on(self, to: int) -> None:
        for step in STEPS[self.done + 1 : to + 1]:
            getattr(self, f"_{step.replace(' ', '_')}")()
        self.done = max(self.done, to)

    def _spawned(self) -> None:
        self.directory.mkdir()
        self._loser = subprocess.Popen(["sleep", "99"])
        files.write(self.directory / "spawn.json", identity(self._loser.pid))

    def _locked(self) -> None:
        self._tell(f"lock {self.directory}/lock")

    def _loser_gone(self) -> None:
        assert self._loser is not None
        self._loser.kill()
        self._loser.wait()

    def _written_down(self) -> None:
        files.write(self.directory / "runner.json", {"started": None})

    def _started(self) -> None:
        files.write(self.directory / "runner.json", {"started": 1.0})

    def _ended(self) -> None:
        files.write(self.directory / "exit.json", {})

    def _gone(self) -> None:
        self._tell("free")

    def _tell(self, what: str) -> None:
        assert self._holder.stdin is not None and self._holder.stdout is not None
        self._holder.stdin.write(f"{what}\n")
        self._holder.stdin.flush()
        self._holder.stdout.readline()


@pytest.fixture(scope="module")
def holder() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def before_line(number: int, act: Callable[[], None]) -> Callable[..., Any]:
    """A trace function (sys.settrace) that acts once, before the so-many-th line of phase() that is carried out."""
    lines = 0

    def line(frame: FrameType, event: str, _: object) -> Callable[..., Any]:
        nonlocal lines
        if event == "line":
            lines += 1
            if lines == number:
                act()
        return line

    def call(frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
        return line if frame.f_code is files.phase.__code__ else None

    return call


@pytest.mark.parametrize("first", range(len(STEPS) - 1), ids=STEPS[:-1])
def test_no_phase_is_seen_that_never_was(tmp_path: Path, holder: subprocess.Popen[str], first: int) -> None:
    """However many steps are made, and between whichever two looks."""
    for last in range(first + 1, len(STEPS)):
        for number in range(1, 12):
            attempt = Attempt(tmp_path / f"{first}-{last}-{number}", holder)
            attempt.go_on(first)
            before = sys.gettrace()
            sys.settrace(before_line(number, lambda attempt=attempt, last=last: attempt.go_on(last)))  # type: ignore[misc]
            try:
                seen, _ = files.phase(attempt.directory)
            finally:
                sys.settrace(before)
            assert seen in SEEN[first : last + 1], (STEPS[first], STEPS[last], number)
            attempt.go_on(len(STEPS) - 1)
