"""Hyperband: which training jobs are stopped so that others get their resources.

Li et al. 2018, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization"; Li et al. 2020, "A System for
Massively Parallel Hyperparameter Tuning", in the variant that stops jobs and never pauses them.  One unit of resource
is one published value of the objective.  docs/design/tuning.md says why the rules are as they are.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pegbox.domain.progress import Progress

ETA = 3  #: reduction factor: one of so many passes a rung
MOST_RESOURCE = 20_000
#: Static hyperparameters that tell MaxResource, the first one first.
EPOCHS = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")

_GOLDEN = (5**0.5 - 1) / 2
_POSITIVE = re.compile(r"\+?0*[1-9][0-9]*")


@dataclass(frozen=True, slots=True)
class Resource:
    """HyperbandStrategyConfig: a job may publish `least` values (MinResource) and must end at `most` (MaxResource)."""

    least: int
    most: int

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise ValueError(f"not 1 <= {self.least} <= {self.most}")


def inferred_most(static: Mapping[str, str]) -> int | None:
    """MaxResource as the static hyperparameters tell it; None if they do not, or not as a positive integer."""
    for name in EPOCHS:
        if name in static:
            text = static[name]
            if not _POSITIVE.fullmatch(text):
                return None
            return min(int(text), MOST_RESOURCE) if len(text.lstrip("+0")) < 20 else MOST_RESOURCE
    return None


def bracket(number: int, resource: Resource, seed: int) -> int:
    """The bracket of a trial, from 0, where jobs may be stopped after MinResource values, to the most patient one.

    Shares are those of Hyperband (Li et al. 2018, algorithm 1): ceil((s_max + 1) eta^s / (s + 1)) jobs for the bracket
    of s + 1 rungs.  The multiples of the golden ratio spread them evenly over any stretch of trials.
    """
    sizes = _sizes(resource)
    place = (_offset(seed) + number * _GOLDEN) % 1.0 * sum(sizes)
    for index, size in enumerate(sizes):
        place -= size
        if place < 0:
            return index
    return len(sizes) - 1


def rungs(resource: Resource, bracket: int) -> tuple[int, ...]:
    """At how many published values the jobs of a bracket are judged, ascending; all below MaxResource."""
    levels: list[int] = []
    level: int = resource.least * ETA**bracket
    while level < resource.most:
        levels.append(level)
        level *= ETA
    return tuple(levels)


def to_stop(resource: Resource, seed: int, maximize: bool, jobs: Sequence[Progress]) -> frozenset[int]:
    """The numbers of the running jobs that must be stopped: MaxResource is reached, or a rung was not passed.

    A job passes a rung if its value there is among the best 1/eta (rounded up, ties pass) of its own and those of the
    jobs launched before it in its bracket.  Jobs launched later never count, nor do values that a job published after a
    rung that it did not pass.  So the verdict on a job follows from the values alone, whatever the order in which they
    arrive, and never changes.  A verdict that needs values still to come is open, and the job runs on meanwhile: it is
    stopped as soon as nothing that may come can save it.
    """
    ladders: defaultdict[int, list[Progress]] = defaultdict(list)
    for job in sorted(jobs, key=lambda job: job.number):
        ladders[bracket(job.number, resource, seed)].append(job)
    lost: set[int] = set()
    for index, ladder in ladders.items():
        lost |= _lost(ladder, rungs(resource, index), maximize)
    return frozenset(
        job.number for job in jobs if not job.ended and (len(job.curve) >= resource.most or job.number in lost)
    )


def _lost(ladder: Sequence[Progress], levels: Sequence[int], maximize: bool) -> set[int]:
    """Who has not passed a rung, by number; `ladder` are the jobs of one bracket in the order of their launch."""
    lost: set[int] = set()
    unsure: set[int] = set()  #: whose verdict at a lower rung is open
    for level in levels:
        values: list[float] = []  #: of the jobs before that are at this rung for sure; ascending, more is better
        open_ones = 0  #: jobs before that may still come to this rung
        undecided: set[int] = set()
        for job in ladder:
            if job.number in lost:
                continue
            if len(job.curve) < level:
                open_ones += not job.ended
                continue
            value = job.curve[level - 1] if maximize else -job.curve[level - 1]
            ahead = len(values) - bisect_right(values, value)
            places = -(-(len(values) + open_ones + 1) // ETA)
            if ahead >= places:
                lost.add(job.number)
            elif ahead + open_ones >= places:
                undecided.add(job.number)
            if job.number in unsure:
                open_ones += 1
            else:
                insort(values, value)
        unsure |= undecided
    return lost


def _sizes(resource: Resource) -> list[int]:
    """How many jobs each bracket gets, bracket 0 first."""
    largest = 0
    while resource.least * ETA ** (largest + 1) <= resource.most:
        largest += 1
    return [-(-(largest + 1) * ETA**s // (s + 1)) for s in range(largest, -1, -1)]


def _offset(seed: int) -> float:
    """A number in [0, 1) that differs from seed to seed."""
    return int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:6]) / 2**48
