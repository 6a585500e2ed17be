"""An engine that runs in this process, jobs for it, and trouble around it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import rows
from pegbox.domain import training
from pegbox.domain.training import Phase, TrainingJob
from pegbox.engine.context import Context
from pegbox.engine.loop import Engine
from pegbox.engine.mailbox import Mailbox
from pegbox.objects.base import ObjectStore
from pegbox.store.base import Store, Unavailable

DEADLINE = 30.0


@contextmanager
def running(context: Context, **settings: Any) -> Iterator[Engine]:
    """An engine at work; it looks more often than usual."""
    mailbox = Mailbox()
    given = {"tick": 0.05, "lease": 5.0, **settings}
    engine = Engine(replace(context, settings=replace(context.settings, **given), poke=mailbox.poke), mailbox)
    engine.start()
    yield engine
    engine.stop(5)


def insert(context: Context, tmp_path: Path, script: str = "pass", name: str = "job", **columns: Any) -> int:
    """Of a job with a channel; `job` are changes of its state."""
    program = [sys.executable, "-c", script]
    document = rows.training_document(
        tmp_path,
        name,
        AlgorithmSpecification={"TrainingImage": "any", "TrainingInputMode": "File", "ContainerEntrypoint": program},
        InputDataConfig=[rows.channel_of(tmp_path)],
    )
    job = replace(training.created(1.0), **columns.pop("job", {}))
    return rows.insert(context, document, job, name, **columns).id


def has_ended(context: Context, identity: int) -> Callable[[], bool]:
    """Whether a training job has; for `wait_for`."""
    return lambda: rows.read(context, identity)[1].phase is Phase.ENDED


def ask_to_stop(context: Context, identity: int) -> None:
    """As another server does for whoever asks it."""
    with context.store.transaction() as tx:
        row = tx.by_id(identity)
        job = training.ask_to_stop(TrainingJob.parse(row.state), training.StopReason.USER, 2.0)
        tx.save(replace(row, status=job.status, state=job.dump()))
        tx.mark_due([identity])


class SlowStore:
    """An object store whose fetches wait at a gate, and are counted."""

    def __init__(self, inner: ObjectStore) -> None:
        self._inner = inner
        self.gate = threading.Event()
        self.begun = 0

    def fetch(self, *arguments: Any) -> Any:
        self.begun += 1
        self.gate.wait(DEADLINE)
        return self._inner.fetch(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class FlappingStore:
    """A database that does not answer those who look, as often as the test says."""

    def __init__(self, inner: Store) -> None:
        self._inner, self.left = inner, 0

    def reading(self) -> Any:
        if self.left > 0:
            self.left -= 1
            raise Unavailable("cut")
        return self._inner.reading()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
