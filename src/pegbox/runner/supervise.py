"""The life of one attempt: start the trainers, keep what they print, stop them when asked, say how it ended.

One thread, one selector.  The stop file, the clock and the children's states are looked at in every turn, signals only
make the next turn come sooner.
"""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pegbox.crashpoints import AFTER, BEFORE, reach
from pegbox.processes import boot_id, identity
from pegbox.runner import (
    cell,
    cgroups,
    clock,
    descendants,
    isolate,
    layout,
    leftovers,
    meter,
    process,
    records,
    signals,
    syscalls,
    view,
)
from pegbox.runner.capture import Capture
from pegbox.runner.cgroups import Group
from pegbox.runner.growing import FULL
from pegbox.runner.job import Job
from pegbox.runner.kept import Kept
from pegbox.runner.meter import Meter
from pegbox.runner.points import Points, Wake
from pegbox.runner.search import Search

LOOK_INTERVAL = 1.0  #: seconds after which the stop file is looked at without a signal
REAP_SECONDS = 10.0  #: how long killed processes may take to go away
GROUP_SECONDS = 2.0  #: how long a control group may take to become empty
SHUTDOWN_GRACE = 10.0  #: seconds for trainers when the runner itself is told to go

DISK_PATIENCE = 60.0  #: how long the exit record is tried again when it cannot be written
RESULT_PATIENCE = 86400.0  #: the same of a job that has a result to lose
LONG = 60.0  #: seconds of training that nobody wants to do again: what it leaves is brought to disk

FAILURE_LENGTH = 1024
NO_ISOLATION = (
    "EnableNetworkIsolation is set, and this server does not contain programs: the machine has no namespaces for it, "
    "or the setting containment is off."
)


def run(directory: Path) -> None:
    """Run the attempt in `directory`, unless another runner does, did, or it has ended."""
    wakeup = signals.listen()
    lock = records.lock(directory)
    if lock is None or (directory / records.EXIT).exists() or (directory / records.RUNNER).exists():
        return
    record = records.read(directory / records.ATTEMPT)
    if record is not None:
        Supervisor(Job.parse(directory, record), wakeup).run()


