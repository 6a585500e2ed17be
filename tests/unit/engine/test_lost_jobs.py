"""Training jobs whose processes are lost, and those that are given up: what is told, kept and tried again."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pegbox.domain import training
from pegbox.domain.training import Phase, TrainingJob
from pegbox.engine.context import Context, attempt_directory
from pegbox.engine.training import TrainingWork
from pegbox.executors.directory import lock_holder, read_exit
from pegbox.store.base import Fenced
from rows import insert, script_document
from running import wait_for
from turns import forget, read, run, run_until_ended


def found_in(directory: Path) -> int:
    """Values that the runner has found."""
    points = directory / "points"
    return points.read_bytes().count(b"\n") if points.exists() else 0


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
    for row in context.store.claim("me", context.host, 60, 1, [identity]):
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


def test_a_step_that_was_left_behind_keeps_the_outputs_of_a_job_that_failed_for_a_fault_of_ours(
    context: Context, tmp_path: Path
) -> None:
    source = f"import os; open(os.environ['SM_MODEL_DIR'] + '/model', 'w').write('w' * {2 << 20})"
    row = insert(context, script_document(tmp_path, source))
    store = _Hanging(context.objects)
    quick = replace(context, objects=store, settings=replace(context.settings, tick=0.05))
    (claimed,) = context.store.claim("me", context.host, 60, 1, [row.id])
    stuck = threading.Thread(target=_until_fenced, args=(TrainingWork(quick, claimed),))
    stuck.start()
    assert store.is_reached.wait(30)
    with context.store.reading() as tx:
        context.store.release(tx.by_id(row.id), 0)
    (claimed,) = context.store.claim("another", context.host, 60, 1, [row.id])
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
