"""Servers that sleep past their lease on a training job: when they wake they touch nothing of it."""

from __future__ import annotations

import errno
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pegbox.domain.training import TrainingJob
from pegbox.engine.attempts import attempt_of
from pegbox.engine.context import Context, attempt_directory
from pegbox.engine.programs import Plan
from pegbox.engine.training import TrainingWork
from pegbox.executors.base import Program
from pegbox.processes import boot_id
from pegbox.store.base import Fenced
from rows import insert, script_document
from turns import Crash, Dying, run, run_until_ended


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


def late(context: Context, identity: int) -> TrainingWork:
    """The work of a server that goes to sleep now, past the end of its lease."""
    (row,) = context.store.claim("asleep", context.host, -1.0, 1, [identity])
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
        run_until_ended(replace(context, objects=Dying(context.objects, Trouble)), row.id)
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
    with pytest.raises(Crash):
        run(replace(context, executor=Dying(context.executor, Crash)), row.id)
    with context.store.reading() as tx:
        context.store.release(tx.by_id(row.id), 0)
    asleep = late(context, row.id)
    (taken,) = context.store.claim("another", context.host, 60, 1, [row.id])
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
    with pytest.raises(Crash):
        run(replace(context, executor=Dying(context.executor, Crash)), row.id)
    with context.store.reading() as tx:
        context.store.release(tx.by_id(row.id), 0)
    (taken,) = context.store.claim("me", context.host, 60, 1, [row.id])
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