class Supervisor:
    """State of one running attempt."""

    def __init__(self, job: Job, wakeup: int) -> None:
        self._job = job
        self._wakeup = wakeup
        self._selector = selectors.DefaultSelector()
        self._selector.register(wakeup, selectors.EVENT_READ, self._read_signals)
        self._wake = Wake(job.wake, job.id, time.monotonic)
        self._clock = clock.steady()
        self._kept = Kept(
            {
                host: Capture(job.directory, host, self._look_for_values, self._clock, job.most_log)
                for host in job.hosts
            },
            Points(job.directory, self._wake, job.hosts, len(job.metrics), job.most_points, self._thinned),
            failed=lambda: self._terminate("Exit", job.grace),
        )
        self._trainers: dict[int, process.Trainer] = {}
        self._first_failed: process.Trainer | None = None
        self._cause = "Exit"
        self._kill_at: float | None = None  # set as soon as TERM was sent
        self._runtime_ends: float | None = None
        self._leave_no_record = False
        self._is_unrecorded = False  # what runner.json has to say of the trainers
        self._room_until = math.inf
        self._started: float | None = None
        self._ended: float | None = None
        self._notes: list[str] = []
        self._search = Search(job.metrics, self._kept.add, self._warn, self._selector)
        self._paused = False
        self._use_due = time.monotonic() + LOOK_INTERVAL
        self._groups: list[Group] = []
        self._places: list[str] = []  # of groups, made or not
        self._meters: dict[int, Meter] = {}
        self._excess = ""  # what was too much, in words
        self._is_cut_short = False  # the grace, since it was used for too much

    def run(self) -> None:
        """From the first process to the exit record."""
        isolate.adopt_orphans()
        if (self._job.directory / records.STOP).exists():
            self._cause = "Stopped"
        else:
            self._start()
            while not self._is_over():
                self._turn()
            self._clean_up()
            self._drain()
        if not self._leave_no_record:
            self._record_exit()
        self._wake.now()

    # -- beginning

    def _start(self) -> None:
        job = self._job
        parents = cgroups.hierarchies()
        self._places = meter.places_of_groups(job, parents)  # written down before anything is there
        environments = self._prepare()
        if environments is None:
            return
        with contextlib.suppress(OSError):
            records.reserve(job.directory)
        self._started = self._clock()
        if job.max_runtime is not None:
            self._runtime_ends = time.monotonic() + job.max_runtime
        refusal = self._enclose()
        reach(BEFORE, "trainer fork")
        for host in job.hosts:
            group = meter.group_of(job, host, parents)
            self._groups.append(group)
            trainer = process.spawn(job, host, environments[host], job.directory / layout.HOSTS, group, refusal)
            self._meters[trainer.pid] = meter.of(job, host, group)
            self._adopt(trainer)
        reach(AFTER, "trainer fork")
        self._is_unrecorded = True
        self._record_trainers()
        self._wake.soon()

    def _prepare(self) -> dict[str, dict[str, str]] | None:
        """Lay out what the programs find; returns their environments, or None if there was no room for all too long."""
        job = self._job
        end = time.monotonic() + (RESULT_PATIENCE if job.max_runtime is None else job.max_runtime)
        while True:
            try:
                layout.hosts_file(job)
                environments = {host: layout.prepare(job, host) for host in job.hosts}
                self._record_runner()
                return environments
            except OSError as error:
                if error.errno not in FULL:
                    raise
                reason = f"the files of the program cannot be written: {error.strerror}"
            self._turn()
            if self._kill_at is not None:  # to be stopped
                return None
            if time.monotonic() >= end:
                self._kept.unwritten = reason
                return None

    def _enclose(self) -> str:
        """Prepare the attempt's containment; returns why no program may run."""
        job = self._job
        if not job.contain:
            return NO_ISOLATION if job.network_isolation else ""
        try:
            cell.enter_as_runner(network=not job.network_isolation)
        except OSError as error:
            return f"the program cannot be contained: {error.strerror}"
        return ""

    def _adopt(self, trainer: process.Trainer) -> None:
        self._trainers[trainer.pid] = trainer
        self._notes += [f"{trainer.host}: {note}" for note in trainer.notes]
        if trainer.refusal:
            self._kept.note(trainer.host, trainer.refusal)
        self._selector.register(trainer.output, selectors.EVENT_READ, self._reader(trainer))

    def _reader(self, trainer: process.Trainer) -> Callable[[], None]:
        def read() -> None:
            with self._kept.writing():
                if not self._kept.captures[trainer.host].read(trainer.output):
                    self._end_of_output(trainer)

        return read

    def _end_of_output(self, trainer: process.Trainer) -> None:
        self._selector.unregister(trainer.output)
        os.close(trainer.output)
        trainer.output = -1
        self._kept.captures[trainer.host].finish()

    # -- the loop

    def _turn(self) -> None:
        self._wait(self._patience())
        self._reap()
        self._look_for_stop()
        self._look_at_use()
        self._look_at_clock()

    def _wait(self, seconds: float) -> None:
        self._kept.settle()
        self._record_trainers()
        self._hold_back()
        for key, _ in self._selector.select(seconds):
            key.data()

    def _patience(self) -> float:
        dues = [self._kill_at, self._runtime_ends, self._wake.due, self._kept.due, self._search.late.due]
        now = time.monotonic()
        return max(0.0, min([LOOK_INTERVAL, *(due - now for due in dues if due is not None)]))

    def _hold_back(self) -> None:
        """Let trainers wait while the backtracker has too much to do, or the disk no room."""
        if (self._search.late.is_full or self._kept.is_full) != self._paused:
            self._paused = not self._paused
            self._pause(self._paused)

    def _pause(self, pause: bool) -> None:
        for trainer in self._trainers.values():
            if trainer.output >= 0 and pause:
                self._selector.unregister(trainer.output)
            elif trainer.output >= 0:
                self._selector.register(trainer.output, selectors.EVENT_READ, self._reader(trainer))

    def _read_signals(self) -> None:
        with contextlib.suppress(BlockingIOError):
            numbers = os.read(self._wakeup, 4096)
            if signal.SIGTERM in numbers:
                self._leave_no_record = True
                self._terminate("Stopped", min(SHUTDOWN_GRACE, self._job.grace))
            elif signal.SIGUSR2 in numbers:
                self._terminate("Stopped", self._job.grace)

    def _look_for_stop(self) -> None:
        if self._kill_at is None and (self._job.directory / records.STOP).exists():
            self._terminate("Stopped", self._job.grace)

    def _look_at_use(self) -> None:
        """End what uses more than it may, without grace: it would go on using it."""
        now = time.monotonic()
        if now < self._use_due:
            return
        self._use_due = now + LOOK_INTERVAL
        for trainer in self._present():
            if excess := self._meters[trainer.pid].excess(trainer.pid):
                if self._kill_at is None:
                    self._excess, self._first_failed = excess, trainer
                    self._terminate("Exit", 0.0)
                elif not self._is_cut_short:  # it is being stopped, which stays the reason
                    self._is_cut_short = True
                    self._kept.note(trainer.host, excess)
                    self._kill_at = now
                return

    def _look_at_clock(self) -> None:
        now = time.monotonic()
        self._wake.if_due()
        self._kept.if_due()
        self._search.late.if_due()
        if self._runtime_ends is not None and now >= self._runtime_ends and self._kill_at is None:
            self._terminate("MaxRuntime", self._job.grace)
        if self._kill_at is not None and now >= self._kill_at:
            descendants.kill_descendants(keep=self._search.late.pid)
            self._kill_at = now + 1.0

    def _terminate(self, cause: str, grace: float) -> None:
        if self._cause == "Exit" and self._first_failed is None:
            self._cause = cause
        self._runtime_ends = None
        self._room_until = min(self._room_until, time.monotonic() + grace)
        if self._kill_at is None:
            self._kill_at = time.monotonic() + grace
            living = {trainer.pid for trainer in self._living()}
            ended = descendants.own_groups(self._trainers.keys() - living)
            descendants.signal_groups(living | ended, signal.SIGTERM)

    def _reap(self) -> None:
        for pid, code in signals.ended_children():
            trainer = self._trainers.get(pid)
            if trainer is None:
                continue
            trainer.judge(code)
            if trainer.code != 0 and self._kill_at is None and self._first_failed is None:
                self._first_failed = trainer
                if self._living():
                    self._terminate("Exit", self._job.grace)

    def _living(self) -> list[process.Trainer]:
        return [trainer for trainer in self._trainers.values() if trainer.code is None]

    def _present(self) -> list[process.Trainer]:
        """The living, and those that were told to end and have left processes that may still use their grace."""
        if self._kill_at is None:
            return self._living()
        left = descendants.own_groups(self._trainers.keys())
        return [trainer for trainer in self._trainers.values() if trainer.code is None or trainer.pid in left]

    def _is_over(self) -> bool:
        """All trainers have ended; after TERM also what is left of their groups may use its grace."""
        if self._living():
            return False
        return self._kill_at is None or not descendants.own_groups(self._trainers.keys())

    # -- the end

    def _clean_up(self) -> None:
        """Nothing of the job's process tree survives its trainers, whatever session it is in."""
        end = time.monotonic() + REAP_SECONDS
        while descendants.kill_descendants(keep=self._search.late.pid) and time.monotonic() < end:
            self._wait(0.02)
            self._reap()

    def _drain(self) -> None:
        """Read what is still in the pipes, wait for the last answers, and for room for all that."""
        self._ended = self._clock()
        self._room_until = self._patience_with_the_disk()
        end = time.monotonic() + REAP_SECONDS
        while any(trainer.output >= 0 for trainer in self._trainers.values()) or not self._search.late.is_idle:
            self._wait(self._patience())
            self._look_at_clock()
            if self._kept.is_full:
                self._make_room()
                end = time.monotonic() + REAP_SECONDS
            elif time.monotonic() >= end and self._search.late.is_idle:
                break
        self._search.late.close()
        self._kept.conclude()
        while self._kept.is_full:
            self._make_room()
            self._wait(self._patience())

    def _patience_with_the_disk(self) -> float:
        """Until when room on a full disk is waited for, now that all trainers have ended.

        A stop does not wait for long, and neither does a failure: what the program left may be what fills the disk, and
        it is removed only when the end is told.
        """
        now, runtime_ends = time.monotonic(), self._runtime_ends
        self._runtime_ends = None  # the trainers have kept to it
        if self._kill_at is not None or self._first_failed is not None:
            return now + self._job.grace
        return now + RESULT_PATIENCE if runtime_ends is None else max(runtime_ends, now + self._job.grace)

    def _make_room(self) -> None:
        """Give the end of the log the room that is reserved for it, or give up."""
        records.give_room(self._job.directory)
        self._look_for_stop()
        if time.monotonic() >= self._room_until:
            self._kept.give_up()

    def _record_exit(self) -> None:
        self._kept.sync()
        record = self._exit()  # asks the control groups, and reads what the program left
        for host in self._job.hosts:
            leftovers.remove(self._job, host)
        record |= {"boot_id": boot_id(), "on_disk": self._is_on_disk(record["ended"] - record["started"])}
        for group in self._groups:
            group.remove(GROUP_SECONDS)
        (self._job.directory / records.RESERVE).unlink(missing_ok=True)
        end = time.monotonic() + (DISK_PATIENCE if any(record["codes"].values()) else RESULT_PATIENCE)
        while True:
            try:
                return records.write(self._job.directory / records.EXIT, record, durable=True)
            except OSError:
                if time.monotonic() >= end:
                    raise
                time.sleep(1.0)

    def _is_on_disk(self, seconds: float) -> bool:
        """See to it after so many seconds of training.

        A short job does not wait for the disk: a server stores its outputs at once, and after a power cut before that
        it is done again.
        """
        if seconds < LONG:
            return False
        try:
            syscalls.sync_file_system(self._job.directory)
        except (OSError, AttributeError):  # a C library without syncfs(2)
            return False
        return True

    def _exit(self) -> dict[str, Any]:
        now = self._clock()
        trainers = sorted(self._trainers.values(), key=lambda trainer: trainer is not self._first_failed)
        success = 1 if self._kept.unwritten or self._excess else 0  # there is none without what was printed
        codes = {trainer.host: trainer.code or success for trainer in trainers}
        if self._kept.unwritten and not codes:
            codes = dict.fromkeys(self._job.hosts, success)
        return {
            "cause": "Exit" if self._kept.unwritten and self._cause == "MaxRuntime" else self._cause,
            "codes": codes,
            "started": self._started or now,
            "ended": self._ended or now,
            "failure": self._failure(),
        }

    def _failure(self) -> str:
        failed = self._first_failed
        if failed is None:
            return self._kept.unwritten
        if self._cause != "Exit":
            return ""
        if excess := self._excess or self._meters[failed.pid].of_the_ended(failed.code or 0):
            return excess
        said = failed.refusal or layout.failure_text(
            self._job, failed.host, FAILURE_LENGTH, self._kept.captures[failed.host].waiting
        )
        said = self._meters[failed.pid].explained(said)
        if hint := view.hint(self._job, said):
            said = f"{said[: FAILURE_LENGTH - len(hint) - 3]} ({hint})"
        return said[:FAILURE_LENGTH]

    def _record_runner(self) -> None:
        record: dict[str, Any] = identity(os.getpid())
        hosts = {trainer.host: trainer.pid for trainer in self._trainers.values()}
        record |= {"started": self._started, "hosts": hosts, "notes": self._notes, "groups": self._places}
        records.write(self._job.directory / records.RUNNER, record)

    def _record_trainers(self) -> None:
        if self._is_unrecorded:
            with self._kept.writing():
                self._record_runner()
                self._is_unrecorded = False

    # -- metrics

    def _look_for_values(self, host: str, at: float, block: bytes) -> None:
        self._search.feed(host, at, block)

    def _thinned(self, metric: int) -> None:
        self._warn(
            f"metric {self._job.metrics[metric]['Name']!r} has more values than are kept (metric_points = "
            f"{self._job.most_points} for all): from here on fewer and fewer are, but the last, smallest and largest"
        )

    def _warn(self, text: str) -> None:
        self._kept.note(self._job.hosts[0], f"warning: {text}")
