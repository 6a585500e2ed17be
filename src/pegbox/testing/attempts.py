"""Attempts for tests of executors and runners: how to make one, to watch it, and to see what it has left."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pegbox.executors.base import Attempt, Executor, Observation, Phase, Point, Program

DEADLINE = 30.0  #: seconds after which a wait has failed

LOSS = {"Name": "loss", "Regex": r"loss=(.*?);"}


def an_attempt(directory: Path, script: str = "", **changes: Any) -> Attempt:
    """An attempt that runs a Python script, with defaults for all that a test does not care about."""
    known: dict[str, Any] = {
        "id": f"{directory.name}-1",
        "directory": directory,
        "job_name": "training-job",
        "job_arn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/training-job",
        "region": "us-east-1",
        "program": Program(argv=(sys.executable, "-S", "-c", script, mark_of(directory))),
        "hyperparameters": {},
        "environment": {},
        "channels": {},
        "metrics": [LOSS],
        "instance_count": 1,
        "instance_type": "ml.m5.large",
        "checkpoint_path": None,
        "max_runtime": None,
        "grace": 20.0,
    }
    return Attempt(**known | changes)


@dataclass
class Watch:
    """Observes an attempt as the engine does, and keeps all points."""

    executor: Executor
    directory: Path
    cursor: int = 0
    points: list[Point] = field(default_factory=list)

    def look(self) -> Observation:
        """Observe once."""
        seen = self.executor.observe(self.directory, self.cursor)
        self.cursor = seen.cursor
        self.points += seen.points
        return seen

    def until(self, condition: Callable[[Observation], bool]) -> Observation:
        """Observe until `condition` holds."""
        end = time.monotonic() + DEADLINE
        while not condition(seen := self.look()):
            if time.monotonic() > end:
                pytest.fail(f"still {seen} after {DEADLINE} s; log: {log_of(self.directory)[-2000:]!r}")
            time.sleep(0.005)
        return seen

    def until_over(self) -> Observation:
        """Observe until the attempt has ended or is lost."""
        return self.until(lambda seen: seen.phase in (Phase.EXITED, Phase.LOST))

    def until_value(self, value: float) -> Observation:
        """Observe until the log gave `value`."""
        return self.until(lambda _: any(point.value == value for point in self.points))


def wait_for(condition: Callable[[], object]) -> None:
    """Poll until `condition` holds."""
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"{condition} does not hold after {DEADLINE} s")
        time.sleep(0.005)


def log_of(directory: Path, host: str = "algo-1") -> bytes:
    """All that an instance printed."""
    path = directory / f"{host}.log"
    return path.read_bytes() if path.exists() else b""


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def mark_of(directory: Path) -> str:
    """An argument by which processes of an attempt are known that have thrown away all else."""
    return f"--of={directory.resolve()}"


def processes_of(directory: Path) -> set[int]:
    """The living processes of an attempt's program, by the variable or the argument they carry; pids as we see them."""
    marks = {"environ": f"PEGBOX_ATTEMPT={directory.resolve()}", "cmdline": mark_of(directory)}
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        for name, mark in marks.items():
            with contextlib.suppress(OSError):
                if f"\0{mark}\0".encode() in b"\0" + (entry / name).read_bytes():
                    found.add(int(entry.name))
    return found


def values(points: Sequence[Point], metric: str = "loss") -> list[float]:
    """The values of one metric."""
    return [point.value for point in points if point.metric == metric]


class Executing:
    """What tests of an executor have: the executor, a directory, a way to run an attempt."""

    @pytest.fixture
    def executor(self) -> Executor:
        """The executor under test: override it."""
        raise NotImplementedError

    def another(self, executor: Executor) -> Executor:
        """An executor as another server, or the same after a crash, would have it."""
        return type(executor)()

    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path:
        """An attempt's directory."""
        return tmp_path / "attempt"

    def run(self, executor: Executor, attempt: Attempt) -> tuple[Observation, list[Point]]:
        """Start, and observe to the end."""
        executor.start(attempt)
        watch = Watch(executor, attempt.directory)
        return watch.until_over(), watch.points
