"""A server that is paused past its lease, at the worst of moments."""

from __future__ import annotations

import io
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import rows
from pegbox.domain.training import TrainingJob
from pegbox.engine.clock import elapsed
from pegbox.engine.context import Context, attempt_directory
from pegbox.engine.held import CONFIRMED_FOR
from pegbox.engine.training import TrainingWork
from pegbox.objects.files import FileStore
from pegbox.objects.locations import parse
from pegbox.store.base import Fenced
from running import wait_for

HOST = "here"


class _Holding:
    """An object store that takes no object until it is let go, and tells when one was brought."""

    def __init__(self, inner: Any, brought: Callable[[], None]) -> None:
        self._inner, self._brought = inner, brought
        self.go = threading.Event()

    def put(self, *arguments: Any) -> Any:
        self._brought()
        assert self.go.wait(20)
        return self._inner.put(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Pausing:
    """A store after whose next look something happens, once it is armed."""

    def __init__(self, inner: Any, meanwhile: Callable[[], None]) -> None:
        self._inner, self._meanwhile = inner, meanwhile
        self.armed = False

    @contextmanager
    def reading(self) -> Iterator[Any]:
        with self._inner.reading() as tx:
            yield tx
        if self.armed:
            self.armed = False
            self._meanwhile()

    def arm(self) -> None:
        self.armed = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _PausedBehindAnswers:
    """A store behind whose first answer about a lease something happens, before anybody has heard it."""

    def __init__(self, inner: Any, meanwhile: Callable[[], None]) -> None:
        self._inner, self._meanwhile = inner, [meanwhile]

    def confirm(self, resource: Any) -> None:
        self._inner.confirm(resource)
        while self._meanwhile:
            self._meanwhile.pop()()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def test_a_server_that_is_paused_between_two_looks_writes_nothing_under_the_others_lease(
    context: Context, tmp_path: Path
) -> None:
    source = (
        "import os, time\n"
        "open(os.environ['SM_CHECKPOINT_DIR'] + '/made', 'w').write('weights')\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    document = rows.script_document(tmp_path, source, CheckpointConfig={"S3Uri": f"file://{tmp_path}/checkpoints/"})
    identity = rows.insert(context, document).id
    directory = attempt_directory(str(context.settings.home), identity, 1)

    patient = replace(context, settings=replace(context.settings, checkpoint_interval=1e12))

    def begun() -> bool:
        (row,) = context.store.claim("before", HOST, 60, 1, [identity])
        context.store.release(row, TrainingWork(patient, row).run())
        log = directory / "algo-1.log"
        return log.exists() and log.read_bytes() == b"ready\n"

    wait_for("the program", begun)

    def taken_over() -> None:
        (other,) = context.store.claim("other", HOST, 60, 1, [identity])
        with context.store.transaction() as tx:
            job = replace(TrainingJob.parse(other.state), cursor=0, started=None)
            tx.save(replace(other, state=job.dump()), leased=True)

    store = _Pausing(context.store, taken_over)
    objects = _Holding(context.objects, store.arm)
    settings = replace(context.settings, checkpoint_interval=0.0)
    (row,) = context.store.claim("paused", HOST, -1.0, 1, [identity])
    work = TrainingWork(replace(context, store=store, objects=objects, settings=settings), row)  # type: ignore[arg-type]
    try:
        with pytest.raises(Fenced):
            work.run()
        present, job = rows.read(context, identity)
        assert (present.epoch, job.started) == (row.epoch + 1, None)
    finally:
        objects.go.set()
        context.executor.stop(directory)


def test_a_machine_that_slept_past_the_lease_believes_no_clock_that_slept_with_it(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = rows.insert(context, rows.script_document(tmp_path, "pass")).id
    (row,) = context.store.claim("asleep", HOST, -1.0, 1, [identity])
    work = TrainingWork(context, row, elapsed())
    asleep = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: asleep)
    context.store.claim("other", HOST, 60, 1, [identity])

    def is_fenced() -> bool:
        try:
            work._confirm()
        except Fenced:
            return True
        return False

    end = time.time() + 10 * CONFIRMED_FOR
    while not is_fenced():
        assert time.time() < end
        threading.Event().wait(0.01)


def test_a_machine_that_was_stopped_while_an_object_came_does_not_show_it(context: Context, tmp_path: Path) -> None:
    """No clock tells a virtual machine for how long it was stopped, so none is asked right before an object is seen."""
    identity = rows.insert(context, rows.script_document(tmp_path, "pass")).id
    (row,) = context.store.claim("stopped", HOST, -1.0, 1, [identity])
    work = TrainingWork(context, row, elapsed())
    location = parse(f"file://{tmp_path}/output/object")

    class Source(io.BytesIO):
        def read(self, count: int | None = -1, /) -> bytes:
            data = super().read(count)
            if not data:
                context.store.claim("other", HOST, 60, 1, [identity])
            return data

    with pytest.raises(Fenced):
        work._objects.put(row.account, location, Source(b"weights"))
    assert not (tmp_path / "output" / "object").exists()


def test_a_server_that_is_paused_while_it_hears_that_the_lease_is_its_own_asks_again(
    context: Context, tmp_path: Path
) -> None:
    """The answer was right when it was given."""
    identity = rows.insert(context, rows.script_document(tmp_path, "pass")).id
    (row,) = context.store.claim("paused", HOST, -1.0, 1, [identity])

    def pause() -> None:
        context.store.claim("other", HOST, 60, 1, [identity])
        threading.Event().wait(1.5 * CONFIRMED_FOR)

    work = TrainingWork(replace(context, store=_PausedBehindAnswers(context.store, pause)), row)  # type: ignore[arg-type]
    with pytest.raises(Fenced):
        work._confirm()


@pytest.mark.parametrize("change", ["put", "delete"])
def test_a_server_that_is_paused_before_it_changes_an_object_leaves_it_as_it_is(
    context: Context, tmp_path: Path, change: str
) -> None:
    """It waits until it may write to the index, and may sleep there."""
    identity = rows.insert(context, rows.script_document(tmp_path, "pass")).id
    (row,) = context.store.claim("paused", HOST, -1.0, 1, [identity])
    files = FileStore(tmp_path / "objects")
    files.buckets.create(row.account, "jobs", "us-east-1")
    location = parse("s3://jobs/object")
    files.put(row.account, location, io.BytesIO(b"theirs"))
    asked = threading.Event()
    store = _PausedBehindAnswers(context.store, asked.set)
    work = TrainingWork(replace(context, store=store, objects=files), row)  # type: ignore[arg-type]
    index = sqlite3.connect(tmp_path / "objects" / "index.db", isolation_level=None)
    index.execute("begin immediate")
    with ThreadPoolExecutor(1) as pool:
        source = [io.BytesIO(b"ours")] if change == "put" else []
        changing = pool.submit(getattr(work._objects, change), row.account, location, *source)
        assert asked.wait(20)
        context.store.claim("other", HOST, 60, 1, [identity])
        threading.Event().wait(1.5 * CONFIRMED_FOR)
        index.execute("commit")
        with pytest.raises(Fenced):
            changing.result()
    index.close()
    with files.open(row.account, location) as found:
        assert found.read() == b"theirs"
    files.close()
