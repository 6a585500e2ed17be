"""Turns of the engine on a training job, one by one, and servers that die in them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import rows
from pegbox.domain.training import Phase, TrainingJob
from pegbox.engine.context import Context
from pegbox.engine.training import TrainingWork
from running import wait_for


def run(context: Context, identity: int) -> TrainingJob:
    """One turn of the engine; the job as it is then."""
    (row,) = context.store.claim("me", context.host, 60, 1, [identity])
    due_in = TrainingWork(context, row).run()
    context.store.release(row, due_in)
    return read(context, identity)


def read(context: Context, identity: int) -> TrainingJob:
    """The job as it is now."""
    return rows.read(context, identity)[1]


def run_until_ended(context: Context, identity: int) -> TrainingJob:
    """Turn after turn; the job that has ended."""
    return wait_for("the end", lambda: job if (job := run(context, identity)).phase is Phase.ENDED else None)


def forget(context: Context, identity: int, **changes: Any) -> None:
    """What a crash does: the process had gone on, the database had not."""
    with context.store.transaction() as tx:
        row = tx.by_id(identity)
        tx.save(replace(row, state=replace(TrainingJob.parse(row.state), **changes).dump()))


class Crash(BaseException):
    """Stands for kill -9."""


class Dying:
    """A server that dies when it is about to store an object or to start an attempt."""

    def __init__(self, inner: Any, death: type[BaseException]) -> None:
        self._inner, self._death = inner, death

    def put(self, *_: object) -> str:
        raise self._death

    def start(self, *_: object) -> None:
        raise self._death

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
