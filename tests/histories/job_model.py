"""The sequential model of jobs: a few names that nobody has used, and what can be done with them.

State:    one entry a job, (name in lower case, name as it was given, status), sorted.
Create:   refused when there is a job of the name, in whatever case.
Stop:     InProgress becomes Stopping.  A training job that stops or has ended is refused; a tuning job that stops is
          not.  A job that is not there is missing.
Describe: the name as it was given, and the status.
List:     every job, once.
By itself a job that is InProgress ends, and one that is Stopping ends, but never Completed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from pegbox.testing.linearisability import UNANSWERED, Call

Job = tuple[str, str, str]
Jobs = tuple[Job, ...]

#: status -> what a training job may be a moment later, without a call
TRAINING: Mapping[str, frozenset[str]] = {
    "InProgress": frozenset({"InProgress", "Completed", "Failed"}),
    "Stopping": frozenset({"Stopping", "Stopped", "Failed"}),
    "Completed": frozenset({"Completed"}),
    "Failed": frozenset({"Failed"}),
    "Stopped": frozenset({"Stopped"}),
}
TUNING = TRAINING  #: the same words, and nothing stops a tuning job but a call


@dataclass(frozen=True, slots=True)
class JobModel:
    """Jobs of one kind; `stops_again` says whether a Stopping one may be stopped once more."""

    moves: Mapping[str, frozenset[str]]
    stops_again: bool

    initial: Jobs = ()

    def step(self, state: Jobs, call: Call) -> Iterable[Jobs]:
        """The states after a call with its answer."""
        match call.operation:
            case "create":
                return self._create(state, call)
            case "stop":
                return self._stop(state, call)
            case "describe":
                return self._describe(state, call)
            case "list":
                return self._list(state, call)
        raise ValueError(call.operation)

    def _create(self, state: Jobs, call: Call) -> Iterator[Jobs]:
        name = call.arguments["name"]
        taken = _find(state, name) is not None
        if not taken and call.answer in ("created", UNANSWERED):
            yield tuple(sorted([*state, (name.lower(), name, "InProgress")]))
        if call.answer == UNANSWERED or (taken and call.answer == "in use"):
            yield state

    def _stop(self, state: Jobs, call: Call) -> Iterator[Jobs]:
        job = _find(state, call.arguments["name"])
        if call.answer == UNANSWERED or (job is None and call.answer == "missing"):
            yield state
        if job is None:
            return
        for status in self.moves[job[2]]:
            stops = status == "InProgress" or (status == "Stopping" and self.stops_again)
            if stops and call.answer in ("stopping", UNANSWERED):
                yield _with(state, job, "Stopping")
            if not stops and call.answer == ("refused", status):
                yield _with(state, job, status)

    def _describe(self, state: Jobs, call: Call) -> Iterator[Jobs]:
        job = _find(state, call.arguments["name"])
        if job is None:
            if call.answer == "missing":
                yield state
            return
        for status in self.moves[job[2]]:
            if call.answer == (job[1], status):
                yield _with(state, job, status)

    def _list(self, state: Jobs, call: Call) -> Iterator[Jobs]:
        for statuses in product(*(self.moves[job[2]] for job in state)):
            seen = tuple((name, status) for (_, name, _), status in zip(state, statuses, strict=True))
            if call.answer == tuple(sorted(seen)):
                yield tuple((key, name, status) for (key, name, _), status in zip(state, statuses, strict=True))


def _find(state: Jobs, name: str) -> Job | None:
    return next((job for job in state if job[0] == name.lower()), None)


def _with(state: Jobs, job: Job, status: str) -> Jobs:
    return tuple((job[0], job[1], status) if each is job else each for each in state)
