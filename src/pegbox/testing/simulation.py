"""The real engine and store on virtual time and one thread, with simulated trainings.

One turn at a time: whatever somebody has asked to be looked at is claimed, worked on and let go of; when nothing is
left to do, the clock goes to the next event.  The same seed gives the same run.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from pegbox.engine.ballast import Ballast
from pegbox.engine.clock import elapsed
from pegbox.engine.context import Context
from pegbox.engine.kept import KeptJobs
from pegbox.engine.mailbox import Mailbox
from pegbox.engine.outage import Outage
from pegbox.engine.proposer import Answer, Proposer, Question, answer
from pegbox.engine.questions import AtOnce, Questions
from pegbox.engine.training import TrainingWork
from pegbox.engine.tuning import TuningWork
from pegbox.executors.base import Attempt
from pegbox.objects.base import Location, NoSuchObject, ObjectInfo, at_any_time, unseen
from pegbox.operations import training_jobs, tuning_jobs
from pegbox.operations.call import Call
from pegbox.settings import Settings
from pegbox.store.base import Stale
from pegbox.store.image import Image
from pegbox.store.resources import JOBS, Kind, Resource
from pegbox.store.sql import SqlStore
from pegbox.testing.simulated_executor import SimulatedExecutor, Training

ACCOUNT, REGION, HOST = "000000000000", "us-east-1", "here"
ANSWERS = 0.2  #: share of steps in which a late answer comes
LEASE = 3600.0  #: seconds
TICK = 3600.0  #: seconds of real time that say nothing here: all news is told


class Simulation:
    """A server without HTTP, processes and threads.

    train: what an attempt does.  order: seeds the order in which work that is due at once is done.
    crash: asked before each piece of work whether the server dies now, and then has forgotten all that is not in the
    database.  together: virtual seconds whose events the engine hears of at once, as a busy one does.
    late: strategies answer some steps later, whatever happens meanwhile; else at once.
    """

    def __init__(
        self,
        folder: Path,
        train: Callable[[Attempt], Training],
        *,
        slots: int = 100,
        order: int | None = None,
        crash: Callable[[], bool] = lambda: False,
        database: str | None = None,
        proposer: Proposer | None = None,
        together: float = 0.0,
        late: bool = False,
        hyperband_model: bool = False,
    ) -> None:
        self.store = SqlStore(database or f"sqlite:///{folder / 'pegbox.db'}")
        self.store.images.put(Image(name="simulated", command=("true",), created_at=0.0))
        self.mailbox = Mailbox()
        self.executor = SimulatedExecutor(train, self.mailbox.heard)
        self.turns = 0
        self._settings = Settings(home=folder / "home", slots=slots, tick=TICK, hyperband_model=hyperband_model)
        self._proposer, self._crash, self._together = proposer or _Here(), crash, together
        self._random = None if order is None else random.Random(order)
        self._seeds = random.Random(order)
        self._done: list[tuple[Resource, float | None]] = []
        self._late, self._desk = late, list[Callable[[], None]]()
        self._dice = random.Random(order)  # when late answers come
        self._begin()

    def _begin(self) -> None:
        """What a server has in memory."""
        self._done, self._desk = [], []
        self._context = self._make_context()
        self._kept = KeptJobs(self._context, self._settings.slots)
        asks = Questions(self._context, self.mailbox.poke, self._desk.append)
        self._asks = asks if self._late else AtOnce(self._context)

    def _make_context(self) -> Context:
        return Context(
            settings=self._settings,
            host=HOST,
            store=self.store,
            executor=self.executor,
            objects=Nowhere(),
            proposer=self._proposer,
            find_image=self.store.images.find,
            clock=lambda: self.executor.now,
            poke=self.mailbox.poke,
            database=Outage("the database", time.monotonic),
            ballast=Ballast(self._settings.home),
        )

    def call(self) -> Call:
        """A call of an operation by the only user."""
        return Call(
            request_id="simulated",
            account=ACCOUNT,
            region=REGION,
            key_id="simulated",
            store=self.store,
            clock=lambda: self.executor.now,
            seed=lambda: self._seeds.getrandbits(31),
            find_image=self.store.images.find,
            poke=self.mailbox.poke,
            most_tuning_jobs=10_000,
            most_warm_start_changes=self._settings.warm_start_changes,
            hyperband_model=self._settings.hyperband_model,
        )

    def create(self, request: Mapping[str, Any]) -> str:
        """CreateHyperParameterTuningJob; returns the job's name."""
        document: Any = dict(request)
        tuning_jobs.create_hyper_parameter_tuning_job(document, self.call())
        return str(document["HyperParameterTuningJobName"])

    def describe(self, name: str) -> dict[str, Any]:
        """DescribeHyperParameterTuningJob, before it goes to the wire."""
        return tuning_jobs.describe_hyper_parameter_tuning_job({"HyperParameterTuningJobName": name}, self.call())

    def describe_training(self, name: str) -> dict[str, Any]:
        """DescribeTrainingJob, before it goes to the wire."""
        return training_jobs.describe_training_job({"TrainingJobName": name}, self.call())

    def children(self, name: str) -> list[dict[str, Any]]:
        """All of ListTrainingJobsForHyperParameterTuningJob, in launch order."""
        found: list[dict[str, Any]] = []
        request: Any = {"HyperParameterTuningJobName": name, "MaxResults": 100, "SortBy": "CreationTime"}
        while True:
            page = tuning_jobs.list_training_jobs_for_hyper_parameter_tuning_job(request, self.call())
            found += page["TrainingJobSummaries"]
            if "NextToken" not in page:
                return found
            request["NextToken"] = page["NextToken"]

    def step(self) -> bool:
        """Do what is due, or let the next thing happen.  False when all tuning jobs have ended."""
        if self._desk and self._dice.random() < ANSWERS:
            self._desk.pop(0)()
            return True
        if poked := set(self.mailbox.take(frozenset())):
            kept = self._kept.present(self._kept.take(poked, 0.0))
            others = sorted(poked.difference(work.resource.id for work in kept))
            self._carry_out([*kept, *(self._claim(others) if others else ())])
            return True
        if self.executor.advance(self._together):
            return True
        if self._desk:
            self._desk.pop(0)()
            return True
        with self.store.reading() as tx:
            if tx.live(ACCOUNT, REGION, Kind.TUNING_JOB) == 0:
                return False
        due: list[Resource | TrainingWork] = [*self._kept.present(self._kept.take((), math.inf)), *self._claim(None)]
        if not due:
            raise AssertionError("nothing is due and nothing will happen: a job would never end")
        self._carry_out(due)
        return True

    def run(self) -> None:
        """Until all tuning jobs have ended."""
        while self.step():
            pass

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    def _claim(self, poked: Collection[int] | None) -> Collection[Resource]:
        """Let go of what is done and take what is due, as the engine does in one transaction."""
        done, self._done = self._done, []
        return self.store.claim("simulated", HOST, LEASE, 1000, poked, slots=self._settings.slots, done=done)

    def _carry_out(self, taken: Collection[Resource | TrainingWork]) -> None:
        works = [self._work_on(each) if isinstance(each, Resource) else each for each in taken]
        if self._random is not None:
            self._random.shuffle(works)
        for work in works:
            self.turns += 1
            if self._crash():
                self.start_again()
                return
            self._run(work)

    def _run(self, work: TuningWork | TrainingWork) -> None:
        """Let it do what it can, and keep it, or let go of it with the next claim, as the engine does."""
        try:
            due_in = work.run()
        except Stale:  # a search has stopped a job that was claimed with it: looked at again, as by the engine
            due_in = 0.0
        if due_in and isinstance(work, TrainingWork) and work.goes_on and self._kept.keep(work, 1.0):
            return
        self._done.append((work.resource, due_in))
        if due_in == 0.0:
            self.mailbox.poke([work.resource.id])

    def _work_on(self, row: Resource) -> TuningWork | TrainingWork:
        if row.kind is Kind.TUNING_JOB:
            return TuningWork(self._context, row, self._asks)
        return TrainingWork(self._context, row, elapsed())

    def start_again(self, **changed: Any) -> None:
        """As a server that was killed: leases end, memory is lost, everything is looked at again.

        changed: settings that the server that comes after it has.
        """
        self._settings = replace(self._settings, **changed)
        self.store.expire("simulated")
        self._begin()
        with self.store.reading() as tx:
            living = [row.id for row in _unfinished(tx)]
        self.mailbox.poke(living)


