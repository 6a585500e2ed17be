"""Carrying out what a tuning job's state asks for."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from pegbox.algorithms.base import Algorithm
from pegbox.algorithms.registry import program_of
from pegbox.crashpoints import AFTER, reach
from pegbox.domain import training, tuning
from pegbox.domain.children import child_document, child_name
from pegbox.domain.ranges import parse_ranges
from pegbox.domain.training import Outcome, StopReason, TrainingJob
from pegbox.domain.tuning import Child, TuningJob
from pegbox.engine.context import Context
from pegbox.engine.observer import step
from pegbox.engine.obstacles import Hindered
from pegbox.engine.proposer import Question
from pegbox.naming import arn
from pegbox.store.base import Child as ChildRow
from pegbox.store.base import Kind, Resource, Transaction, changing
from pegbox.strategies.base import Candidate, Goal, Limits, Study, Trial, TrialState

log = structlog.get_logger()

LOOK = 60.0  #: seconds between two looks without a reason; a training job that ends is a reason


class TuningWork:
    """One tuning job under a lease.  `run` goes on until it has to wait for training jobs."""

    def __init__(self, context: Context, resource: Resource) -> None:
        self._context = context
        self._resource = resource
        self._job = TuningJob.parse(resource.status, resource.state)

    def run(self) -> float | None:
        """Do what can be done now; returns the seconds until the next look, or None for never."""
        while self._job.status not in tuning.TERMINAL:
            with self._context.store.reading() as tx:
                children = tx.children(self._resource.id)
            match tuning.decide(self._job, [_child(row) for row in children], self._context.clock()):
                case tuning.Propose(count=count):
                    if self._propose(children, count):
                        return _patience(tuning.runtime_left(self._job, self._context.clock()))
                case tuning.StopChildren(numbers=numbers):
                    self._stop([row.id for row in children if row.number in numbers])
                case tuning.Finish(status=status, failure=failure):
                    self._transact(replace(self._job, status=status, failure=failure))
                    self._context.observer.ended(self._resource.kind, status)
                    log.info("tuning job ended", status=status, reason=failure)
                case tuning.Wait(seconds=seconds):
                    return _patience(seconds)
        return None

    patient = False  #: nothing here is worth trying for a day

    def give_up(self, reason: str) -> None:
        """Let the job fail for a fault of the server's own, once its training jobs have been stopped."""
        if self._job.failure is None:
            self._transact(replace(self._job, failure=reason))
        elif self._job.status not in tuning.TERMINAL:
            self._transact(replace(self._job, status="Failed"))

    @step
    def _propose(self, children: Sequence[ChildRow], count: int) -> bool:
        """Launch what the strategy proposes; True when there is nothing to do before a training job ends."""
        strategy = self._resource.document["HyperParameterTuningJobConfig"]["Strategy"]
        if not children:
            self._context.executor.prepare(self._trainer())
        began = time.perf_counter()
        answer = self._context.proposer.ask(Question(strategy, self._study(children), count))
        self._context.observer.asked(strategy, time.perf_counter() - began, answer.fault is not None)
        if answer.fault:
            log.warning("the strategy failed", strategy=strategy, fault=answer.fault)
        reach(AFTER, "proposal")
        if answer.candidates:
            self._launch(len(children), answer.candidates)
            return len(answer.candidates) >= count
        if answer.exhausted:
            self._transact(replace(self._job, exhausted=True))
        elif answer.fault and answer.is_passing:
            raise Hindered("The search strategy gives no answer. See the server's log.")
        elif answer.fault:
            reason = "InternalServerError: the search strategy failed. See the server's log."
            self._transact(replace(self._job, failure=reason))
        else:
            return True  # it wants to see a result first
        return False

    def _launch(self, launched: int, candidates: Sequence[Candidate]) -> None:
        """Insert the new training jobs, all or none; names and numbers are the same when this is done again."""
        with self._context.store.transaction(lasting=False) as tx:  # proposed again, they are the same
            self._save(tx, self._job)
            rows = [
                self._insert(tx, launched + place, candidate) for place, candidate in enumerate(candidates, start=1)
            ]
        self._context.tuned.add(
            self._resource.id, {row.id: candidate.values for row, candidate in zip(rows, candidates, strict=True)}
        )
        self._context.poke([row.id for row in rows])

    def _insert(self, tx: Transaction, number: int, candidate: Candidate) -> Resource:
        resource, now = self._resource, self._context.clock()
        config = resource.document["HyperParameterTuningJobConfig"]
        name = child_name(resource.name, self._job.seed, self._job.created, number)
        own = arn(Kind.TUNING_JOB, resource.name, account=resource.account, region=resource.region)
        job = training.created(
            now, tuned=candidate.values, objective=config["HyperParameterTuningJobObjective"]["MetricName"]
        )
        return tx.insert(
            Resource(
                account=resource.account,
                region=resource.region,
                kind=Kind.TRAINING_JOB,
                name=name,
                parent_id=resource.id,
                number=number,
                status=job.status,
                created_at=now,
                modified_at=now,
                document=child_document(resource.document, own, name, candidate.values),
                state=job.dump(),
                due_at=0.0,
            )
        )

    def _trainer(self) -> str | None:
        """The module of the built-in algorithm that the training jobs will run, if they do."""
        job = self._resource.document["TrainingJobDefinition"]
        meaning = program_of(job["AlgorithmSpecification"]["TrainingImage"], job["StaticHyperParameters"])
        return meaning.trainer if isinstance(meaning, Algorithm) else None

    @step
    def _stop(self, identities: Sequence[int]) -> None:
        for identity in identities:
            stop_training_job(self._context, identity, StopReason.TUNING)
        self._context.poke(identities)

    def _study(self, children: Sequence[ChildRow]) -> Study:
        document = self._resource.document
        config = document["HyperParameterTuningJobConfig"]
        values = self._context.tuned.of(self._context.store, self._resource.id, [row.id for row in children])
        return Study(
            space=parse_ranges(config["ParameterRanges"], document["TrainingJobDefinition"]["StaticHyperParameters"]),
            goal=Goal(config["HyperParameterTuningJobObjective"]["Type"]),
            limits=Limits(most=self._job.most, at_once=self._job.at_once),
            seed=self._job.seed,
            trials=tuple(_trial(row, values[row.id]) for row in children),
        )

    def _transact(self, job: TuningJob) -> None:
        with self._context.store.transaction() as tx:
            self._save(tx, job)

    def _save(self, tx: Transaction, job: TuningJob) -> None:
        now = self._context.clock()
        ended = now if job.status in tuning.TERMINAL else None
        changed = replace(self._resource, status=job.status, state=job.dump(), modified_at=now, ended_at=ended)
        self._resource = tx.save(changed, leased=True)
        self._job = job


