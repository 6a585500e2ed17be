"""The engine: claims what is due, works on it under a lease, and looks again.

A thread ticks; whatever is due is worked on by a few others.  A poke (an API call, a runner that ended, a finished
training job) makes the next look come at once.  Leases are renewed while work goes on, so a download may take hours;
when this process dies they run out and another server takes over.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial

import structlog

from pegbox.baton import carried, put_down
from pegbox.crashpoints import AFTER, reach
from pegbox.engine.clock import elapsed
from pegbox.engine.context import Context
from pegbox.engine.crew import Crew
from pegbox.engine.kept import KeptJobs
from pegbox.engine.mailbox import Mailbox
from pegbox.engine.obstacles import Obstacles, obstacle
from pegbox.engine.owners import Owner
from pegbox.engine.proposer import Closing
from pegbox.engine.pulse import Pulse
from pegbox.engine.questions import MOMENT, Desk, Questions
from pegbox.engine.retention import keep_sweeping
from pegbox.engine.training import TrainingWork
from pegbox.engine.tuning import TuningWork
from pegbox.naming import tuning_job_of
from pegbox.store.base import Fenced, Full, Stale, Unavailable
from pegbox.store.resources import Kind, Resource

log = structlog.get_logger()

MORE_WORKERS = 4  #: beyond one a slot: a job that brings or stores gigabytes keeps its own busy
LONGEST_REST = 0.03  #: seconds between two looks
TUNERS = 2  #: they wait for no strategy
MORE_TUNING_JOBS = 2  #: tuning jobs taken beyond that, so that a tuner waits for nothing
TICKS_AFTER_FAULT = 5  #: ticks until work that met a fault is tried again
LONGEST_PAUSE = 60.0  #: seconds
MOST_FAULTS = 10  #: unexpected faults in a row that end a job: it would never end otherwise
DAY = 86400.0  #: seconds that a finished model waits to be stored


@dataclass(frozen=True, slots=True)
class Rooms:
    """How many more rows of each kind may be worked on: one kind never takes the other's threads."""

    training: int
    tuning: int


Done = tuple[Resource, float | None]  #: work and the seconds until the next look at it; None: never
Work = TuningWork | TrainingWork
Result = tuple[float | None, Work | None]  #: the seconds until the next look, and what went well


