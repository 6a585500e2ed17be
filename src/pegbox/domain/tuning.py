"""A tuning job: what to do next, given its training jobs.

`decide` is pure and is asked again after every change; what it says depends on rows alone, so any server may ask at any
time.  (SageMaker developer guide, "How Hyperparameter Tuning Works"; API reference, HyperParameterTuningJobConfig.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pegbox.domain.training import Outcome

EARLY_FAILURES = 10  #: this many failures at the start, and nothing else, end the tuning job
#: the service's own words
ALL_FAILED = "All training jobs failed. Please take a look at the training jobs failures to get more details."

TERMINAL = frozenset({"Completed", "Failed", "Stopped"})
STATUSES = ("Completed", "InProgress", "Failed", "Stopped", "Stopping", "Deleting", "DeleteFailed")


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningJob:
    """What the engine must know of a tuning job."""

    status: str = "InProgress"
    most: int  #: MaxNumberOfTrainingJobs
    at_once: int  #: MaxParallelTrainingJobs
    seconds: int | None  #: ResourceLimits.MaxRuntimeInSeconds; None is no limit
    created: float
    seed: int
    exhausted: bool = False  #: the strategy has nothing left to propose
    failure: str | None = None  #: why it must end, also before it has

    @classmethod
    def parse(cls, status: str, state: Mapping[str, Any]) -> TuningJob:
        """From its row."""
        return cls(status=status, **state)

    def dump(self) -> dict[str, Any]:
        """To its stored form; the status has a column of its own."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "status"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """What the tuning job must know of one of its training jobs."""

    number: int
    outcome: Outcome | None  #: None while it has not ended
    objective: float | None = None  #: final value, of one that ended Completed or Stopped
    stopping: bool = False

    @property
    def active(self) -> bool:
        """Whether it holds one of the places of MaxParallelTrainingJobs."""
        return self.outcome is None


@dataclass(frozen=True, slots=True)
class Propose:
    """Ask the strategy for so many configurations and launch them."""

    count: int


@dataclass(frozen=True, slots=True)
class StopChildren:
    """Stop these training jobs, by number."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """End the tuning job."""

    status: str
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before a training job ends, or before `seconds` have passed."""

    seconds: float | None


Instruction = Propose | StopChildren | Finish | Wait


def decide(job: TuningJob, children: Sequence[Child], now: float) -> Instruction:
    """What to do next."""
    active = [child for child in children if child.active]
    if ending := _ending(job, children, now):
        running = tuple(child.number for child in active if not child.stopping)
        if running:
            return StopChildren(running)
        return Wait(None) if active else ending
    left = job.most - len(children)
    if job.exhausted or left <= 0:
        return Wait(runtime_left(job, now)) if active else _completed(children)
    free = min(job.at_once - len(active), left)
    return Propose(free) if free > 0 else Wait(runtime_left(job, now))


def _ending(job: TuningJob, children: Sequence[Child], now: float) -> Finish | None:
    """How the job ends once its running training jobs have been stopped, if it must end now."""
    if job.failure is not None:
        return Finish("Failed", job.failure)
    if job.status == "Stopping":
        return Finish("Stopped")
    if _hopeless(job, children):
        return Finish("Failed", ALL_FAILED)
    left = runtime_left(job, now)
    return _completed(children) if left is not None and left <= 0 else None


def _hopeless(job: TuningJob, children: Sequence[Child]) -> bool:
    """Nothing but failures so far, and enough of them; jobs that were stopped without a result count neither way."""
    ended = [child for child in children if not child.active]
    failed = sum(child.outcome is Outcome.NON_RETRYABLE for child in ended)
    stopped = sum(child.outcome is Outcome.STOPPED and child.objective is None for child in ended)
    return failed >= min(EARLY_FAILURES, job.most) and failed + stopped == len(ended)


def runtime_left(job: TuningJob, now: float) -> float | None:
    """Seconds until ResourceLimits.MaxRuntimeInSeconds is reached; None without such a limit."""
    return None if job.seconds is None else job.created + job.seconds - now


def _completed(children: Sequence[Child]) -> Finish:
    failed = any(child.outcome in (Outcome.RETRYABLE, Outcome.NON_RETRYABLE) for child in children)
    succeeded = any(child.outcome is Outcome.COMPLETED or child.objective is not None for child in children)
    return Finish("Failed", ALL_FAILED) if failed and not succeeded else Finish("Completed")