def _patience(left: float | None) -> float:
    """Seconds until the next look without a reason, when something is due in so many, if ever."""
    return LOOK if left is None else min(LOOK, max(0.05, left))


def stop_training_job(context: Context, identity: int, reason: StopReason) -> None:
    """Ask a training job to stop, whoever works on it now; one that has ended is left alone."""

    def stop(tx: Transaction) -> None:
        row = tx.by_id(identity)
        job = TrainingJob.parse(row.state)
        if job.status == "InProgress":
            job = training.ask_to_stop(job, reason, context.clock())
            tx.save(replace(row, status=job.status, state=job.dump(), modified_at=context.clock()))
            tx.mark_due([identity])

    changing(context.store, stop)


def _child(row: ChildRow) -> Child:
    return Child(
        number=row.number,
        outcome=Outcome(row.outcome) if row.outcome else None,
        objective=row.objective,
        stopping=row.status == "Stopping",
    )


def _trial(row: ChildRow, values: Mapping[str, str]) -> Trial:
    return Trial(number=row.number, values=values, state=_trial_state(row), objective=row.objective)


def _trial_state(row: ChildRow) -> TrialState:
    if row.outcome is None:
        return TrialState.RUNNING
    if row.objective is None:
        return TrialState.FAILED
    return TrialState.FINISHED if row.outcome == Outcome.COMPLETED else TrialState.STOPPED
