"""A training job: its states, the legal moves between them, and what to do next.

`decide` is pure: the engine tells it what it sees and carries out the one instruction that comes back.  Every
instruction may be carried out again after a crash with the same effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

MOST_REASON = 1024  #: characters of a FailureReason


class Phase(StrEnum):
    """Where the engine stands with a job; SecondaryStatus is what clients see of it."""

    WAITING = "Waiting"  # for a slot
    STAGING = "Staging"  # inputs are being brought, then the attempt starts
    RUNNING = "Running"  # the attempt's runner has the job
    PACKING = "Packing"  # the processes have ended; outputs are being stored
    ENDED = "Ended"


class StopReason(StrEnum):
    """Why a job is being stopped."""

    USER = "User"
    TUNING = "Tuning"
    MAX_RUNTIME = "MaxRuntime"


class Outcome(StrEnum):
    """The counter of TrainingJobStatusCounters in which an ended job belongs."""

    COMPLETED = "Completed"
    STOPPED = "Stopped"
    RETRYABLE = "RetryableError"
    NON_RETRYABLE = "NonRetryableError"


#: SecondaryStatus -> StatusMessage, as the service words them.
MESSAGES: Mapping[str, str] = {
    "Pending": "Training job waiting for capacity",
    "Starting": "Preparing the instances for training",
    "Restarting": "Restarting the training job",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}

#: The legal moves of TrainingJobStatus.
MOVES: Mapping[str, frozenset[str]] = {
    "InProgress": frozenset({"InProgress", "Stopping", "Completed", "Failed", "Stopped"}),
    "Stopping": frozenset({"Stopping", "Stopped", "Failed"}),
    "Completed": frozenset(),
    "Failed": frozenset(),
    "Stopped": frozenset(),
}
TERMINAL = frozenset(status for status, moves in MOVES.items() if not moves)


class IllegalMove(Exception):
    """A status cannot follow from the present one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """The engine's memory of a job; everything else is in its document."""

    status: str = "InProgress"  #: TrainingJobStatus
    secondary: str = "Pending"  #: SecondaryStatus
    phase: Phase = Phase.WAITING
    transitions: tuple[Mapping[str, Any], ...] = ()  #: SecondaryStatusTransitions, oldest first
    attempt: int = 1
    cursor: int = 0  #: how far the attempt's points are imported
    latest: Mapping[str, tuple[float, float]] | None = None  #: metric -> (last value, epoch seconds)
    stop: StopReason | None = None
    started: float | None = None  #: TrainingStartTime
    ended: float | None = None  #: TrainingEndTime
    finished: float | None = None  #: when the job reached its terminal status
    used: float = 0.0  #: seconds of training in earlier attempts, which count towards MaxRuntimeInSeconds
    failure: str | None = None  #: why it will fail, also before it has
    broken: bool = False  #: whether the system is to blame for the failure
    outcome: Outcome | None = None
    tuned: Mapping[str, str] | None = None  #: TunedHyperParameters, of a tuning job's child
    objective: str | None = None  #: name of the tuning job's objective metric
    definition: str | None = None  #: TrainingJobDefinitionName, of a tuning job's child
    watched: bool = False  #: whether the tuning job wants to look whenever there is a value of the objective
    rerun: bool = False  #: whether it was tried once more because the machine was started again
    home: str | None = None  #: home directory of the server that took it, on the host that holds its slot
    boot: str | None = None  #: of that host, since when its inputs are laid out; None: not known

    def objective_value(self) -> float | None:
        """The final objective value: the last one seen, of a job that ended Completed or Stopped."""
        if self.objective is None or self.outcome not in (Outcome.COMPLETED, Outcome.STOPPED):
            return None
        seen = (self.latest or {}).get(self.objective)
        return None if seen is None else seen[0]

    @property
    def cut_short(self) -> bool:
        """Whether it was stopped, and not by its limit of time, which is the same for all of a tuning job."""
        return self.outcome is Outcome.STOPPED and self.stop is not StopReason.MAX_RUNTIME

    @classmethod
    def parse(cls, state: Mapping[str, Any]) -> TrainingJob:
        """From its stored form."""
        return cls(
            **{
                **state,
                "phase": Phase(state["phase"]),
                "transitions": tuple(state["transitions"]),
                "latest": {name: (value, at) for name, (value, at) in (state.get("latest") or {}).items()},
                "stop": StopReason(state["stop"]) if state.get("stop") else None,
                "outcome": Outcome(state["outcome"]) if state.get("outcome") else None,
            }
        )

    def dump(self) -> dict[str, Any]:
        """To its stored form."""
        return {name: getattr(self, name) for name in self.__slots__}


def created(now: float, **child: Any) -> TrainingJob:
    """A new job, waiting for a slot; `child` is what a tuning job says of its child: tuned, objective and so on."""
    return _enter(TrainingJob(**child), "InProgress", "Pending", now)


