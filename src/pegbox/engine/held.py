"""A training job whose row is held under a lease: how it is looked at, changed and ended."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from pegbox.crashpoints import AFTER, BEFORE, reach
from pegbox.domain import training
from pegbox.domain.readings import Reading
from pegbox.domain.training import Phase, TrainingJob
from pegbox.engine import staging
from pegbox.engine.apart import carry_out
from pegbox.engine.clock import elapsed
from pegbox.engine.context import Context, attempt_directory
from pegbox.objects.locations import parse
from pegbox.store.base import Fenced, NotFound, Stale, Transaction, Unavailable
from pegbox.store.resources import MetricPoint, Resource

log = structlog.get_logger()

CONFIRMED_FOR = 0.5  #: seconds for which a lease that was seen to be ours is taken to be


class HeldTrainingJob:
    """The row as it was read last, the engine's memory of the job, and what is to be written with its next change."""

    def __init__(self, context: Context, resource: Resource, claimed: float) -> None:
        self._context = context
        self._resource = resource
        self._job = TrainingJob.parse(resource.state)
        self._confirmed = claimed  #: when the lease was last seen to be ours, by elapsed()
        self._is_clean = False
        self._directories: dict[tuple[str, int], Path] = {}  # by home and attempt
        self._unsaved: Sequence[MetricPoint] = ()  # written with the next change of the job

    @property
    def resource(self) -> Resource:
        """The row as it was read or written last."""
        return self._resource

    @property
    def goes_on(self) -> bool:
        """Whether its processes run here: there is nothing to do before there is news of them."""
        return self._job.phase is Phase.RUNNING and self._resource.host == self._context.host

    def seen(self, at: float) -> None:
        """The row was looked at, by elapsed(), and is as it was, under our lease."""
        self._confirmed = at

    def _confirm(self) -> None:
        """Raise Fenced when another server has the job now.

        Whoever sleeps past its lease wakes anywhere: files and objects have no epoch as rows have.
        """
        for _ in range(2):  # it may have slept between answer and hearing it; if both are late, the database is slow
            now = elapsed()
            if 0.0 <= now - self._confirmed <= CONFIRMED_FOR:
                return
            self._context.store.confirm(self._resource)
            self._confirmed = now

    def _confirm_now(self) -> None:
        """The same, whenever it was seen last: a whole machine that was stopped has no clock that tells."""
        self._confirmed = -math.inf
        self._confirm()

    def _apart(self, step: Callable[[], None], look: Callable[[], None]) -> None:
        """Carry out a step that object stores and mounts may hold up for ever, and look around meanwhile."""
        carry_out(step, partial(self._patiently, look), self._context.settings.tick, self._tidy)

    def _patiently(self, look: Callable[[], None]) -> None:
        """Look; when the database does not answer, the step goes on: left behind, it would be begun beside itself."""
        try:
            look()
        except Unavailable as error:
            self._context.database.met(error)

    def _is_at_hand(self) -> bool:
        """Whether the outputs go to the built-in store, which holds up no step that takes a moment only."""
        path = self._resource.document["OutputDataConfig"]["S3OutputPath"]
        return not self._context.settings.s3_endpoint and parse(path).scheme == "s3"

    def _look_for_stop(self) -> None:
        """Raise Stale when somebody has changed the job: it is to stop, or another server has it."""
        if self._present_under_lease().version != self._resource.version:
            raise Stale(f"{self._resource.kind} {self._resource.name}")

    def _look_for_lease(self) -> None:
        self._present_under_lease()

    def _present_under_lease(self) -> Resource:
        """The row as it is now.  Raises Fenced if another server has it.

        One look, since the other one may come between two: what it wrote would be taken for ours, its epoch with it.
        """
        present = self._present()
        if present.epoch != self._resource.epoch:
            raise Fenced(f"{self._resource.kind} {self._resource.name}")
        return present

    def _present(self) -> Resource:
        with self._context.store.reading() as tx:
            return tx.by_id(self._resource.id)

    def _tidy(self) -> None:
        """After a step that nobody waits for any more: what has ended leaves only what was promised."""
        with contextlib.suppress(Unavailable, NotFound):
            job = TrainingJob.parse(self._present().state)
            if job.phase is Phase.ENDED and not job.broken:
                self._clean()

    def _end(self, job: TrainingJob, *, clean: bool = True) -> None:
        """Write the terminal status, give the slot back and tell the tuning job."""
        context, resource = self._context, self._resource
        with context.store.transaction() as tx:
            self._save(tx, job, host=None)
            if resource.parent_id is not None:
                tx.mark_due([resource.parent_id])
        if resource.parent_id is not None:
            context.poke([resource.parent_id])
        context.observer.ended(resource.kind, job.status)
        log.info("training job ended", status=job.status, reason=job.failure)
        if clean:
            self._clean()

    def _clean(self) -> None:
        """Give back the disk: inputs, models and code are stored elsewhere; logs and metrics stay."""
        reach(BEFORE, "clean")
        staging.clear(self._directory())
        self._is_clean = True
        reach(AFTER, "clean")

    def _enter(self, secondary: str, phase: Phase, readings: Sequence[Reading] = ()) -> None:
        self._transact(training.enter(self._job, secondary, phase, self._context.clock()), readings)

    def _transact(self, job: TrainingJob, readings: Sequence[Reading] = (), **columns: Any) -> None:
        now = elapsed()
        is_news = job.watched and any(point.metric == job.objective for point in self._unsaved)
        watcher = [self._resource.parent_id] if is_news and self._resource.parent_id is not None else []
        with self._context.store.transaction(lasting=False) as tx:  # every step but the end is done again
            self._save(tx, job, readings, **columns)
            if watcher:
                tx.mark_due(watcher)
        self._confirmed = now
        if watcher:
            self._context.poke(watcher)

    def _save(self, tx: Transaction, job: TrainingJob, readings: Sequence[Reading] = (), **columns: Any) -> None:
        changed = replace(
            self._resource,
            status=job.status,
            state=job.dump(),
            outcome=job.outcome,
            objective=job.objective_value(),
            modified_at=self._context.clock(),
            ended_at=job.finished,
            **columns,
        )
        tx.add_points(self._resource.id, self._unsaved)
        if readings:
            tx.add_readings(changed, job.attempt, readings)
        self._resource = tx.save(changed, leased=True)
        self._job, self._unsaved = job, ()

    def _directory(self) -> Path:
        which = (self._job.home or str(self._context.settings.home), self._job.attempt)
        if which not in self._directories:
            self._directories[which] = attempt_directory(which[0], self._resource.id, which[1])
        return self._directories[which]
