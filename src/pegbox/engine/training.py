"""Carrying out what a training job's state asks for, one repeatable step after the other."""

from __future__ import annotations

import contextlib
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from pegbox.domain import training
from pegbox.domain.readings import Reading
from pegbox.domain.training import Phase, TrainingJob
from pegbox.engine import homes, leftovers, limits, outputs, read, staging
from pegbox.engine.attempts import attempt_of, imported, is_unasked, kept_points, may_run, packed
from pegbox.engine.context import Context
from pegbox.engine.faults import ClientFault
from pegbox.engine.held import HeldTrainingJob
from pegbox.engine.leased import LeasedObjects
from pegbox.engine.programs import Plan, plan
from pegbox.engine.steps import step
from pegbox.executors.base import Attempt, Exit, Observation
from pegbox.executors.base import Phase as Seen
from pegbox.objects.base import Refused
from pegbox.processes import boot_id
from pegbox.store.base import Stale, Unavailable
from pegbox.store.resources import Resource

log = structlog.get_logger()

MANY_POINTS = 1000  #: so many new points at once are a page of more
MANY_OBJECTS = 2000  #: so many objects of a dataset are written down at once


class TrainingWork(HeldTrainingJob):
    """One training job under a lease.  `run` goes on until the job has to wait."""

    def __init__(self, context: Context, resource: Resource, claimed: float = -math.inf) -> None:
        super().__init__(context, resource, claimed)
        self._objects = LeasedObjects(context.objects, self._confirm, self._confirm_now)
        self._todo: Plan | None = None
        self._is_small = False  # what is to be packed
        self._is_new = False  # its directory, which this look has made: nothing has been started in it
        self._has_ended_here = False  # whether this look has seen its processes ended

    def run(self) -> float | None:
        """Do what can be done now; returns the seconds until the next look, or None for never."""
        while True:
            match training.decide(self._job):
                case training.Rest():
                    if not (self._job.broken or self._is_clean):
                        self._clean()  # again: whoever ended the job may not have lived to do it
                    return None
                case training.Begin():
                    if not self._begin():
                        return 0.0
                case training.Stage():
                    if self._is_of_another(homes.is_near):
                        self._transact(training.begun_again(self._job, self._context.clock()), host=None)
                        return 0.0
                    if self._is_before_a_reboot():
                        self._lost(self._job, rebooted=True)
                        continue
                    self._apart(self._stage, self._look_for_stop)
                case training.Watch() if self._is_of_another(homes.is_there):
                    self._lost(self._job, rebooted=False)
                case training.Watch(stop=stop):
                    if not self._watch(stop):
                        return self._context.settings.tick
                case training.Pack() if self._is_of_another(homes.is_there) or not self._directory().is_dir():
                    self._lost(self._job, rebooted=False)
                case training.Pack() if self._is_spoilt():
                    self._lost(self._job, rebooted=True)
                case training.Pack() if self._is_small and self._is_at_hand():
                    self._pack()
                case training.Pack():
                    self._apart(self._pack, self._look_for_lease)
                case training.EndUnstarted():
                    self._end_unstarted()

    def _is_of_another(self, is_open: Callable[[Path, str], bool]) -> bool:
        """Whether the job is in another home, which is not open to us: what is at its path here is none of its own."""
        host, home = self._resource.host, self._job.home
        if host is None or host == self._context.host:
            return False
        return home is None or not is_open(Path(home), host)

    def _is_before_a_reboot(self) -> bool:
        """Whether the machine went down when inputs had been laid out: the kernel may not have written them."""
        return self._job.boot not in (None, boot_id())

    def _is_spoilt(self) -> bool:
        """Whether the machine went down when the outputs that are to be packed were not on disk."""
        if self._has_ended_here:
            return False
        return self._context.executor.observe(self._directory(), self._job.cursor).phase is Seen.LOST

    def give_up(self, reason: str) -> None:
        """Fail the job for a fault of the server's own; what runs is stopped first and keeps its slot until it ends."""
        job = replace(self._job, failure=self._job.failure or reason, broken=True)
        if self._job.phase is Phase.RUNNING and not self._job.broken:
            self._transact(job)
        elif self._job.phase is not Phase.ENDED:
            self._confirm()
            with contextlib.suppress(OSError):
                self._context.executor.stop(self._directory())
            if self._job.phase is Phase.RUNNING:
                seen = self._take_last_points()
                if seen is not None and may_run(seen, self._directory()):
                    return
                job = replace(self._job, failure=job.failure)
            if self._job.phase is Phase.PACKING:
                reason += f" The outputs are still in [{self._directory()}]."
            kept = self._job.phase in (Phase.RUNNING, Phase.PACKING)
            self._end(training.fail(job, reason, self._context.clock(), retryable=True), clean=not kept)

    def _take_last_points(self) -> Observation | None:
        """Import what was measured so far, as far as it can be read, before nobody looks any more.  The last look."""
        is_more, seen = True, None
        try:
            while is_more:
                seen = self._context.executor.observe(self._directory(), self._job.cursor)
                job = imported(self._job, seen)
                self._take_points(seen)
                self._transact(job)
                is_more = len(seen.points) >= MANY_POINTS
        except (Stale, Unavailable):
            raise
        except Exception as error:  # which may be why the job is given up
            self._unsaved = ()
            log.warning("metrics could not be imported", error=repr(error))
        return seen

    @property
    def patient(self) -> bool:
        """Whether what is done now is worth trying for a day: a finished model that nobody gave up is to be stored."""
        return self._job.phase is Phase.PACKING and self._job.stop is None

    @step
    def _begin(self) -> bool:
        """Leave the queue; False for a job that holds no slot here, which goes back to it.

        A job without anything to bring is written down as Training at once: one transaction instead of three.
        """
        context, document = self._context, self._resource.document
        if self._resource.host != context.host:
            self._transact(self._job, host=None)
            return False
        self._job = replace(self._job, home=str(context.settings.home), boot=boot_id())
        self._make_directory()
        self._job = training.enter(self._job, "Starting", Phase.STAGING, context.clock())
        try:
            if staging.is_nothing(document, self._plan().source):
                if self._is_at_hand():
                    self._check_output()
                else:
                    self._apart(self._check_output, self._look_for_stop)
                self._job = training.enter(self._job, "Training", Phase.RUNNING, context.clock())
            elif document.get("InputDataConfig"):
                self._job = training.enter(self._job, "Downloading", Phase.STAGING, context.clock())
        except (ClientFault, Refused) as fault:
            reason = fault.reason if isinstance(fault, ClientFault) else f"ClientError: S3OutputPath: {fault}"
            self._end(training.fail(self._job, reason, context.clock()))
            return True
        self._transact(self._job)
        return True

    def _make_directory(self) -> None:
        context = self._context
        self._is_new = leftovers.make_directory(
            self._directory(), self._resource, context.settings.home, context.executor, self._confirm
        )

    def _check_output(self) -> None:
        staging.check_output(self._objects, self._resource.account, self._resource.document)

    @step
    def _stage(self) -> None:
        """Bring the inputs.  Nothing is started before this is written down: what runs keeps its files as they are."""
        document, directory = self._resource.document, self._directory()
        try:
            todo = self._plan()
            self._confirm()
            own = staging.scratch(directory, self._resource.epoch)
            try:
                staging.stage(self._objects, self._resource.account, document, todo.source, own)
                self._confirm()
                staging.settle(own, directory)
            finally:
                shutil.rmtree(own, ignore_errors=True)
            readings = read.found(directory, staging.hosts(document), document)
            self._write_down_large(readings)
        except (ClientFault, Refused) as fault:
            reason = fault.reason if isinstance(fault, ClientFault) else f"ClientError: Data download failed: {fault}"
            self._end(training.fail(self._job, reason, self._context.clock()))
            return
        self._enter("Training", Phase.RUNNING, readings)
        read.forget(directory, staging.hosts(document))

    def _write_down_large(self, readings: Sequence[Reading]) -> None:
        """What would keep all other writers waiting is written down piece by piece, unless a job has read it before."""
        store = self._context.store
        for dataset in (each.dataset for each in readings if len(each.dataset.objects or ()) > MANY_OBJECTS):
            with store.reading() as tx:
                is_known = tx.is_known(self._resource, dataset)
            for start in () if is_known else range(0, len(dataset.objects or ()), MANY_OBJECTS):
                with store.transaction(lasting=False) as tx:
                    tx.begin_dataset(self._resource, dataset, start, start + MANY_OBJECTS)

    def _plan(self) -> Plan:
        context = self._context
        if self._todo is None:
            self._todo = plan(self._resource.document, context.find_image, context.settings.python)
        return self._todo

    @step
    def _watch(self, stop: bool) -> bool:
        """Import what is new; True when there is more to do at once: more points, or an end to deal with."""
        context, directory = self._context, self._directory()
        if self._is_new and not stop:
            self._is_new = False
            return self._start()
        if stop:
            context.executor.stop(directory)
        seen = context.executor.observe(directory, self._job.cursor)
        if seen.phase is Seen.STARTING and self._is_before_a_reboot():
            self._lost(self._job, rebooted=True)
            return True
        if seen.phase is Seen.STARTING:
            return self._start()
        job = imported(self._job, seen)
        if seen.phase is Seen.LOST or is_unasked(self._job, seen.exit):
            self._take_points(seen)
            self._lost(job, seen.rebooted)
            return True
        if seen.phase is Seen.EXITED and seen.exit is not None:
            self._exited(job, seen.exit, seen)
            return True
        if job != self._job:
            self._take_points(seen)
            self._transact(job)
        if not stop:
            self._keep_checkpoints()
        if self._job.phase is not Phase.RUNNING:
            return True
        return len(seen.points) >= MANY_POINTS

    def _start(self) -> bool:
        """Start the attempt, or find that it is about to run; True when it cannot be started."""
        try:
            todo = self._plan()
            self._confirm()
            self._context.executor.start(self._attempt(todo))
        except ClientFault as fault:
            self._end(training.fail(self._job, fault.reason, self._context.clock()))
            return True
        return False

    def _take_points(self, seen: Observation) -> None:
        """Points and cursor are stored together: none is lost, and a repeat is a conflict of keys."""
        self._unsaved = kept_points(self._job, seen)
        self._context.observer.imported(len(self._unsaved))

    def _exited(self, job: TrainingJob, ended: Exit, seen: Observation) -> None:
        """Go on to store the outputs.

        Large ones take their time, so clients see the job Uploading.  Small ones are stored before anything is written
        down, which is then done once, with the end; until then the database has the job in Training, and whoever takes
        it up after a crash finds its processes ended again.
        """
        self._take_points(seen)
        packing = packed(job, ended, self._context.clock())
        self._has_ended_here = True
        self._is_small = outputs.are_small(self._resource.document, self._directory())
        if self._is_small:
            self._job = packing
        else:
            self._transact(packing)

    @step
    def _pack(self) -> None:
        """Store the outputs and end the job."""
        context, document = self._context, self._resource.document
        account, directory = self._resource.account, self._directory()
        try:
            if self._job.failure is None:
                stopped = self._job.stop is not None
                outputs.store_model(
                    self._objects, account, document, directory, empty=not stopped, volume=self._volume()
                )
            outputs.store_data(self._objects, account, document, directory, volume=self._volume())
            self._bring_checkpoints()
        except ClientFault as fault:
            self._end(training.fail(self._job, fault.reason, context.clock()))
            return
        except Exception:
            self._transact(self._job)  # there is a model that waits to be stored: be patient
            raise
        if self._job.failure is not None:
            self._end(training.fail(self._job, self._job.failure, context.clock(), retryable=self._job.broken))
        else:
            self._end(training.complete(self._job, context.clock()))

    @step
    def _end_unstarted(self) -> None:
        """End a job that was stopped before Training."""
        self._end(training.complete(self._job, self._context.clock()))

    def _lost(self, job: TrainingJob, rebooted: bool) -> None:
        """The runner is gone without a word: try again if the request allows, else fail for an internal reason.

        Once, a job is tried again without being asked for when it was lost because the machine was started again.
        """
        now = self._context.clock()
        retries = (self._resource.document.get("RetryStrategy") or {}).get("MaximumRetryAttempts", 0)
        has_left = job.attempt < 1 + retries + job.rerun
        is_over = job.stop is not None or job.failure is not None
        is_retried = not is_over and (has_left or (rebooted and not job.rerun))
        log.warning(
            "the processes of a training job were lost", attempt=job.attempt, rebooted=rebooted, tried_again=is_retried
        )
        if job.stop is not None:
            self._end(training.complete(job, now))
        elif job.failure is not None:
            self._end(training.fail(job, job.failure, now, retryable=True))
        elif is_retried:
            self._abandon()
            self._clean()
            self._transact(training.retry(replace(job, rerun=job.rerun or not has_left), now), host=None)
        else:
            reason = "InternalServerError: the processes of the training job were lost. Please try again."
            self._end(training.fail(job, reason, now, retryable=True))

    def _abandon(self) -> None:
        """See to it that nothing runs in the attempt's directory any more, should a late start still come."""
        self._confirm()
        with contextlib.suppress(OSError):
            self._context.executor.stop(self._directory())

    def _keep_checkpoints(self) -> None:
        """Every so often, bring new checkpoints to their S3Uri."""
        if not self._resource.document.get("CheckpointConfig"):
            return
        mark = self._directory() / "checkpoints.time"
        now = self._context.clock()
        last = mark.stat().st_mtime if mark.exists() else 0.0
        if 0 <= now - last < self._context.settings.checkpoint_interval:  # a mark of the future says nothing
            return
        try:
            self._apart(self._bring_checkpoints, self._look_meanwhile)
        except (Stale, Unavailable):
            raise
        except Exception as error:  # training goes on; the next time, or the end, brings them
            log.warning("checkpoints were not stored", error=repr(error))
        mark.touch()

    def _bring_checkpoints(self) -> None:
        account, document, directory = self._resource.account, self._resource.document, self._directory()
        outputs.store_checkpoints(self._objects, account, document, directory, self._confirm, volume=self._volume())

    def _volume(self) -> int | None:
        return limits.of(self._resource.document, self._context.settings.limited).disk

    def _look_meanwhile(self) -> None:
        """While checkpoints are on their way a stop is heard, metrics arrive, and the end of training is noted."""
        present = self._present_under_lease()
        if present.version != self._resource.version:
            self._resource, self._job = present, TrainingJob.parse(present.state)
        if self._job.phase is not Phase.RUNNING:
            return
        if self._job.stop is not None:
            self._context.executor.stop(self._directory())
        seen = self._context.executor.observe(self._directory(), self._job.cursor)
        job = imported(self._job, seen)
        if seen.phase is Seen.EXITED and seen.exit is not None and not is_unasked(self._job, seen.exit):
            self._exited(job, seen.exit, seen)
        elif seen.phase is Seen.RUNNING and job != self._job:
            self._take_points(seen)
            self._transact(job)

    def _attempt(self, todo: Plan) -> Attempt:
        return attempt_of(self._resource, self._job, todo, self._directory(), self._context.settings)
