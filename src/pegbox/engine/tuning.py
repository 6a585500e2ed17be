"""Carrying out what a tuning job's state asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from pegbox.algorithms.base import Algorithm
from pegbox.algorithms.registry import program_of
from pegbox.crashpoints import AFTER, reach
from pegbox.domain import training, tuning
from pegbox.domain.allocation import share_out
from pegbox.domain.parents import of_the_program
from pegbox.domain.searches import Search, searches_of
from pegbox.domain.training import StopReason, TrainingJob
from pegbox.domain.tuning import Criteria, TuningJob
from pegbox.engine import stopping
from pegbox.engine.context import Context
from pegbox.engine.followed import Followed
from pegbox.engine.launching import child_row
from pegbox.engine.obstacles import Hindered
from pegbox.engine.parents import parent_studies
from pegbox.engine.proposer import Answer, Question
from pegbox.engine.questions import Asks, AtOnce, Subject
from pegbox.engine.steps import step
from pegbox.store.base import Transaction, changing
from pegbox.store.resources import Resource
from pegbox.strategies.base import Candidate, Goal, Limits, ParentStudy, Study
from pegbox.strategies.registry import MODEL_HYPERBAND

log = structlog.get_logger()

LOOK = 60.0  #: seconds between two looks without a reason; a training job that ends is a reason


class TuningWork:
    """One tuning job under a lease.  `run` goes on until it has to wait for training jobs, or for an answer."""

    def __init__(self, context: Context, resource: Resource, asks: Asks | None = None) -> None:
        self._context = context
        self._asks: Asks = asks or AtOnce(context)
        self._is_asking = False
        self._resource = resource
        self._job = TuningJob.parse(resource.status, resource.state)
        self._config = resource.document["HyperParameterTuningJobConfig"]
        self._searches = searches_of(resource.document)
        self._criteria = Criteria.of(resource.document)

    @property
    def resource(self) -> Resource:
        """The row as it was read or written last."""
        return self._resource

    def run(self) -> float | None:
        """Do what can be done now; returns the seconds until the next look, or None for never."""
        if self._job.status in tuning.TERMINAL:
            return None
        followed = self._context.followed.take(self._resource.id) or self._follow()
        seconds = self._go_on(followed)
        if self._job.status in tuning.TERMINAL:
            self._asks.forget(self._resource.id)
        else:
            self._context.followed.keep(self._resource.id, followed)
        return seconds

    def _follow(self) -> Followed:
        return Followed(self._searches, stopping.rule_of(self._resource.document, self._job.seed))

    def _go_on(self, followed: Followed) -> float | None:
        while self._job.status not in tuning.TERMINAL:
            with self._context.store.reading() as tx:
                followed.refresh(tx, self._resource.id)
                if tuning.looks_hopeless(self._job, followed.standing):
                    followed.note_values(tx)
            if numbers := followed.to_stop():
                self._stop(followed, numbers)
                continue
            match tuning.decide(self._job, followed.standing, self._criteria, self._context.clock()):
                case tuning.Propose(count=count):
                    if self._propose(followed, count):
                        seconds = _patience(tuning.runtime_left(self._job, self._context.clock()))
                        # Another server asks again when this one dies, as if its lease had run out.
                        return min(seconds, self._context.settings.lease) if self._is_asking else seconds
                case tuning.StopChildren(numbers=numbers):
                    self._stop(followed, numbers)
                case tuning.NoteConvergence():
                    self._transact(replace(self._job, converged=self._context.clock()))
                case tuning.End(reason=reason):
                    self._transact(replace(self._job, ending=reason))
                case tuning.Fail(reason=reason):
                    self._transact(replace(self._job, failure=reason))
                case tuning.Finish(status=status, reason=reason):
                    if self._config["Strategy"] == "Hyperband" and followed.is_idle:
                        log.warning("no training job published its objective twice: Hyperband had nothing to judge")
                    self._finish(status, reason)
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

    def _finish(self, status: str, reason: str | None) -> None:
        failure = reason if status == "Failed" else self._job.failure
        ending = reason if status == "Completed" else self._job.ending
        self._transact(replace(self._job, status=status, failure=failure, ending=ending))
        self._context.observer.ended(self._resource.kind, status)
        log.info("tuning job ended", status=status, reason=reason)

    @step
    def _propose(self, followed: Followed, count: int) -> bool:
        """Launch what the strategy proposes; True when there is nothing to do before a training job ends or a poke."""
        self._is_asking = False
        if not followed.count:
            for search in self._searches:
                self._context.executor.prepare(_trainer(search))
        standing = followed.standing
        shares = share_out(
            count,
            self._job.most,
            standing.launched,
            standing.results,
            [search.name not in self._job.exhausted for search in self._searches],
            self._searches[0].maximize,
        )
        done = [self._propose_for(followed, place, share) for place, share in enumerate(shares) if share]
        return all(done)

    def _propose_for(self, followed: Followed, place: int, count: int) -> bool:
        """The same for one definition."""
        answer = self._ask(followed, place, count)
        if answer is None:
            self._is_asking = True
            return True
        if candidates := answer.candidates[:count]:  # fewer may be wanted by now
            self._launch(followed, place, candidates, self._expecting(place, answer.expected))
            return len(candidates) >= count
        if answer.exhausted:
            name = self._searches[place].name
            self._transact(replace(self._job, exhausted=(*self._job.exhausted, name)))
        elif answer.fault and answer.is_passing:
            raise Hindered("The search strategy gives no answer. See the server's log.")
        elif answer.fault:
            reason = "InternalServerError: the search strategy failed. See the server's log."
            self._transact(replace(self._job, failure=reason))
        else:
            return True  # it wants to see a result first
        return False

    def _expecting(self, place: int, gain: float | None) -> TuningJob:
        """The job with what a model says of a definition."""
        if gain is None:
            return self._job
        return self._job.expecting(self._searches[place].name, gain)

    def _ask(self, followed: Followed, place: int, count: int) -> Answer | None:
        """The strategy's answer; None when it comes later."""
        strategy = MODEL_HYPERBAND if self._job.asks_model else self._config["Strategy"]
        key = (self._resource.id, place)
        answer = self._asks.ask(
            Subject(*key, launched=len(followed.trials[place])),
            lambda: Question(strategy, self._study(followed, place), count, key),
        )
        if answer is None:
            return None
        if answer.fault:
            log.warning("the strategy failed", strategy=strategy, fault=answer.fault)
        reach(AFTER, "proposal")
        return answer

    def _study(self, followed: Followed, place: int) -> Study:
        search, parents = self._searches[place], self._parents(followed)
        return Study(
            space=followed.space(place),
            goal=Goal.MAXIMIZE if search.maximize else Goal.MINIMIZE,
            limits=Limits(most=self._job.most, at_once=self._job.at_once),
            seed=self._job.seed + place,  # two definitions with one space are two searches
            trials=tuple(followed.trials[place]),
            static=of_the_program(search.static) if parents else {},
            parents=parents,
            early_stopping=self._config.get("TrainingJobEarlyStoppingType") == "Auto",
        )

    def _parents(self, followed: Followed) -> tuple[ParentStudy, ...]:
        if followed.parents is None:
            with self._context.store.reading() as tx:
                followed.parents = parent_studies(self._resource.document, tx)
        return followed.parents

    def _launch(self, followed: Followed, place: int, candidates: Sequence[Candidate], job: TuningJob) -> None:
        """Insert the new training jobs, all or none; names and numbers are the same when this is done again."""
        search, now = self._searches[place], self._context.clock()
        launched = followed.highest
        with self._context.store.transaction(lasting=False) as tx:  # proposed again, they are the same
            self._save(tx, job)
            rows = [
                tx.insert(
                    child_row(
                        self._resource,
                        self._job,
                        search,
                        number,
                        candidate.values,
                        now,
                        watched=followed.is_judged,
                    )
                )
                for number, candidate in enumerate(candidates, start=launched + 1)
            ]
        followed.add(rows, place, [candidate.values for candidate in candidates])
        self._context.poke([row.id for row in rows])

    @step
    def _stop(self, followed: Followed, numbers: Sequence[int]) -> None:
        identities = [followed.rows[number].id for number in numbers]
        for identity in identities:
            stop_training_job(self._context, identity, StopReason.TUNING)
        self._context.poke(identities)

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


def _trainer(search: Search) -> str | None:
    """The module of the built-in algorithm that the training jobs of a definition will run, if they do."""
    meaning = program_of(search.definition["AlgorithmSpecification"]["TrainingImage"], search.static)
    return meaning.trainer if isinstance(meaning, Algorithm) else None


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
