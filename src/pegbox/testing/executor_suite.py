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

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pegbox.executors.base import Attempt, Cause, Executor, Observation, Phase, Point, Program

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


class ExecutorSuite:
    """The contract of pegbox.executors.base.Executor."""

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

    # -- start and observe

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

    def test_the_offset_names_a_point_and_the_cursor_resumes(self, executor: Executor, directory: Path) -> None:
        _, points = self.run(executor, an_attempt(directory, "for i in range(9): print(f'loss={i};')"))
        again = executor.observe(directory, 0).points
        assert list(again) == points
        assert len({point.offset for point in points}) == 9
        rest = executor.observe(directory, points[4].offset)
        assert list(rest.points) == points[4:]
        assert executor.observe(directory, rest.cursor).points == ()

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

    def test_the_end_is_told_with_the_last_point(self, executor: Executor, directory: Path) -> None:
        count = 60_000
        seen, points = self.run(executor, an_attempt(directory, f"for i in range({count}): print(f'loss={{i}};')"))
        assert seen.phase is Phase.EXITED
        assert values(points) == list(range(count))
        late = Watch(executor, directory)
        late.until_over()
        assert values(late.points) == list(range(count))

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

    # -- stop and limits

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

    def test_stop_kills_what_ignores_it(self, executor: Executor, directory: Path) -> None:
        script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('loss=1;'); time.sleep(99)"
        executor.start(an_attempt(directory, script, grace=0.2))
        watch = Watch(executor, directory)
        watch.until_value(1.0)
        executor.stop(directory)
        seen = watch.until_over()
        assert seen.exit is not None
        assert (seen.exit.cause, dict(seen.exit.codes)) == (Cause.STOPPED, {"algo-1": -signal.SIGKILL})

    def test_the_children_of_a_stopped_shell_keep_their_grace(self, executor: Executor, directory: Path) -> None:
        child = directory.with_name("child.py")
        child.write_text("""
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.3), print("loss=2;"), sys.exit()))
print("loss=1;")
time.sleep(99)
""")
        script = f"{sys.executable} -S {child}; true"
        program = Program(argv=("/bin/sh", "-c", script), workdir=str(child.parent))
        executor.start(an_attempt(directory, program=program))
        watch = Watch(executor, directory)
        watch.until_value(1.0)
        executor.stop(directory)
        watch.until_over()
        assert values(watch.points) == [1.0, 2.0]

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

    def test_training_time_is_limited(self, executor: Executor, directory: Path) -> None:
        script = "import time; print('loss=1;'); time.sleep(99)"
        seen, points = self.run(executor, an_attempt(directory, script, max_runtime=0.5))
        assert seen.exit is not None
        assert seen.exit.cause is Cause.MAX_RUNTIME
        assert 0.5 <= seen.exit.ended - seen.exit.started < 10
        assert values(points) == [1.0]

    # -- ends

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

    def test_the_failure_file_tells_why(self, executor: Executor, directory: Path) -> None:
        script = (
            "import os; open(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('é' * 2000); print('x'); os._exit(5)"
        )
        seen, _ = self.run(executor, an_attempt(directory, script))
        assert seen.exit is not None
        assert (dict(seen.exit.codes), seen.exit.failure) == ({"algo-1": 5}, "é" * 1024)

    def test_without_a_failure_file_the_last_lines_tell_why(self, executor: Executor, directory: Path) -> None:
        seen, _ = self.run(executor, an_attempt(directory, "print('x' * 5000); raise RuntimeError('no more data')"))
        assert seen.exit is not None
        assert seen.exit.failure.endswith("RuntimeError: no more data")
        assert seen.exit.failure.startswith("Traceback")

    @pytest.mark.parametrize(
        ("program", "code", "reason"),
        [
            (Program(argv=("no-such-program-at-all",)), 127, "No such file"),
            (Program(argv=("/etc/passwd",)), 126, "Permission denied"),
            (Program(argv=("/bin/true",), workdir="/no/such/place"), 126, "No such file"),
            (Program(), 127, "no program"),
        ],
    )
    def test_a_program_that_cannot_run_is_the_clients_error(
        self, executor: Executor, directory: Path, program: Program, code: int, reason: str
    ) -> None:
        seen, _ = self.run(executor, an_attempt(directory, program=program))
        assert seen.exit is not None
        assert dict(seen.exit.codes) == {"algo-1": code}
        assert seen.exit.failure.startswith("ClientError: ")
        assert reason in seen.exit.failure
        assert "Traceback" not in seen.exit.failure

    # -- several instances

    def test_two_instances_meet_by_address(self, executor: Executor, directory: Path) -> None:
        seen, points = self.run(executor, an_attempt(directory, _MEET_BY_ADDRESS, instance_count=2))
        assert seen.exit is not None
        assert dict(seen.exit.codes) == {"algo-1": 0, "algo-2": 0}, log_of(directory, "algo-2")
        assert [(point.host, point.value) for point in points] == [("algo-1", 2.0)]

    def test_two_instances_meet_by_name(self, executor: Executor, directory: Path) -> None:
        script = _MEET_BY_ADDRESS.replace("addresses['algo-1']", "'algo-1'")
        seen, points = self.run(executor, an_attempt(directory, script, instance_count=2))
        if notes := json.loads((directory / "runner.json").read_text())["notes"]:
            pytest.skip(f"names need a private mount namespace: {notes}")
        assert seen.exit is not None
        assert dict(seen.exit.codes) == {"algo-1": 0, "algo-2": 0}, log_of(directory, "algo-2")
        assert values(points) == [2.0]

    def test_one_failing_instance_ends_the_others(self, executor: Executor, directory: Path) -> None:
        script = """
import os, sys, time
if os.environ["SM_CURRENT_HOST"] == "algo-2":
    sys.exit("no disk")
time.sleep(99)
"""
        seen, _ = self.run(executor, an_attempt(directory, script, instance_count=3))
        assert seen.exit is not None
        assert seen.exit.cause is Cause.EXIT
        assert dict(seen.exit.codes) == {"algo-2": 1, "algo-1": -signal.SIGTERM, "algo-3": -signal.SIGTERM}
        assert next(iter(seen.exit.codes)) == "algo-2"
        assert seen.exit.failure == "no disk"

    # -- what the program finds

    def test_the_program_finds_its_job(self, executor: Executor, directory: Path) -> None:
        staged = directory / "algo-1/ml/input/data/train/data.csv"
        staged.parent.mkdir(parents=True)
        staged.write_text("1,2")
        script = """
import json, os
e = os.environ
config = lambda name: json.load(open(e["SM_INPUT_CONFIG_DIR"] + f"/{name}.json"))
print(json.dumps({
    "hyperparameters": config("hyperparameters"), "channels": config("inputdataconfig"),
    "hosts": config("resourceconfig")["hosts"], "data": open(e["SM_CHANNEL_TRAIN"] + "/data.csv").read(),
    "directories": [os.path.isdir(e[f"SM_{name}_DIR"]) for name in ("MODEL", "OUTPUT_DATA", "CHECKPOINT")],
    "environment": dict(e),
}))
"""
        self.run(
            executor,
            an_attempt(
                directory,
                script,
                hyperparameters={"eta": "0.1", "objective": '"binary"', "sagemaker_region": "x", "a=b": "1"},
                environment={"MINE": "1", "AWS_REGION": "mars", "big": "x" * 200_000},
                channels={"train": {"ContentType": "text/csv", "TrainingInputMode": "File"}},
                checkpoint_path="/opt/ml/checkpoints/mine",
            ),
        )
        found = json.loads(log_of(directory))
        environment = found["environment"]
        assert found["hyperparameters"]["eta"] == "0.1"
        assert found["channels"] == {"train": {"ContentType": "text/csv", "TrainingInputMode": "File"}}
        assert (found["hosts"], found["data"], found["directories"]) == (["algo-1"], "1,2", [True, True, True])
        assert environment["SM_CHECKPOINT_DIR"].endswith("/algo-1/ml/checkpoints/mine")
        assert (environment["MINE"], environment["AWS_REGION"]) == ("1", "mars")
        assert (environment["SM_HP_ETA"], environment["SM_HP_OBJECTIVE"]) == ("0.1", "binary")
        assert json.loads(environment["SM_HPS"]) == {"eta": 0.1, "objective": "binary", "a=b": 1}
        assert json.loads(environment["SM_USER_ARGS"]) == ["--a=b", "1", "--eta", "0.1", "--objective", "binary"]
        assert json.loads(environment["SM_TRAINING_ENV"])["hyperparameters"]["eta"] == 0.1

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

    # -- the log and its metrics

    def test_every_kind_of_line_is_read(self, executor: Executor, directory: Path) -> None:
        script = r"""
import sys, time
out = sys.stdout.buffer
out.write(b"10%\rloss=1;\r\nlo"); out.flush(); time.sleep(0.05)
out.write(b"ss=2;\n\xff\xfe\x00loss=3;\xc3\n"); out.flush()
sys.stderr.write("loss=4;\n"); sys.stderr.flush()
out.write(b"y" * 70000 + b"loss=5;\n" + b"loss=nan; loss=1_0; loss= 6 ;" + b"x" * 70000 + b"\nloss=7;"); out.flush()
"""
        _, points = self.run(executor, an_attempt(directory, script))
        assert values(points) == [1, 2, 3, 4, 6, 7]
        assert log_of(directory).startswith(b"10%\rloss=1;\r\nloss=2;\n\xff\xfe\x00loss=3;\xc3\n")

    def test_an_expression_without_end_hurts_only_its_own_metric(self, executor: Executor, directory: Path) -> None:
        script = "print('loss=1; ok=1'); print('a' * 60 + '!'); print('loss=2; ok=2')"
        metrics = [{"Name": "evil", "Regex": r"(?=a)(a+)+$"}, LOSS, {"Name": "ok", "Regex": r"(?<=ok=)(\d)"}]
        seen, points = self.run(executor, an_attempt(directory, script, metrics=metrics))
        assert seen.phase is Phase.EXITED
        assert values(points) == [1.0, 2.0]
        assert values(points, "ok") == [1.0, 2.0]
        assert b"warning: metric 'evil' is disabled" in log_of(directory)


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

_MEET_BY_ADDRESS = """
import json, os, socket, time
addresses = json.loads(os.environ["PEGBOX_HOST_ADDRESSES"])
here = os.environ["SM_CURRENT_HOST"]
assert len(set(addresses.values())) == 2
if here == "algo-1":
    with socket.create_server((addresses['algo-1'], 7000)) as server:
        peer, _ = server.accept()
        print(f"loss={peer.recv(9).decode()};")
else:
    for _ in range(1000):
        try:
            with socket.create_connection((addresses['algo-1'], 7000), source_address=(addresses[here], 0)) as peer:
                peer.sendall(b"2")
            break
        except OSError:
            time.sleep(0.01)
    else:
        raise SystemExit("nobody there")
"""
