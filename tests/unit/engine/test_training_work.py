"""Steps of a training job done again after a crash, with a real store and real processes."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import sys
import tarfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import rows
from pegbox.domain import training
from pegbox.domain.training import Phase, TrainingJob
from pegbox.engine.attempts import attempt_of
from pegbox.engine.context import Context, attempt_directory
from pegbox.engine.programs import Plan
from pegbox.engine.training import TrainingWork
from pegbox.executors.base import Program
from pegbox.executors.directory import lock_holder, read_exit
from pegbox.processes import boot_id
from pegbox.store.base import Fenced
from rows import insert, script_document
from running import wait_for

HOST = "here"


def run(context: Context, identity: int) -> TrainingJob:
    """One turn of the engine; the job as it is then."""
    (row,) = context.store.claim("me", HOST, 60, 1, [identity])
    due_in = TrainingWork(context, row).run()
    context.store.release(row, due_in)
    return read(context, identity)


def read(context: Context, identity: int) -> TrainingJob:
    return rows.read(context, identity)[1]


def run_until_ended(context: Context, identity: int) -> TrainingJob:
    return wait_for("the end", lambda: job if (job := run(context, identity)).phase is Phase.ENDED else None)


def found_in(directory: Path) -> int:
    """Values that the runner has found."""
    points = directory / "points"
    return points.read_bytes().count(b"\n") if points.exists() else 0


def forget(context: Context, identity: int, **changes: Any) -> None:
    """What a crash does: the process had gone on, the database had not."""
    with context.store.transaction() as tx:
        row = tx.by_id(identity)
        tx.save(replace(row, state=replace(TrainingJob.parse(row.state), **changes).dump()))


def test_a_program_that_was_started_just_before_a_crash_is_not_started_again(context: Context, tmp_path: Path) -> None:
    gate, starts = tmp_path / "gate", tmp_path / "starts"
    source = (
        "import pathlib, time\n"
        f"open({str(starts)!r}, 'a').write('x')\n"
        "pathlib.Path('mine').write_text('kept')\n"
        f"while not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)\n"
        "print(pathlib.Path('mine').read_text())\n"
    )
    row = insert(context, script_document(tmp_path, source))
    assert run(context, row.id).phase is Phase.RUNNING
    wait_for("the start", starts.exists)
    forget(context, row.id, started=None, cursor=0)
    assert run(context, row.id).phase is Phase.RUNNING
    gate.touch()
    job = run_until_ended(context, row.id)
    assert (job.status, job.failure) == ("Completed", None)
    assert starts.read_text() == "x"
    directory = attempt_directory(str(context.settings.home), row.id, 1)
    assert (directory / "algo-1.log").read_bytes() == b"kept\n"


def test_nothing_starts_before_it_is_written_down(context: Context, tmp_path: Path) -> None:
    row = insert(context, script_document(tmp_path, "pass"))
    with pytest.raises(_Crash):
        run(replace(context, executor=_Dying(context.executor, _Crash)), row.id)
    job = read(context, row.id)
    assert (job.phase, job.secondary) == (Phase.RUNNING, "Training")
    with context.store.reading() as tx:
        context.store.release(tx.by_id(row.id), 0)
    assert run_until_ended(context, row.id).status == "Completed"


@pytest.mark.parametrize(("size", "phase"), [(7, Phase.RUNNING), (2 << 20, Phase.PACKING)], ids=["small", "large"])
def test_outputs_are_stored_again_when_the_server_died_over_them(
    context: Context, tmp_path: Path, size: int, phase: Phase
) -> None:
    source = f"import os; open(os.environ['SM_MODEL_DIR'] + '/model', 'w').write('w' * {size})"
    row = insert(context, script_document(tmp_path, source))
    kept = context.settings.home.with_name("kept")
    context_that_dies = replace(context, objects=_Dying(context.objects, _Crash))
    with pytest.raises(_Crash):
        run_until_ended(context_that_dies, row.id)
    assert read(context, row.id).phase is phase
    with context.store.reading() as tx:
        context.store.release(tx.by_id(row.id), 0)
    job = run_until_ended(context, row.id)
    assert job.status == "Completed"
    with tarfile.open(tmp_path / "output" / "job" / "output" / "model.tar.gz") as archive:
        archive.extractall(kept, filter="data")
    assert (kept / "model").read_text() == "w" * size


def late(context: Context, identity: int) -> TrainingWork:
    """The work of a server that goes to sleep now, past the end of its lease."""
    (row,) = context.store.claim("asleep", HOST, -1.0, 1, [identity])
    return TrainingWork(context, row)


def tree_of(folder: Path) -> dict[str, tuple[int, int]]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def test_a_server_that_slept_over_the_outputs_stores_nothing(context: Context, tmp_path: Path) -> None:
    source = (
        "import os\n"
        "for name in ('SM_MODEL_DIR', 'SM_OUTPUT_DATA_DIR', 'SM_CHECKPOINT_DIR'):\n"
        "    open(os.environ[name] + '/made', 'w').write('weights')\n"
    )
    document = script_document(tmp_path, source) | {"CheckpointConfig": {"S3Uri": f"file://{tmp_path}/checkpoints/"}}
    row = insert(context, document)

    class Trouble(Exception):
        """With the object store."""

    with pytest.raises(Trouble):
        run_until_ended(replace(context, objects=_Dying(context.objects, Trouble)), row.id)
    with context.store.reading() as tx:
        context.store.release(tx.by_id(row.id), 0)
    asleep = late(context, row.id)
    assert run_until_ended(context, row.id).status == "Completed"
    stored = tree_of(tmp_path / "output") | tree_of(tmp_path / "checkpoints")
    assert [Path(name).name for name in stored] == ["model.tar.gz", "output.tar.gz", "made"]
    with pytest.raises(Fenced):
        asleep.run()
    assert tree_of(tmp_path / "output") | tree_of(tmp_path / "checkpoints") == stored


def test_a_server_that_slept_over_the_inputs_leaves_a_running_program_alone(context: Context, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    source = (
        "import pathlib, time\n"
        "pathlib.Path('train.py').write_text('mine')\n"
        f"while not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)\n"
        "print(pathlib.Path('train.py').read_text())\n"
    )
    row = insert(context, script_document(tmp_path, source))
    sleeper = _Sleeping(context.objects)
    asleep = late(replace(context, objects=sleeper), row.id)
    directory = attempt_directory(str(context.settings.home), row.id, 1)

    def meanwhile() -> None:
        while not (directory / "runner.json").exists():
            run(context, row.id)

    sleeper.meanwhile = meanwhile
    with pytest.raises(Fenced):
        asleep.run()
    gate.touch()
    assert run_until_ended(context, row.id).status == "Completed"
    assert (directory / "algo-1.log").read_bytes() == b"mine\n"
    assert not list(directory.glob("staging.*"))


def test_a_server_that_wakes_to_a_full_disk_leaves_a_running_program_alone(context: Context, tmp_path: Path) -> None:
    row = insert(context, script_document(tmp_path, "import time; time.sleep(60)"))
    sleeper = _Sleeping(context.objects)
    asleep = late(replace(context, objects=sleeper), row.id)
    directory = attempt_directory(str(context.settings.home), row.id, 1)

    def meanwhile() -> None:
        while not (directory / "runner.json").exists():
            run(context, row.id)
        raise OSError(errno.ENOSPC, "No space left on device")

    sleeper.meanwhile = meanwhile
    with pytest.raises(OSError, match="No space left"):
        asleep.run()
    assert (directory / "algo-1" / "ml" / "code" / "train.py").exists()
    assert not list(directory.glob("staging.*"))
    context.executor.stop(directory)


def test_a_server_that_slept_before_the_start_starts_nothing(context: Context, tmp_path: Path) -> None:
    row = insert(context, script_document(tmp_path, "pass"))
    with pytest.raises(_Crash):
        run(replace(context, executor=_Dying(context.executor, _Crash)), row.id)
    with context.store.reading() as tx:
        context.store.release(tx.by_id(row.id), 0)
    asleep = late(context, row.id)
    (taken,) = context.store.claim("another", HOST, 60, 1, [row.id])
    with pytest.raises(Fenced):
        asleep.run()
    directory = attempt_directory(str(context.settings.home), row.id, 1)
    assert [path.name for path in directory.iterdir()] == ["algo-1"]
    context.store.release(taken, 0)
    assert run_until_ended(context, row.id).status == "Completed"


def test_a_start_that_comes_after_the_attempt_was_given_up_starts_nothing(context: Context, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    document = script_document(tmp_path, "pass") | {"RetryStrategy": {"MaximumRetryAttempts": 1}}
    row = insert(context, document)
    with pytest.raises(_Crash):
        run(replace(context, executor=_Dying(context.executor, _Crash)), row.id)
    with context.store.reading() as tx:
        context.store.release(tx.by_id(row.id), 0)
    (taken,) = context.store.claim("me", HOST, 60, 1, [row.id])
    job, directory = TrainingJob.parse(taken.state), attempt_directory(str(context.settings.home), row.id, 1)
    program = Program(argv=("touch", str(starts)))
    attempt = attempt_of(taken, job, Plan(program=program, source=None), directory, context.settings)
    context.store.release(taken, 0)
    gone = {"pid": 1 << 22, "start_time": 1, "boot_id": boot_id()}  # of a runner that died before it had the lock
    (directory / "spawn.json").write_text(json.dumps(gone))
    assert run_until_ended(context, row.id).attempt == 2
    context.executor.start(attempt)
    deadline = time.monotonic() + 30
    while not (directory / "exit.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not starts.exists()


class _Crash(BaseException):
    """Stands for kill -9."""


class _Sleeping:
    """An object store whose first opening takes so long that other things happen meanwhile."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.meanwhile: Any = None

    def open(self, *arguments: Any) -> Any:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
        return self._inner.open(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def test_what_a_dead_server_could_not_remove_is_removed_by_the_next(context: Context, tmp_path: Path) -> None:
    row = insert(context, script_document(tmp_path, "pass"))
    assert run_until_ended(context, row.id).status == "Completed"
    directory = attempt_directory(str(context.settings.home), row.id, 1)
    (directory / "algo-1" / "ml" / "model").mkdir(parents=True)
    (directory / ".spawn.json.12").touch()
    with context.store.transaction() as tx:
        tx.mark_due([row.id])  # as it is when the lease of the one that died runs out
    run(context, row.id)
    assert not (directory / "algo-1" / "ml").exists()
    assert not (directory / ".spawn.json.12").exists()
    assert (directory / "algo-1.log").exists()


class _Dying:
    """A server that dies when it is about to store an object or to start an attempt."""

    def __init__(self, inner: Any, death: type[BaseException]) -> None:
        self._inner, self._death = inner, death

    def put(self, *_: object) -> str:
        raise self._death

    def start(self, *_: object) -> None:
        raise self._death

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.mark.parametrize(("attempts", "status", "starts"), [(0, "Failed", 1), (1, "Failed", 2)])
def test_a_lost_runner_is_replaced_as_often_as_the_request_allows(
    context: Context, tmp_path: Path, attempts: int, status: str, starts: int
) -> None:
    mark = tmp_path / "starts"
    source = f"import os; open({str(mark)!r}, 'a').write('x'); os.kill(os.getppid(), 9); import time; time.sleep(60)"
    document = script_document(tmp_path, source)
    if attempts:
        document["RetryStrategy"] = {"MaximumRetryAttempts": attempts}
    row = insert(context, document)
    job = run_until_ended(context, row.id)
    assert (job.status, job.outcome) == (status, training.Outcome.RETRYABLE)
    assert job.failure is not None
    assert job.failure.startswith("InternalServerError")
    assert mark.read_text() == "x" * starts
    assert ["Restarting" in entry["Status"] for entry in job.transitions].count(True) == attempts


@pytest.mark.parametrize("attempts", [0, 1], ids=["fails", "is tried again"])
def test_a_stop_that_nobody_asked_for_completes_nothing(context: Context, tmp_path: Path, attempts: int) -> None:
    """As from a server that had given the job up and could not write that down."""
    ready = tmp_path / "ready"
    source = (
        "import pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        f"again = pathlib.Path({str(ready)!r}).exists()\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "time.sleep(0 if again else 60)\n"
    )
    document = script_document(tmp_path, source)
    if attempts:
        document["RetryStrategy"] = {"MaximumRetryAttempts": attempts}
    row = insert(context, document)
    run(context, row.id)
    wait_for("the start", ready.exists)
    context.executor.stop(attempt_directory(str(context.settings.home), row.id, 1))
    job = run_until_ended(context, row.id)
    assert (job.status, job.attempt) == (("Completed", 2) if attempts else ("Failed", 1))
    assert attempts or (job.failure or "").startswith(
        "InternalServerError: the processes of the training job were lost"
    )


@pytest.mark.parametrize("attempts", [0, 1], ids=["fails", "is tried again"])
@pytest.mark.parametrize("printed", [3, 60_000], ids=["few", "more than a page"])
def test_what_a_runner_found_before_it_was_lost_is_kept(
    context: Context, tmp_path: Path, printed: int, attempts: int
) -> None:
    source = f"import time\nfor step in range({printed}): print('loss=%d;' % step)\ntime.sleep(60)"
    document = script_document(tmp_path, source)
    document["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "loss", "Regex": r"loss=(\S+);"}]
    if attempts:
        document["RetryStrategy"] = {"MaximumRetryAttempts": attempts}
    row = insert(context, document)
    directory = attempt_directory(str(context.settings.home), row.id, 1)
    assert run(context, row.id).phase is Phase.RUNNING
    wait_for("all values", lambda: found_in(directory) >= printed)
    runner = lock_holder(directory)
    assert runner is not None
    os.kill(runner, signal.SIGKILL)
    wait_for("the runner's end", lambda: lock_holder(directory) is None)
    job = run(context, row.id)
    while job.phase is not Phase.ENDED and job.attempt == 1:
        job = run(context, row.id)
    with context.store.reading() as tx:
        assert [value for *_, value in tx.curve(row.id, "loss")] == list(range(printed))
    if attempts:
        context.executor.stop(attempt_directory(str(context.settings.home), row.id, 2))


def give_up(context: Context, identity: int) -> TrainingJob:
    """Once; the job as it is then."""
    for row in context.store.claim("me", HOST, 60, 1, [identity]):
        TrainingWork(context, row).give_up("InternalServerError: it goes on.")
        context.store.release(row, 0.0)
    return read(context, identity)


def test_a_job_that_is_given_up_has_its_slot_until_its_program_is_gone(context: Context, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    source = (
        "import pathlib, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "time.sleep(60)\n"
    )
    row = insert(context, script_document(tmp_path, source))
    run(context, row.id)
    wait_for("the start", ready.exists)
    forget(context, row.id, broken=True, failure="InternalServerError: a fault of ours.")
    directory = attempt_directory(str(context.settings.home), row.id, 1)
    assert give_up(context, row.id).phase is Phase.RUNNING
    while (job := give_up(context, row.id)).phase is not Phase.ENDED:
        time.sleep(0.02)
    assert read_exit(directory) is not None
    assert job.failure == "InternalServerError: it goes on."


@pytest.mark.parametrize("printed", [3, 60_000], ids=["few", "more than a page"])
def test_a_job_that_is_given_up_keeps_what_was_measured(context: Context, tmp_path: Path, printed: int) -> None:
    source = f"import time\nfor step in range({printed}): print('loss=%d;' % step)\ntime.sleep(60)"
    document = script_document(tmp_path, source)
    document["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "loss", "Regex": r"loss=(\S+);"}]
    row = insert(context, document)
    assert run(context, row.id).phase is Phase.RUNNING
    directory = attempt_directory(str(context.settings.home), row.id, 1)
    wait_for("all values", lambda: found_in(directory) >= printed)
    forget(context, row.id, cursor=0, latest=None, broken=True, failure="InternalServerError: a fault of ours.")
    job = give_up(context, row.id)
    wait_for("the runner's end", lambda: lock_holder(directory) is None)
    job = give_up(context, row.id)
    assert (job.phase, job.failure) == (Phase.ENDED, "InternalServerError: it goes on.")
    assert (job.latest or {})["loss"][0] == printed - 1
    with context.store.reading() as tx:
        assert [value for *_, value in tx.curve(row.id, "loss")] == list(range(printed))


def test_of_very_many_metric_values_some_are_kept_and_the_last_is_known(context: Context, tmp_path: Path) -> None:
    context = replace(context, settings=replace(context.settings, metric_points=1000))
    document = script_document(tmp_path, "for step in range(20_000): print('loss=%d;' % (step % 900))")
    document["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "loss", "Regex": r"loss=(\S+);"}]
    row = insert(context, document)
    job = run(context, row.id)
    while job.phase is not Phase.ENDED:
        job = run(context, row.id)
    assert (job.status, (job.latest or {})["loss"][0]) == ("Completed", 19_999 % 900)
    with context.store.reading() as tx:
        kept = [value for *_, value in tx.curve(row.id, "loss")]
    assert 400 < len(kept) <= 1000
    assert {0.0, 899.0} <= set(kept)


def test_a_step_that_was_left_behind_keeps_the_outputs_of_a_job_that_failed_for_a_fault_of_ours(
    context: Context, tmp_path: Path
) -> None:
    source = f"import os; open(os.environ['SM_MODEL_DIR'] + '/model', 'w').write('w' * {2 << 20})"
    row = insert(context, script_document(tmp_path, source))
    store = _Hanging(context.objects)
    quick = replace(context, objects=store, settings=replace(context.settings, tick=0.05))
    (claimed,) = context.store.claim("me", HOST, 60, 1, [row.id])
    stuck = threading.Thread(target=_until_fenced, args=(TrainingWork(quick, claimed),))
    stuck.start()
    assert store.is_reached.wait(30)
    with context.store.reading() as tx:
        context.store.release(tx.by_id(row.id), 0)
    (claimed,) = context.store.claim("another", HOST, 60, 1, [row.id])
    TrainingWork(context, claimed).give_up("InternalServerError: a fault of ours.")
    assert "The outputs are still in" in str(read(context, row.id).failure)
    stuck.join(30)
    store.may_go_on.set()
    for thread in threading.enumerate():
        if thread.name == "apart":
            thread.join(30)
    directory = attempt_directory(str(context.settings.home), row.id, 1)
    assert (directory / "algo-1" / "ml" / "model" / "model").exists()


def _until_fenced(work: TrainingWork) -> None:
    with contextlib.suppress(Fenced):
        while work.run() is not None:
            time.sleep(0.02)


class _Hanging:
    """An object store that takes an object only when it may."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.is_reached, self.may_go_on = threading.Event(), threading.Event()

    def put(self, *arguments: Any) -> Any:
        self.is_reached.set()
        self.may_go_on.wait(60)
        return self._inner.put(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def test_python_is_the_servers_own(context: Context, tmp_path: Path) -> None:
    row = insert(context, script_document(tmp_path, "import sys; print(sys.executable)"))
    assert run_until_ended(context, row.id).status == "Completed"
    directory = attempt_directory(str(context.settings.home), row.id, 1)
    assert (directory / "algo-1.log").read_text().strip() == sys.executable


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import os; os.kill(os.getpid(), 9)", "AlgorithmError: ended by signal SIGKILL, exit code: 137"),
        ("import os; os._exit(3)", "AlgorithmError: the program said nothing, exit code: 3"),
        ("import sys; sys.exit('no such thing')", "AlgorithmError: no such thing, exit code: 1"),
    ],
)
def test_a_failure_says_what_the_program_said(context: Context, tmp_path: Path, source: str, reason: str) -> None:
    row = insert(context, script_document(tmp_path, source))
    assert run_until_ended(context, row.id).failure == reason


def test_a_long_failure_fits_the_api(context: Context, tmp_path: Path) -> None:
    source = "import os, sys; open(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('x' * 5000); sys.exit(2)"
    row = insert(context, script_document(tmp_path, source))
    failure = run_until_ended(context, row.id).failure
    assert failure is not None
    assert len(failure) == 1024
    assert failure.endswith("xx, exit code: 2")


def test_links_inside_the_model_are_kept_and_others_left_out(context: Context, tmp_path: Path) -> None:
    source = (
        "import os\n"
        "os.chdir(os.environ['SM_MODEL_DIR'])\n"
        "os.makedirs('deep/er')\n"
        "open('step-1', 'w').write('weights')\n"
        "os.symlink('step-1', 'latest')\n"
        "os.symlink('../../step-1', 'deep/er/latest')\n"
        "os.symlink('deep', 'folder')\n"
        "os.symlink('/etc/passwd', 'absolute')\n"
        "os.symlink('../../../x', 'outside')\n"
        "os.symlink('..', 'parent')\n"
        "os.mkfifo('pipe')\n"
    )
    row = insert(context, script_document(tmp_path, source))
    assert run_until_ended(context, row.id).status == "Completed"
    with tarfile.open(tmp_path / "output" / "job" / "output" / "model.tar.gz") as archive:
        found = {member.name: member.linkname for member in archive}
        archive.extractall(tmp_path / "kept", filter="data")
    assert found == {"step-1": "", "latest": "step-1", "deep/er/latest": "../../step-1", "folder": "deep"}
    assert (tmp_path / "kept" / "deep" / "er" / "latest").read_text() == "weights"
