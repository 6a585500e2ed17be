# ruff: noqa: D102  (the names of the tests say what they are about)
"""What every executor must do, tried with real processes: subclass, give an `executor` fixture, inherit the tests.

class TestSubprocessExecutor(ExecutorSuite):
    @pytest.fixture
    def executor(self) -> Iterator[Executor]:
        executor = SubprocessExecutor()
        yield executor
        executor.close()
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from pegbox.executors.base import Cause, Executor, Phase
from pegbox.testing.attempts import (
    Executing,
    Watch,
    an_attempt,
    log_of,
    processes_of,
    values,
    wait_for,
)
from pegbox.testing.program_suite import ProgramSuite


class StartSuite(Executing):
    """The part of the contract that is about starting, finding again, stopping and losing."""

    def test_a_program_runs_and_its_values_are_found(self, executor: Executor, directory: Path) -> None:
        before = time.time()
        seen, points = self.run(executor, an_attempt(directory, "print('loss=0.5;'); print('loss=0.25; loss=0.125;')"))
        assert seen.phase is Phase.EXITED
        assert seen.exit is not None
        assert (seen.exit.cause, dict(seen.exit.codes), seen.exit.failure) == (Cause.EXIT, {"algo-1": 0}, "")
        assert before <= seen.exit.started <= seen.exit.ended <= time.time()
        assert seen.started == seen.exit.started
        assert values(points) == [0.5, 0.25, 0.125]
        assert all(before <= point.at <= time.time() for point in points)
        assert log_of(directory) == b"loss=0.5;\nloss=0.25; loss=0.125;\n"

    def test_points_arrive_while_the_program_runs(self, executor: Executor, directory: Path) -> None:
        executor.start(
            an_attempt(directory, "import sys; print('loss=1;'); sys.stdin.read(); import time; time.sleep(99)")
        )
        watch = Watch(executor, directory)
        seen = watch.until_value(1.0)
        assert (seen.phase, seen.exit) == (Phase.RUNNING, None)
        assert seen.started is not None
        executor.stop(directory)
        watch.until_over()

    def test_starting_again_starts_nothing(self, executor: Executor, directory: Path) -> None:
        attempt = an_attempt(directory, "import time; print('loss=1;'); time.sleep(0.3)")
        executor.start(attempt)
        executor.start(attempt)
        watch = Watch(executor, directory)
        watch.until_value(1.0)
        executor.start(attempt)
        watch.until_over()
        executor.start(attempt)
        watch.until_over()
        assert values(watch.points) == [1.0]
        assert log_of(directory) == b"loss=1;\n"

    def test_a_new_server_adopts_what_runs(self, executor: Executor, directory: Path) -> None:
        attempt = an_attempt(directory, "import time; print('loss=1;'); time.sleep(99)")
        executor.start(attempt)
        Watch(executor, directory).until_value(1.0)
        executor.close()
        successor = self.another(executor)
        try:
            successor.start(attempt)
            watch = Watch(successor, directory)
            watch.until_value(1.0)
            successor.stop(directory)
            seen = watch.until_over()
        finally:
            successor.close()
        assert seen.exit is not None
        assert seen.exit.cause is Cause.STOPPED
        assert log_of(directory).count(b"loss=1;") == 1

    def test_a_directory_without_a_process_can_still_be_started(self, executor: Executor, directory: Path) -> None:
        directory.mkdir()
        assert executor.observe(directory, 0).phase is Phase.STARTING
        seen, _ = self.run(executor, an_attempt(directory, ""))
        assert seen.phase is Phase.EXITED

    def test_a_directory_that_is_gone_is_lost(self, executor: Executor, directory: Path) -> None:
        assert executor.observe(directory, 0).phase is Phase.LOST
        executor.stop(directory)
        assert not directory.exists()

    def test_stop_lets_the_program_finish_its_work(self, executor: Executor, directory: Path) -> None:
        script = """
import os, signal, sys, time
def save(*_):
    open(os.environ["SM_MODEL_DIR"] + "/weights", "w").write("kept")
    print("loss=2;"); sys.exit(3)
