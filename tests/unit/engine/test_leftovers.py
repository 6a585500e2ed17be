"""Directories that another job has left which had the number: an older database was put back, or the power was cut."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import rows
from pegbox.domain import training
from pegbox.domain.training import Phase, TrainingJob
from pegbox.engine.context import Context, attempt_directory
from pegbox.engine.training import TrainingWork
from pegbox.executors.base import NotNow
from pegbox.store.resources import Resource
from pegbox.store.sql import SqlStore
from rows import channel_of, insert, training_document
from running import wait_for

HOST = "here"
METRICS = [{"Name": "loss", "Regex": "loss=([0-9.]+)"}]


@pytest.fixture
def later(context: Context, tmp_path: Path) -> Iterator[Context]:
    """The same home with a database that knows nothing of what was done before."""
    store = SqlStore(f"sqlite:///{tmp_path / 'older.db'}")
    yield replace(context, store=store, find_image=store.images.find)
    store.close()


def run(context: Context, identity: int) -> TrainingJob:
    """One turn of the engine; the job as it is then."""
    (row,) = context.store.claim("me", HOST, 60, 1, [identity])
    try:
        due_in = TrainingWork(context, row).run()
    except NotNow:
        due_in = 0.0
    context.store.release(row, due_in)
    return rows.read(context, identity)[1]


def run_until_ended(context: Context, identity: int) -> TrainingJob:
    return wait_for("the end", lambda: job if (job := run(context, identity)).phase is Phase.ENDED else None)


def a_job(context: Context, folder: Path, source: str, created: float = 1.0, **more: Any) -> Resource:
    specification = {
        "TrainingImage": "any",
        "TrainingInputMode": "File",
        "ContainerEntrypoint": [sys.executable, "-c", source],
        "MetricDefinitions": METRICS,
    }
    document = training_document(folder, AlgorithmSpecification=specification, **more)
    return insert(context, document, training.created(created), created_at=created)


def directory_of(context: Context, row: Resource) -> Path:
    return attempt_directory(str(context.settings.home), row.id, 1)


@pytest.mark.parametrize("brings", [False, True], ids=["nothing to bring", "inputs"])
def test_a_job_runs_though_another_one_had_its_number(
    context: Context, later: Context, tmp_path: Path, brings: bool
) -> None:
    more = {"InputDataConfig": [channel_of(tmp_path)]} if brings else {}
    old = a_job(context, tmp_path, "print('loss=1')", **more)
    assert run_until_ended(context, old.id).status == "Completed"
    (directory_of(context, old) / "algo-1" / "ml" / "input" / "data" / "train").mkdir(parents=True)
    new = a_job(later, tmp_path, "print('loss=2')", created=2.0, **more)
    assert new.id == old.id
    job = run_until_ended(later, new.id)
    assert (job.status, (job.latest or {})["loss"][0]) == ("Completed", 2.0)
    assert (directory_of(later, new) / "algo-1.log").read_bytes() == b"loss=2\n"
    aside = later.settings.home / "lost+found" / "attempts" / str(old.id) / "1"
    assert (aside / "algo-1.log").read_bytes() == b"loss=1\n"


def test_a_job_waits_for_the_processes_of_another_one_in_its_place(
    context: Context, later: Context, tmp_path: Path
) -> None:
    stopped = tmp_path / "stopped"
    source = (
        "import pathlib, signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(stopped)!r}).touch(), sys.exit(0)))\n"
        "print('loss=1', flush=True)\n"
        "time.sleep(60)\n"
    )
    old = a_job(context, tmp_path, source)
    wait_for("the start", lambda: (run(context, old.id).latest or {}).get("loss"))
    new = a_job(later, tmp_path, f"import os; print('loss=%d' % (1 + os.path.exists({str(stopped)!r})))", created=2.0)
    job = run_until_ended(later, new.id)
    assert (job.status, (job.latest or {})["loss"][0]) == ("Completed", 2.0)


def test_what_another_job_had_brought_is_not_trained_with(context: Context, tmp_path: Path) -> None:
    source = "import os; print(f\"loss={len(os.listdir('/'.join([os.environ['SM_INPUT_DIR'], 'data', 'train'])))}\")"
    row = a_job(context, tmp_path, source, InputDataConfig=[channel_of(tmp_path)])
    folder = directory_of(context, row) / "algo-1" / "ml" / "input" / "data" / "train"
    folder.mkdir(parents=True)
    (folder / "other-1").touch()
    (folder / "other-2").touch()
    job = run_until_ended(context, row.id)
    assert (job.status, (job.latest or {})["loss"][0]) == ("Completed", 1.0)


def test_what_is_left_without_a_readable_record_is_moved_aside(context: Context, tmp_path: Path) -> None:
    row = a_job(context, tmp_path, "print('loss=2')")
    directory = directory_of(context, row)
    directory.mkdir(parents=True)
    (directory / "attempt.json").touch()  # as a power cut leaves it
    (directory / "algo-1.log").write_bytes(b"loss=1\n")
    assert run_until_ended(context, row.id).status == "Completed"
    assert (directory / "algo-1.log").read_bytes() == b"loss=2\n"
    aside = context.settings.home / "lost+found" / "attempts" / str(row.id) / "1"
    assert (aside / "algo-1.log").read_bytes() == b"loss=1\n"


def test_a_job_takes_up_its_own_attempt_though_its_beginning_was_forgotten(context: Context, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    row = a_job(context, tmp_path, f"open({str(starts)!r}, 'a').write('x')")
    run(context, row.id)
    with context.store.transaction() as tx:
        tx.save(replace(tx.by_id(row.id), state=training.created(1.0).dump()))
    assert run_until_ended(context, row.id).status == "Completed"
    assert starts.read_text() == "x"