class Engine:
    """Runs in threads of its own between `start` and `stop`."""

    def __init__(self, context: Context, mailbox: Mailbox) -> None:
        self._context = context
        self._mailbox = mailbox
        self._left: set[int] = set()  # poked, and not taken for want of room
        self._is_more = True  # due, perhaps, and not taken for want of room
        self._owner = Owner(context.host, context.settings.home, os.getpid())
        self._working: dict[int, Kind] = {}
        self._done: list[Done] = []  # leases to be given up with the next look
        self._claimed: dict[int, float] = {}  # training jobs that nobody has begun to work on, by elapsed()
        self._kept = KeptJobs(context, context.settings.slots)
        self._faults: dict[int, int] = {}
        self._pause = TICKS_AFTER_FAULT * context.settings.tick
        self._obstacles = Obstacles(time.monotonic, self._pause)
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._stopping = threading.Event()
        self._pulse = Pulse(context, self._stopping, self._pause)
        self._room = context.settings.slots + MORE_WORKERS
        self._trainers = Crew("training", self._room)
        self._tuners = Crew("tuning", TUNERS)
        self._desk = Desk()
        self._questions = Questions(context, mailbox.poke, self._desk.put, MOMENT)
        self._threads = [
            threading.Thread(target=self._tick, name="engine-tick", daemon=True),
            threading.Thread(target=self._renew, name="engine-lease", daemon=True),
            threading.Thread(target=keep_sweeping, args=(context, self._stopping), name="retention", daemon=True),
        ]

    def start(self) -> None:
        """Begin."""
        self._owner.hold()
        self._pulse.begin()
        self._context.ballast.lay()
        self._trainers.start()
        self._tuners.start()
        self._desk.start()
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> bool:
        """Take no more work and wait up to `seconds` for what is being done; False if something still is.

        Whatever is not done is taken up again by the next start.
        """
        self._stopping.set()
        self._desk.close()
        self._mailbox.poke([])
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for crew in (self._trainers, self._tuners):
            crew.close()
        with self._idle:
            idle = self._idle.wait_for(
                lambda: len(self._done) + len(self._kept) == len(self._working), max(0.0, deadline - time.monotonic())
            )
        with contextlib.suppress(Exception):  # leases that cannot be given up run out by themselves
            self._let_go()
        if idle:
            self._owner.let_go()
        return idle

    def _let_go(self) -> None:
        with self._lock:
            done, self._done = [*self._done, *((resource, 0.0) for resource in self._kept.take_all())], []
        for resource, due_in in done:
            self._context.store.release(resource, due_in)

    def _tick(self) -> None:
        look = 0.0
        while not self._stopping.is_set():
            self._mailbox.wait(max(0.0, look - time.monotonic()))
            began = time.monotonic()
            try:
                with carried():
                    self._turn(began >= look)
                if began >= look:
                    self._context.database.over()
                    look = time.monotonic() + self._context.settings.tick
                # As much rest as work for each job under way: when there is much to do, more of it comes together in
                # one transaction, and nobody waits long.
                self._stopping.wait(min((time.monotonic() - began) * (1 + len(self._working)), LONGEST_REST))
            except Unavailable as error:
                self._unavailable(error)
                self._stopping.wait(self._context.settings.tick)
            except Exception:
                log.exception("the engine could not look for work")
                self._stopping.wait(self._context.settings.tick)

    def _turn(self, everything: bool) -> None:
        """Let go of what is done and take what is due, in one transaction, however much has come together.

        Between two ticks no more is taken than what was poked and what waits for a slot.
        """
        with self._lock:
            done, self._done = self._done, []
            working = _without(self._working, done)
            heard = self._mailbox.take_heard(self._kept.identities)
            works = self._kept.take_these(heard)
            kept = set(self._kept.identities)
        for work in works:
            self._submit(work.resource, work)
        kinds = Counter(kind for identity, kind in working.items() if identity not in kept)
        rooms = Rooms(self._room - kinds[Kind.TRAINING_JOB], TUNERS + MORE_TUNING_JOBS - kinds[Kind.TUNING_JOB])
        news = self._mailbox.take(working.keys() - kept) if rooms.training > 0 else ()
        try:
            self._look_at_kept(kept.intersection(news))
            if done or everything or not kept.issuperset(news):
                poked = self._left.union(news) - kept
                self._look_for_work(rooms, poked, working, done, everything or self._is_more)
        except BaseException:
            self._mailbox.poke(news)
            with self._lock:
                self._done = [*done, *self._done]
            raise

    def _look_at_kept(self, poked: Collection[int]) -> None:
        """Go on with jobs that are kept and have news, or were not looked at for a tick."""
        with self._lock:
            works = self._kept.take(poked, time.monotonic() + self._context.settings.tick / 2)
        try:
            present = self._kept.present(works)
        except BaseException:
            with self._lock:
                self._done += [(work.resource, 0.0) for work in works]
            raise
        lost = {work.resource.id for work in works}.difference(work.resource.id for work in present)
        with self._idle:
            self._working = {identity: kind for identity, kind in self._working.items() if identity not in lost}
            self._idle.notify_all()
        for work in present:
            self._submit(work.resource, work)

    def _look_for_work(
        self, rooms: Rooms, poked: Set[int], working: Mapping[int, Kind], done: Sequence[Done], everything: bool
    ) -> None:
        if (hold := self._pulse.held_until - time.monotonic()) > 0:
            with put_down():
                self._stopping.wait(hold)
        asked = elapsed()
        taken = self._claim(rooms, poked, working, done, everything)
        with self._idle:
            self._working = _without(self._working, done) | {row.id: row.kind for row in taken}
            self._idle.notify_all()
        is_full = _is_full(taken, rooms)
        self._left = set(poked).difference(row.id for row in taken) if is_full else set()
        self._is_more = is_full and everything
        for resource in taken:
            if resource.kind is Kind.TRAINING_JOB:
                self._claimed[resource.id] = asked
            self._context.observer.claimed(resource.kind)
            self._submit(resource)

    def _submit(self, resource: Resource, work: Work | None = None) -> None:
        crew = self._tuners if resource.kind is Kind.TUNING_JOB else self._trainers
        crew.put(partial(self._do, resource, work))

    def _claim(
        self, rooms: Rooms, poked: Set[int], working: Collection[int], done: Collection[Done], everything: bool
    ) -> Sequence[Resource]:
        # What a thread here works on is never taken again, not even when its lease has run out.
        context, settings = self._context, self._context.settings
        return context.store.claim(
            self._owner.name,
            context.host,
            settings.lease,
            max(0, rooms.training),
            poked or None,
            working,
            tuning_limit=max(0, rooms.tuning),
            slots=settings.slots,
            done=done,
            near=self._pulse.near,
            silence=settings.silence,
            everything=everything,
        )

    def _do(self, resource: Resource, work: Work | None) -> None:
        """Do what can be done, and see to it that it is looked at again."""
        due_in: float | None = self._pause
        try:
            due_in, work = self._work(resource, work)
        except BaseException:
            work = None
            log.exception("work ended with a fault of the engine's own", job=resource.name)
        with self._idle:
            if not self._keeps(work, due_in):
                self._done.append((resource, due_in))
            self._idle.notify_all()
        self._mailbox.poke([resource.id] if due_in == 0.0 else [])

    def _keeps(self, work: Work | None, due_in: float | None) -> bool:
        """Whether the job is kept until the next look."""
        if not due_in or self._stopping.is_set() or not isinstance(work, TrainingWork) or not work.goes_on:
            return False
        return self._kept.keep(work, time.monotonic() + due_in)

    def _work(self, resource: Resource, work: Work | None) -> Result:
        """Do what can be done."""
        with structlog.contextvars.bound_contextvars(**_named_in_log(resource)):
            how, result = self._carry_out(resource, work)
        self._context.observer.worked(resource.kind, how)
        reach(AFTER, "work")
        return result

    def _carry_out(self, resource: Resource, work: Work | None) -> tuple[str, Result]:
        """How it went, and what came of it."""
        try:
            if self._stopping.is_set():
                return "done", (0.0, None)
            with carried():
                work = work or self._work_on(resource)
                due_in = work.run()
            self._faults.pop(resource.id, None)
            self._obstacles.over(resource.id)
            return "done", (due_in, work)
        except Closing:
            return "done", (0.0, None)  # the next start asks again
        except Stale as error:
            lost = isinstance(error, Fenced)
            log.debug("the row changed meanwhile", lost=lost)
            return "fenced" if lost else "stale", (0.0, None)
        except Unavailable as error:
            self._unavailable(error)
            return "unavailable", (self._pause, None)
        except Exception as error:
            return "fault", (self._after_fault(resource, error), None)

    def _work_on(self, resource: Resource) -> Work:
        if resource.kind is Kind.TUNING_JOB:
            return TuningWork(self._context, resource, self._questions)
        return TrainingWork(self._context, resource, self._claimed.pop(resource.id, -math.inf))

    def _after_fault(self, resource: Resource, error: Exception) -> float | None:
        """Try again for some time; then the job fails, rather than being tried for ever."""
        if what := obstacle(error):
            log.warning("something is in the way of a job", reason=what)
            waited, pause = self._obstacles.met(resource.id)
            return self._after(resource, what, pause, waited, self._context.settings.patience)
        log.error("unexpected fault", exc_info=error)
        faults = self._faults[resource.id] = self._faults.get(resource.id, 0) + 1
        pause = min(LONGEST_PAUSE, self._pause * 2.0 ** min(10, max(0, faults - MOST_FAULTS)))
        waited, _ = self._obstacles.met(resource.id)
        return self._after(resource, _named(error), pause, waited, 0.0 if faults >= MOST_FAULTS else DAY)

    def _after(self, resource: Resource, reason: str, pause: float, waited: float, patience: float) -> float | None:
        """The seconds until the next try; when the patience with the job is at its end, it fails."""
        try:
            with self._context.store.reading() as tx:
                work = self._work_on(replace(tx.by_id(resource.id), epoch=resource.epoch))
            if waited < (DAY if work.patient else patience):
                return pause
            work.give_up(f"InternalServerError: {reason}")
            self._faults.pop(resource.id, None)
            self._obstacles.over(resource.id)
        except Unavailable as told:
            self._unavailable(told)
            return pause
        except Exception:
            log.exception("the job could not be failed")
            return pause
        return 0.0

    def _unavailable(self, error: Unavailable) -> None:
        self._context.database.met(error)
        if isinstance(error, Full):
            self._context.ballast.drop()

    def _renew(self) -> None:
        settings = self._context.settings
        while not self._stopping.wait(settings.lease / 3):
            with self._lock:
                held = list(self._working)
            try:
                since = self._pulse.beat()
                if held:
                    self._context.store.renew(self._owner.name, settings.lease, held)
                self._pulse.look_around(since)
                self._context.ballast.lay()
            except Unavailable as error:
                self._unavailable(error)
            except Exception:
                log.exception("leases could not be renewed")


def _without(working: dict[int, Kind], done: Collection[Done]) -> dict[int, Kind]:
    gone = {row.id for row, _ in done}
    return {identity: kind for identity, kind in working.items() if identity not in gone}


def _is_full(taken: Collection[Resource], rooms: Rooms) -> bool:
    """Whether there may have been no room for all: who was poked may be due much later, but for the poke."""
    kinds = Counter(row.kind for row in taken)
    return kinds[Kind.TUNING_JOB] >= rooms.tuning or kinds[Kind.TRAINING_JOB] >= rooms.training


def _named_in_log(resource: Resource) -> dict[str, str]:
    """What every line about a job carries: its name and that of its tuning job."""
    if resource.kind is Kind.TUNING_JOB:
        return {"job": resource.name, "tuning_job": resource.name}
    if resource.parent_id is None:
        return {"job": resource.name}
    return {"job": resource.name, "tuning_job": tuning_job_of(resource.name)}


def _named(error: Exception) -> str:
    """What a client may know of a fault: its kind, and for the system's own errors their text."""
    return f"{type(error).__name__}: {error.strerror}" if isinstance(error, OSError) else type(error).__name__