signal.signal(signal.SIGTERM, save)
print("loss=1;")
time.sleep(99)
"""
        executor.start(an_attempt(directory, script))
        watch = Watch(executor, directory)
        watch.until_value(1.0)
        executor.stop(directory)
        executor.stop(directory)
        seen = watch.until_over()
        assert seen.exit is not None
        assert (seen.exit.cause, dict(seen.exit.codes)) == (Cause.STOPPED, {"algo-1": 3})
        assert values(watch.points) == [1.0, 2.0]
        assert (directory / "algo-1/ml/model/weights").read_text() == "kept"

    def test_a_stop_before_the_start_keeps_the_program_from_running(self, executor: Executor, directory: Path) -> None:
        directory.mkdir()
        executor.stop(directory)
        seen, _ = self.run(executor, an_attempt(directory, "print('loss=1;')"))
        assert seen.exit is not None
        assert (seen.exit.cause, dict(seen.exit.codes)) == (Cause.STOPPED, {})
        assert log_of(directory) == b""

    def test_a_stop_right_after_the_start_is_not_missed(self, executor: Executor, directory: Path) -> None:
        executor.start(an_attempt(directory, "import time; time.sleep(99)"))
        executor.stop(directory)
        seen = Watch(executor, directory).until_over()
        assert seen.exit is not None
        assert seen.exit.cause is Cause.STOPPED

    def test_a_killed_runner_is_lost_and_leaves_no_process(self, executor: Executor, directory: Path) -> None:
        attempt = an_attempt(directory, _LEAVE_A_GRANDCHILD + "time.sleep(99)")
        executor.start(attempt)
        watch = Watch(executor, directory)
        watch.until(lambda _: len(watch.points) == 2)
        assert len(processes_of(directory)) == 2
        os.kill(json.loads((directory / "runner.json").read_text())["pid"], signal.SIGKILL)
        seen = watch.until_over()
        assert (seen.phase, seen.exit) == (Phase.LOST, None)
        assert not [*directory.glob("*.root"), *directory.glob("reserve")]
        wait_for(lambda: not processes_of(directory))
        executor.start(attempt)
        assert watch.look().phase is Phase.LOST

    def test_a_program_has_the_usual_file_mode_mask(self, executor: Executor, directory: Path) -> None:
        previous = os.umask(0o077)
        try:
            seen, points = self.run(executor, an_attempt(directory, "import os; print(f'loss={os.umask(0)};')"))
        finally:
            os.umask(previous)
        assert seen.exit is not None
        assert values(points) == [float(0o022)]

    def test_a_lost_attempt_takes_no_namesake_with_it(self, executor: Executor, directory: Path) -> None:
        namesake = directory.with_name(directory.name + "-of-another-home")
        for place in (directory, namesake):
            executor.start(an_attempt(place, "import os, time; print('loss=1;'); time.sleep(99)", id="1-1"))
        for place in (directory, namesake):
            watch = Watch(executor, place)
            watch.until(lambda _, watch=watch: len(watch.points) == 1)  # type: ignore[misc]
        os.kill(json.loads((directory / "runner.json").read_text())["pid"], signal.SIGKILL)
        assert Watch(executor, directory).until_over().phase is Phase.LOST
        wait_for(lambda: not processes_of(directory))
        assert processes_of(namesake)
        executor.stop(namesake)
        assert Watch(executor, namesake).until_over().phase is Phase.EXITED

    @pytest.mark.parametrize("way", ["as it is", "without environment"])
    def test_no_grandchild_survives(self, executor: Executor, directory: Path, way: str) -> None:
        script = _LEAVE_A_GRANDCHILD
        if way == "without environment":  # known by its argument alone
            script = script.replace("time.sleep(99)", _SLEEP_BARE)
        seen, points = self.run(executor, an_attempt(directory, script))
        assert seen.exit is not None
        assert dict(seen.exit.codes) == {"algo-1": 0}
        assert len(points) == 2
        assert not processes_of(directory)

    def test_the_program_does_not_see_the_servers_secrets(
        self, executor: Executor, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "terrible")
        monkeypatch.setenv("PEGBOX_DATABASE", "postgresql://me:terrible@host")
        fresh = self.another(executor)
        try:
            self.run(fresh, an_attempt(directory, "import os; print(os.environ)"))
        finally:
            fresh.close()
        assert b"SM_MODEL_DIR" in log_of(directory)
        assert b"terrible" not in log_of(directory)


class ExecutorSuite(StartSuite, ProgramSuite):
    """The contract of pegbox.executors.base.Executor."""


_SLEEP_BARE = 'os.execve("/bin/sh", ["sh", "-c", "sleep 99; :", sys.argv[1]], {})'

_LEAVE_A_GRANDCHILD = """
import os, sys, time
ours, theirs = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.close(1); os.close(2)
        os.write(theirs, b"%d" % os.getpid())
        time.sleep(99)
    os._exit(0)
pid = int(os.read(ours, 99))
print(f"loss={pid};\\nloss={os.getpid()};")
sys.stdout.flush()
"""