def _unfinished(tx: Any) -> list[Resource]:
    from pegbox.store.queries import Query

    found: list[Resource] = []
    for kind in JOBS:
        after = None
        while True:
            page = tx.select(Query(account=ACCOUNT, region=REGION, kind=kind), after, 1000)
            found += [row for row in page.resources if row.ended_at is None]
            if (after := page.after) is None:
                break
    return found


class _Here:
    """Asks the strategy in this process."""

    def ask(self, question: Question) -> Answer:
        """Ask the strategy."""
        return answer(question)

    def close(self) -> None:
        """Nothing to let go of."""


class Nowhere:
    """An ObjectStore that takes everything and keeps nothing."""

    def open(self, account: str, location: Location, seen: Callable[[ObjectInfo], None] = unseen) -> BinaryIO:
        """There is nothing."""
        raise NoSuchObject(str(location))

    def put(self, account: str, location: Location, source: BinaryIO, confirm: Callable[[], None] = at_any_time) -> str:
        """Let it go."""
        confirm()
        return "0" * 32

    def list(self, account: str, prefix: Location) -> Iterator[ObjectInfo]:
        """There is nothing."""
        return iter(())

    def check(self, account: str, location: Location) -> None:
        """Every bucket is there."""

    def delete(self, account: str, location: Location, confirm: Callable[[], None] = at_any_time) -> None:
        """There is nothing."""
        confirm()

    def fetch(self, account: str, location: Location, into: Path) -> ObjectInfo:
        """There is nothing."""
        raise NoSuchObject(str(location))
