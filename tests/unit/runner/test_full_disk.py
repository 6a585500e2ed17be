"""What a runner does when it cannot write."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pegbox.executors.base import Cause
from pegbox.executors.subprocess import SubprocessExecutor
from pegbox.testing.attempts import Watch, an_attempt, wait_for

ENDS_AT_ONCE = "import os, time; os.write(1, b'loss=1;\\n')"  # in one write
PRINTS = f"{ENDS_AT_ONCE}; time.sleep(99)"
ENDS_WELL = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); " + PRINTS


@pytest.fixture
def executor() -> Iterator[SubprocessExecutor]:
    executor = SubprocessExecutor(zygote=False)
    yield executor
    executor.close()


def start(executor: SubprocessExecutor, directory: Path, script: str, **changes: float) -> Watch:
    """Start an attempt whose log never gets any room."""
    directory.mkdir()
    (directory / "algo-1.log").symlink_to("/dev/full")
    executor.start(an_attempt(directory, script, grace=1.0, **changes))
    return Watch(executor, directory)


@pytest.mark.parametrize(
    ("script", "code"), [(PRINTS, -15), (ENDS_WELL, 1), (ENDS_AT_ONCE, 1)], ids=["TERM", "ends on TERM", "ends"]
)
def test_a_log_waits_for_room_until_the_end_of_the_runtime(
    executor: SubprocessExecutor, tmp_path: Path, script: str, code: int
) -> None:
    watch = start(executor, tmp_path / "attempt", script, max_runtime=2.0)
    began = time.monotonic()
    end = watch.until_over().exit
    assert end is not None
    assert (end.cause, dict(end.codes)) == (Cause.EXIT, {"algo-1": code})
    assert end.failure == "the log cannot be written: No space left on device"
    assert [point.value for point in watch.points] == [1.0]
    assert time.monotonic() - began > 1.9
    assert (end.ended - end.started < 1.9) == (script == ENDS_AT_ONCE)
    assert (tmp_path / "attempt/runner.log").read_bytes() == b""


@pytest.mark.parametrize("script", [PRINTS, ENDS_AT_ONCE], ids=["runs", "has ended"])
def test_a_stop_is_heard_while_a_log_waits_for_room(executor: SubprocessExecutor, tmp_path: Path, script: str) -> None:
    watch = start(executor, tmp_path / "attempt", script)
    watch.until_value(1.0)
    executor.stop(tmp_path / "attempt")
    end = watch.until_over().exit
    assert end is not None
    assert end.cause is Cause.STOPPED
    assert (tmp_path / "attempt/runner.log").read_bytes() == b""


def test_a_stop_is_heard_where_no_file_can_be_made(executor: SubprocessExecutor, tmp_path: Path) -> None:
    directory = tmp_path / "attempt"
    directory.mkdir()
    (directory / "stop").symlink_to("/proc/no/such/place")
    with pytest.raises(OSError):  # nobody is there to hear it: it has to be asked again
        executor.stop(directory)
    executor.start(an_attempt(directory, ENDS_WELL, grace=20.0))
    watch = Watch(executor, directory)
    watch.until_value(1.0)
    executor.stop(directory)
    end = watch.until_over().exit
    assert end is not None
    assert (end.cause, dict(end.codes)) == (Cause.STOPPED, {"algo-1": 0})


def test_a_program_starts_when_there_is_room(executor: SubprocessExecutor, tmp_path: Path) -> None:
    directory = tmp_path / "attempt"
    directory.mkdir()
    (directory / "hosts").symlink_to("/dev/full")
    executor.start(an_attempt(directory, ENDS_AT_ONCE))
    wait_for(lambda: (directory / "hosts").is_symlink() and (directory / "points").exists())
    (directory / "hosts").unlink()
    watch = Watch(executor, directory)
    end = watch.until_over().exit
    assert end is not None
    assert (end.cause, dict(end.codes), end.failure) == (Cause.EXIT, {"algo-1": 0}, "")
    assert [point.value for point in watch.points] == [1.0]


@pytest.mark.parametrize("stop", [True, False])
def test_a_program_that_never_gets_room_is_not_started(
    executor: SubprocessExecutor, tmp_path: Path, stop: bool
) -> None:
    directory = tmp_path / "attempt"
    directory.mkdir()
    (directory / "hosts").symlink_to("/dev/full")
    executor.start(an_attempt(directory, ENDS_AT_ONCE, max_runtime=99.0 if stop else 1.0))
    if stop:
        wait_for(lambda: (directory / "points").exists())
        executor.stop(directory)
    end = Watch(executor, directory).until_over().exit
    assert end is not None
    if stop:
        assert (end.cause, dict(end.codes)) == (Cause.STOPPED, {})
    else:
        assert (end.cause, dict(end.codes)) == (Cause.EXIT, {"algo-1": 1})
        assert end.failure == "the files of the program cannot be written: No space left on device"
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
