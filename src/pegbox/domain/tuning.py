"""A tuning job: what to do next, given its training jobs.

`decide` is pure and is asked again after every change; what it says depends on rows alone, so any server may ask at any
time.  (SageMaker developer guide, "How Hyperparameter Tuning Works", "Track and set completion criteria for your tuning
job"; API reference, HyperParameterTuningJobConfig.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pegbox.domain.completion import ASKS
from pegbox.domain.parents import is_identical
from pegbox.domain.searches import DEFINITION_NAME, searches_of
from pegbox.domain.standing import Standing
from pegbox.domain.training import Outcome

EARLY_FAILURES = 10  #: this many failures at the start, and nothing else, end the tuning job
#: the service's own words
ALL_FAILED = "All training jobs failed. Please take a look at the training jobs failures to get more details."
TIME_IS_UP = "MaxRuntimeInSeconds of the hyperparameter tuning job, or the server's limit on it, is reached."

TERMINAL = frozenset({"Completed", "Failed", "Stopped"})
STATUSES = ("Completed", "InProgress", "Failed", "Stopped", "Stopping", "Deleting", "DeleteFailed")


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningJob:
    """What the engine must know of a tuning job."""

    status: str = "InProgress"
    most: int  #: MaxNumberOfTrainingJobs
    at_once: int  #: MaxParallelTrainingJobs
    seconds: float | None  #: it may run, by MaxRuntimeInSeconds or the server's limit; None, of old ones: no limit
    created: float
    seed: int
    asks_model: bool = False  #: whether Strategy Hyperband asks a model, as the setting was at the creation
    exhausted: tuple[str, ...] = ()  #: definitions in which the strategy has nothing left to propose
    failure: str | None = None  #: why it must end, also before it has
    ending: str | None = None  #: why it ends as Completed before all training jobs were launched
    converged: float | None = None  #: ConvergenceDetectedTime
    #: by definition, what the model of the search expected a training job to gain on the best, at most, at each of the
    #: last asks, the newest last
    expected: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @classmethod
    def parse(cls, status: str, state: Mapping[str, Any]) -> TuningJob:
        """From its row."""
        exhausted = state.get("exhausted") or ()
        if exhausted is True:  # as it was before there could be several definitions
            exhausted = (DEFINITION_NAME,)
        expected = {
            name: gains if isinstance(gains, list) else [gains]  # of one ask, as it was
            for name, gains in (state.get("expected") or {}).items()
        }
        return cls(status=status, **{**state, "exhausted": tuple(exhausted), "expected": expected})

    def expecting(self, definition: str, gain: float) -> TuningJob:
        """The same with what the model of a definition expected at one more ask."""
        gains = [*self.expected.get(definition, ()), gain][-ASKS:]
        return replace(self, expected={**self.expected, definition: gains})

    def dump(self) -> dict[str, Any]:
        """To its stored form; the status has a column of its own."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "status"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What a tuning job's document says about its end; it never changes."""

    definitions: tuple[str, ...] = (DEFINITION_NAME,)
    dimensions: int = 1  #: tuned hyperparameters, of the definition that has most
    target: float | None = None  #: TargetObjectiveMetricValue
    not_improving: int | None = None  #: MaxNumberOfTrainingJobsNotImproving
    on_convergence: bool = False  #: CompleteOnConvergence
    inherits: bool = False  #: whether what its parents have tried is not tried again
    has_model: bool = False  #: whether a model of the objective is to say what may still be gained

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Criteria:
        """From the document."""
        searches = searches_of(document)
        given = document["HyperParameterTuningJobConfig"].get("TuningJobCompletionCriteria") or {}
        return cls(
            definitions=tuple(search.name for search in searches),
            dimensions=max(_dimensions(search.ranges) for search in searches),
            target=given.get("TargetObjectiveMetricValue"),
            not_improving=(given.get("BestObjectiveNotImproving") or {}).get("MaxNumberOfTrainingJobsNotImproving"),
            on_convergence=(given.get("ConvergenceDetected") or {}).get("CompleteOnConvergence") == "Enabled",
            inherits=is_identical(document),
            has_model=document["HyperParameterTuningJobConfig"]["Strategy"] == "Bayesian",
        )


def _dimensions(ranges: Mapping[str, Any]) -> int:
    lists = ("IntegerParameterRanges", "ContinuousParameterRanges", "CategoricalParameterRanges")
    return sum(len(ranges.get(name) or ()) for name in lists)