def enter(job: TrainingJob, secondary: str, phase: Phase, now: float, **changes: Any) -> TrainingJob:
    """The job in another secondary status; while it is being stopped the primary status stays Stopping."""
    return _enter(job, job.status, secondary, now, phase=phase, **changes)


def ask_to_stop(job: TrainingJob, reason: StopReason, now: float) -> TrainingJob:
    """The job on its way to Stopped."""
    return _enter(job, "Stopping", "Stopping", now, stop=reason)


def complete(job: TrainingJob, now: float) -> TrainingJob:
    """The job, Completed or, when it was asked to stop, Stopped."""
    if job.stop is None:
        return _end(job, "Completed", "Completed", Outcome.COMPLETED, now)
    secondary = "MaxRuntimeExceeded" if job.stop is StopReason.MAX_RUNTIME else "Stopped"
    return _end(job, "Stopped", secondary, Outcome.STOPPED, now)


def fail(job: TrainingJob, reason: str, now: float, *, retryable: bool = False) -> TrainingJob:
    """The job, Failed for `reason`; `retryable` says that the system is to blame and not the job."""
    outcome = Outcome.RETRYABLE if retryable else Outcome.NON_RETRYABLE
    return _end(job, "Failed", "Failed", outcome, now, failure=reason[:MOST_REASON])


def retry(job: TrainingJob, now: float) -> TrainingJob:
    """The job, waiting for a slot to be started again from the beginning."""
    used = job.used + max(0.0, now - job.started if job.started else 0.0)
    anew: dict[str, Any] = {"phase": Phase.WAITING, "cursor": 0, "started": None, "ended": None, "latest": None}
    return _enter(job, job.status, "Restarting", now, attempt=job.attempt + 1, used=used, **anew)


def begun_again(job: TrainingJob, now: float) -> TrainingJob:
    """The job, waiting for a slot of any home: nothing of it was started, and what was brought for it is elsewhere."""
    return _enter(job, job.status, "Pending", now, phase=Phase.WAITING, home=None)


def moved(job: TrainingJob, home: str) -> TrainingJob:
    """The job in another home, where none of its processes and outputs are: what had been started has been lost."""
    lost = job.phase in (Phase.RUNNING, Phase.PACKING)
    return replace(job, home=home if job.home else None, boot=None, phase=Phase.RUNNING if lost else job.phase)


def _end(job: TrainingJob, status: str, secondary: str, outcome: Outcome, now: float, **changes: Any) -> TrainingJob:
    *before, last = _transitions(job, status, secondary, now)
    now = max(now, last["StartTime"])
    transitions = (*before, {**last, "EndTime": now})
    changes |= {"phase": Phase.ENDED, "outcome": outcome, "finished": now}
    return replace(job, status=status, secondary=secondary, transitions=transitions, **changes)


def _enter(job: TrainingJob, status: str, secondary: str, now: float, **changes: Any) -> TrainingJob:
    transitions = _transitions(job, status, secondary, now)
    return replace(job, status=status, secondary=secondary, transitions=transitions, **changes)


def _transitions(job: TrainingJob, status: str, secondary: str, now: float) -> tuple[Mapping[str, Any], ...]:
    """Those of the job once it is in another status."""
    if status not in MOVES[job.status]:
        raise IllegalMove(f"{job.status} -> {status}")
    before = job.transitions
    if before and job.secondary == secondary:
        return before
    if before:  # also when the clock was put back
        now = max(now, before[-1]["StartTime"])
    entry = {"Status": secondary, "StartTime": now, "StatusMessage": MESSAGES[secondary]}
    if before:
        before = (*before[:-1], {**before[-1], "EndTime": now})
    return (*before, entry)


@dataclass(frozen=True, slots=True)
class Begin:
    """Use the slot that the job holds: bring its inputs, or start it at once if there is nothing to bring."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Bring the inputs and start the attempt."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Look at the attempt; `stop` says whether it must be told to end."""

    stop: bool


@dataclass(frozen=True, slots=True)
class Pack:
    """Store the outputs and end."""


@dataclass(frozen=True, slots=True)
class EndUnstarted:
    """End a job that was stopped before its processes started."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing more to do, ever."""


Instruction = Begin | Stage | Watch | Pack | EndUnstarted | Rest


def decide(job: TrainingJob) -> Instruction:
    """What to do next with a job."""
    match job.phase:
        case Phase.ENDED:
            return Rest()
        case Phase.WAITING:
            return EndUnstarted() if job.stop else Begin()
        case Phase.STAGING:
            return EndUnstarted() if job.stop else Stage()
        case Phase.RUNNING:
            return Watch(stop=job.stop is not None or job.failure is not None)
        case Phase.PACKING:
            return Pack()
