"""Hyperband: which training jobs are stopped so that others get their resources.

Li et al. 2018, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization"; Li et al. 2020, "A System for
Massively Parallel Hyperparameter Tuning", in the variant that stops jobs and never pauses them.  One unit of resource
is one published value of the objective.  docs/design/tuning.md says why the rules are as they are.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from pegbox.domain.progress import Progress

ETA = 3  #: reduction factor: one of so many passes a rung
FIRST = range(1, ETA + 1)  #: numbers of the jobs that are compared with each other
MOST_RESOURCE = 20_000  #: limit on MaxResource
#: Static hyperparameters that tell MaxResource, the first one first.
EPOCHS = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")

_GOLDEN = (5**0.5 - 1) / 2
_POSITIVE = re.compile(r"\+?0*[1-9][0-9]*")


@dataclass(frozen=True, slots=True)
class Resource:
    """HyperbandStrategyConfig: a job may publish `least` values (MinResource) and no more than `most` (MaxResource)."""

    least: int
    most: int

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise ValueError(f"not 1 <= {self.least} <= {self.most}")


def inferred_most(static: Mapping[str, str]) -> int | None:
    """MaxResource as the static hyperparameters tell it, however great; None without a positive integer."""
    for name in EPOCHS:
        if name in static:
            text = static[name]
            return int(text) if _POSITIVE.fullmatch(text) else None
    return None


def bracket(number: int, resource: Resource, seed: int) -> int:
    """The bracket of a trial, from 0, where jobs may be stopped after MinResource values, to the most patient one.

    All brackets get equally many trials: the multiples of the golden ratio spread them evenly over any stretch.
    The brackets that judge only beyond the geometric mean of MinResource and MaxResource are left out: they would use
    half of all epochs and rarely find anything.
    """
    return _bracket(number, _brackets(resource), _offset(seed))


def rungs(resource: Resource, bracket: int) -> tuple[int, ...]:
    """At how many published values the jobs of a bracket are judged, ascending; all below MaxResource."""
    levels: list[int] = []
    level: int = resource.least * ETA**bracket
    while level < resource.most:
        levels.append(level)
        level *= ETA
    return tuple(levels)


def to_stop(resource: Resource, seed: int, maximize: bool, jobs: Sequence[Progress]) -> frozenset[int]:
    """The numbers of the running jobs that must be stopped: MaxResource is exceeded, or a rung was not passed.

    At MaxResource itself a job is left alone: most programs end there by themselves, once they have saved their model.

    A job passes a rung if its value there is among the best 1/eta (rounded down, but at least one; ties pass) of its
    own and those of the jobs launched before it that came there, from whichever bracket; the first eta jobs are
    compared with each other.  Jobs launched later do not count, nor do values that a job published after a rung that it
    did not pass.  So the verdict on a job follows from the values alone, whatever the order in which they arrive, and
    never changes.  A verdict that needs values still to come is open, and the job runs on meanwhile: it is stopped as
    soon as nothing can save it.
    """
    offset, count = _offset(seed), _brackets(resource)
    starts = {number: resource.least * ETA ** _bracket(number, count, offset) for number in FIRST}
    climbing = [
        (job, resource.least * ETA ** _bracket(job.number, count, offset))
        for job in sorted(jobs, key=lambda job: job.number)
    ]
    lost = _lost(climbing, rungs(resource, 0), starts, maximize)
    return frozenset(
        job.number for job in jobs if not job.ended and (len(job.curve) > resource.most or job.number in lost)
    )


def _lost(
    climbing: Sequence[tuple[Progress, int]], levels: Sequence[int], starts: Mapping[int, int], maximize: bool
) -> set[int]:
    """Who has not passed a rung, by number.

    The jobs are given in the order of their launch, each with the level of its first rung; starts: those of the first
    jobs, launched or not.
    """
    lost: set[int] = set()
    unsure: set[int] = set()  #: whose verdict at a lower rung is open
    first = [job for job, _ in climbing if job.number in starts]
    for level in levels:
        known = [job for job in first if starts[job.number] <= level]
        missing = sum(start <= level for start in starts.values()) - len(known)
        rung = _Rung(level, maximize, known, missing, lost, unsure)
        judged = [job for job, start in climbing if start <= level and job.number not in lost]
        verdicts = [(job.number, rung.verdict(job)) for job in judged]
        lost = lost | {number for number, passes in verdicts if passes is False}
        unsure = unsure | {number for number, passes in verdicts if passes is None}
    return lost


class _Rung:
    """One rung, to which those that have not lost a lower one come in the order of their launch."""

    def __init__(
        self,
        level: int,
        maximize: bool,
        first: Sequence[Progress],
        missing: int,
        lost: Set[int],
        unsure: Set[int],
    ) -> None:
        self._level = level
        self._sign = 1 if maximize else -1
        self._first = first  #: the jobs judged here that are compared with each other
        self._missing = missing  #: how many more of these there will be
        self._lost = lost  #: at lower rungs
        self._unsure = unsure  #: likewise
        self._values: list[float] = []  #: of the jobs seen that are at this rung for sure; ascending, more is better
        self._open = 0  #: jobs seen that may still come to this rung

    def verdict(self, job: Progress) -> bool | None:
        """Does the next job pass?  None as long as it is open; True also for one that has not come here."""
        if len(job.curve) < self._level:
            self._open += not job.ended
            return True
        value = self._value(job)
        if job.number in FIRST:
            verdict = _passes(value, *self._others(job))
        else:
            verdict = _passes(value, self._values, self._open)
        if job.number in self._unsure:
            self._open += 1
        else:
            insort(self._values, value)
        return verdict

    def _others(self, job: Progress) -> tuple[list[float], int]:
        """What one of the first jobs is compared with: values, and how many are still to come."""
        others = [other for other in self._first if other is not job and other.number not in self._lost]
        there = [other for other in others if len(other.curve) >= self._level]
        sure = sorted(self._value(other) for other in there if other.number not in self._unsure)
        coming = sum(not other.ended for other in others if len(other.curve) < self._level)
        return sure, coming + len(there) - len(sure) + self._missing

    def _value(self, job: Progress) -> float:
        return self._sign * job.curve[self._level - 1]


def _passes(value: float, values: Sequence[float], waiting: int) -> bool | None:
    """Is a value among the best 1/eta of itself, `values` (ascending) and `waiting` unknown ones?  None: it depends."""
    ahead = len(values) - bisect_right(values, value)
    places = max(1, (len(values) + waiting + 1) // ETA)
    if ahead >= places:
        return False
    return True if ahead + waiting < places else None


def _brackets(resource: Resource) -> int:
    """How many there are."""
    count = 1
    while resource.least * ETA ** (2 * count) <= resource.most:
        count += 1
    return count


def _bracket(number: int, count: int, offset: float) -> int:
    return min(int((offset + number * _GOLDEN) % 1.0 * count), count - 1)


def _offset(seed: int) -> float:
    """A number in [0, 1) that differs from seed to seed."""
    return int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:6]) / 2**48
