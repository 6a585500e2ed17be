# ruff: noqa: D102  (the names of the tests say what they are about)
"""What a runner does for every program, however it was started: what the program finds, what is read, how it ends."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

from pegbox.executors.base import Cause, Executor, Phase, Program
from pegbox.testing.attempts import (
    LOSS,
    Executing,
    Watch,
    an_attempt,
    log_of,
    values,
)


class ProgramSuite(Executing):
    """The part of the executors' contract that is about programs."""

    def test_the_offset_names_a_point_and_the_cursor_resumes(self, executor: Executor, directory: Path) -> None:
        _, points = self.run(executor, an_attempt(directory, "for i in range(9): print(f'loss={i};')"))
        again = executor.observe(directory, 0).points
        assert list(again) == points
        assert len({point.offset for point in points}) == 9
        rest = executor.observe(directory, points[4].offset)
        assert list(rest.points) == points[4:]
        assert executor.observe(directory, rest.cursor).points == ()

    def test_the_end_is_told_with_the_last_point(self, executor: Executor, directory: Path) -> None:
        count = 60_000
        seen, points = self.run(executor, an_attempt(directory, f"for i in range({count}): print(f'loss={{i}};')"))
        assert seen.phase is Phase.EXITED
        assert values(points) == list(range(count))
        late = Watch(executor, directory)
        late.until_over()
        assert values(late.points) == list(range(count))

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

    def test_training_time_is_limited(self, executor: Executor, directory: Path) -> None:
        script = "import time; print('loss=1;'); time.sleep(99)"
        seen, points = self.run(executor, an_attempt(directory, script, max_runtime=0.5))
        assert seen.exit is not None
        assert seen.exit.cause is Cause.MAX_RUNTIME
        assert 0.5 <= seen.exit.ended - seen.exit.started < 10
        assert values(points) == [1.0]

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