@dataclass(frozen=True, slots=True)
class Propose:
    """Ask the strategy for so many configurations and launch them."""

    count: int


@dataclass(frozen=True, slots=True)
class StopChildren:
    """Stop these training jobs, by number."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NoteConvergence:
    """The search has converged, for the first time seen now."""


@dataclass(frozen=True, slots=True)
class End:
    """A completion criterion is met: launch nothing more, stop what runs, then finish as Completed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Fail:
    """Nothing can come of the search: launch nothing more, stop what runs, then finish as Failed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Finish:
    """End the tuning job."""

    status: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before a training job ends, or before `seconds` have passed."""

    seconds: float | None


Instruction = Propose | StopChildren | NoteConvergence | End | Fail | Finish | Wait


def decide(job: TuningJob, standing: Standing, criteria: Criteria, now: float) -> Instruction:
    """What to do next."""
    active = standing.active.values()
    if ending := _ending(job, standing):
        running = tuple(child.number for child in active if not child.stopping)
        if running:
            return StopChildren(running)
        return Wait(None) if active else ending
    if looks_hopeless(job, standing) and not any(child.has_value for child in active):
        return Fail(ALL_FAILED) if active else Finish("Failed", ALL_FAILED)
    if job.converged is None and _has_converged(job, standing, criteria):
        return NoteConvergence()
    if reason := _met(job, standing, criteria, now):
        return End(reason)
    left = job.most - standing.count
    if left <= 0 or set(job.exhausted).issuperset(criteria.definitions):
        if active:
            return Wait(runtime_left(job, now))
        return _completed(standing, _exhausted(standing.count, criteria) if left > 0 else None)
    free = min(job.at_once - len(active), left)
    return Propose(free) if free > 0 else Wait(runtime_left(job, now))


def _ending(job: TuningJob, standing: Standing) -> Finish | None:
    """How the job ends once its running training jobs have been stopped, if it must end now."""
    if job.failure is not None:
        return Finish("Failed", job.failure)
    if job.status == "Stopping":
        return Finish("Stopped")
    return None if job.ending is None else _completed(standing, job.ending)


def _has_converged(job: TuningJob, standing: Standing, criteria: Criteria) -> bool:
    """By the results, and if there is a model, by what it expected in each of the definitions."""
    if not criteria.has_model:
        return standing.improvement.has_converged(criteria.dimensions)
    gains = [job.expected.get(name, ()) for name in criteria.definitions if name not in job.exhausted]
    if any(len(of_definition) < ASKS for of_definition in gains):
        return False
    return standing.improvement.has_converged(criteria.dimensions, max(map(max, gains), default=0.0))


def looks_hopeless(job: TuningJob, standing: Standing) -> bool:
    """Nothing but failures so far, and enough of them; jobs that were stopped without a result count neither way.

    A running job that has published a value is hope, so `decide` must then know which have.
    """
    failed = standing.outcomes[Outcome.NON_RETRYABLE]
    return failed >= min(EARLY_FAILURES, job.most) and failed + standing.stopped_empty == standing.ended


def _met(job: TuningJob, standing: Standing, criteria: Criteria, now: float) -> str | None:
    """The completion criterion that is met, in words."""
    improvement = standing.improvement
    left = runtime_left(job, now)
    if left is not None and left <= 0:
        return TIME_IS_UP
    if criteria.target is not None and improvement.has_reached(criteria.target):
        return f"A training job has reached TargetObjectiveMetricValue [{criteria.target!r}]."
    if criteria.not_improving is not None and improvement.not_improving >= criteria.not_improving:
        return f"The best objective has not improved for {improvement.not_improving} training jobs."
    if criteria.on_convergence and job.converged is not None:
        return "The search has converged."
    return None


def runtime_left(job: TuningJob, now: float) -> float | None:
    """Seconds until its time is up; None without a limit."""
    return None if job.seconds is None else job.created + job.seconds - now


def _exhausted(count: int, criteria: Criteria) -> str:
    if criteria.inherits:
        return (
            f"The search space is exhausted: all of its configurations have been tried, {count} of them by this tuning "
            "job and the others by its parents."
        )
    return f"The search space is exhausted: all of its configurations ({count}) have been tried."


def _completed(standing: Standing, reason: str | None = None) -> Finish:
    if standing.failed and not standing.succeeded:
        return Finish("Failed", ALL_FAILED)
    return Finish("Completed", reason)
