"""What a runner does when it cannot write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pegbox.executors.base import Cause, Phase
from pegbox.executors.subprocess import SubprocessExecutor
from pegbox.testing.executor_suite import Watch, an_attempt, wait_for

PRINTS = "import time; print('loss=1;', flush=True); time.sleep(99)"
ENDS_WELL = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); " + PRINTS


@pytest.fixture
def executor() -> Iterator[SubprocessExecutor]:
    executor = SubprocessExecutor(zygote=False)
    yield executor
    executor.close()


@pytest.mark.parametrize(("script", "code"), [(PRINTS, -15), (ENDS_WELL, 1)])
def test_a_log_on_a_full_disk_ends_the_attempt(
    executor: SubprocessExecutor, tmp_path: Path, script: str, code: int
) -> None:
    directory = tmp_path / "attempt"
    directory.mkdir()
    (directory / "algo-1.log").symlink_to("/dev/full")
    executor.start(an_attempt(directory, script))
    end = Watch(executor, directory).until(lambda seen: seen.phase in (Phase.EXITED, Phase.LOST)).exit
    assert end is not None
    assert (end.cause, dict(end.codes)) == (Cause.EXIT, {"algo-1": code})
    assert end.failure.endswith("No space left on device")
    assert (directory / "runner.log").read_bytes() == b""


def test_the_exit_record_is_tried_again(executor: SubprocessExecutor, tmp_path: Path) -> None:
    directory = tmp_path / "attempt"
    go = directory / "algo-1/go"
    script = f"import os, time; print('loss=1;', flush=True)\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)"
    executor.start(an_attempt(directory, script))
    watch = Watch(executor, directory)
    watch.until_value(1.0)
    obstacle = directory / "exit.json"
    obstacle.mkdir()  # no file can take its place
    go.touch()
    wait_for(lambda: list(directory.glob(".exit.json.*")))
    (new,) = directory.glob(".exit.json.*")
    first = new.stat().st_mtime
    wait_for(lambda: new.stat().st_mtime > first + 0.5)  # the second try
    obstacle.rmdir()
    end = watch.until_over().exit
    assert end is not None
    assert (end.cause, dict(end.codes), end.failure) == (Cause.EXIT, {"algo-1": 0}, "")
    assert (directory / "runner.log").read_bytes() == b""
