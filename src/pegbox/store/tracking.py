"""What a Transaction knows of experiments: what belongs to which trial, metrics that are put to trial components, and
jobs of which trial components are made.

Whatever changes what a record shows also has the resource indexed anew.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pegbox.domain.curves import Value


class Parent(NamedTuple):
    """A trial that a component belongs to, and its experiment."""

    trial: str
    experiment: str


class Part(NamedTuple):
    """A component of a trial, in short."""

    id: int
    name: str
    created_at: float
    job: str | None  #: the training job that it was made of


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What the values of a metric come to."""

    name: str
    count: int
    mean: float
    squares: float  #: the sum of squared distances from the mean
    low: float
    high: float
    last: float  #: the value with the latest time
    last_at: float

    @property
    def average(self) -> float:
        """The mean, which rounding may have brought beyond all values."""
        return min(max(self.mean, self.low), self.high)

    @property
    def deviation(self) -> float:
        """The standard deviation of the values that there are."""
        return math.sqrt(self.squares / self.count) if self.low < self.high else 0.0

    def with_values(self, values: Sequence[Value]) -> Summary:
        """After some more values.  (Chan, Golub, LeVeque 1979, "Updating formulae", equation 2.1.)"""
        numbers = [each.value for each in values]
        more = len(numbers)
        count, mean = self.count + more, sum(numbers) / more
        apart = mean - self.mean
        latest = max(reversed(values), key=lambda each: each.at)  # of equal times the one that came last
        is_later = latest.at >= self.last_at
        squares = sum((number - mean) * (number - mean) for number in numbers)
        return Summary(
            name=self.name,
            count=count,
            mean=finite(self.mean + apart * more / count),
            squares=finite(self.squares + squares + apart * apart * self.count * more / count),
            low=min(self.low, *numbers),
            high=max(self.high, *numbers),
            last=latest.value if is_later else self.last,
            last_at=latest.at if is_later else self.last_at,
        )


def finite(number: float) -> float:
    """The number; the largest there is for one that became too large, since neither JSON nor SQLite knows others."""
    return number if math.isfinite(number) else sys.float_info.max


def nothing_of(name: str) -> Summary:
    """Of a metric without values."""
    return Summary(name=name, count=0, mean=0.0, squares=0.0, low=math.inf, high=-math.inf, last=0.0, last_at=-math.inf)


class Tracking(Protocol):
    """The part of a Transaction that is about experiments."""

    def hold(self, identity: int) -> None:
        """Let nobody else delete a resource, or change what belongs to it, before the transaction ends.

        Raises NotFound.
        """
        ...

    def keep(self, identity: int) -> None:
        """Let nobody delete a resource before the transaction ends; several may do so at once.  Raises NotFound."""
        ...

    def join(self, trial_id: int, component_id: int) -> None:
        """Put a component into a trial, if it is not there."""
        ...

    def leave(self, trial_id: int, component_id: int) -> bool:
        """Take a component out of a trial; False if it was not in it."""
        ...

    def parents(self, component_id: int) -> Sequence[Parent]:
        """The trials of a component, in the order in which they were made."""
        ...

    def parts(self, trial_id: int, most: int) -> Sequence[Part]:
        """The newest components of a trial, so many at most, in the order in which they were made."""
        ...

    def in_use(self, identity: int) -> bool:
        """Whether an experiment has trials, a trial components, or a component trials."""
        ...

    def put(
        self, account: str, region: str, component: str, values: Mapping[str, Sequence[Value]], most: int
    ) -> Collection[str]:
        """Add values to metrics of a component; returns the metrics beyond the `most` that it may have.

        Raises NotFound.
        """
        ...

    def summaries(self, component_id: int) -> Sequence[Summary]:
        """What the values that were put to a component come to, by name."""
        ...

    def values(self, component_id: int, metric: str) -> Iterator[Value]:
        """Of a metric that was put to a component, in the order in which they came; some at a time are read."""
        ...

    def emitted(self, job_id: int) -> Sequence[Summary]:
        """What the values that a training job has emitted come to, by name."""
        ...

    def curve(self, job_id: int, metric: str) -> Iterator[Value]:
        """Of a metric of a training job, in the order in which they came; the steps count them.  As `values`."""
        ...

    # Trial components of jobs: made when somebody asks for experiments, and from then on.

    def begin(self, account: str, region: str, kinds: Collection[str]) -> None:
        """From now on trial components and the like are made of the jobs of these kinds."""
        ...

    def begun(self, account: str, region: str) -> bool:
        """Whether they are."""
        ...

    def behind(self) -> Sequence[tuple[str, str, str]]:
        """Where there are jobs from before that: accounts, regions and kinds."""
        ...

    def older(self, account: str, region: str, kind: str, limit: int) -> Sequence[int]:
        """The ids of the next jobs from before that, which count as seen to from then on."""
        ...

    def unseen(self, kind: str, limit: int, before: float | None) -> Sequence[tuple[int, int]]:
        """Jobs whose properties may be old, where components are made of them: ids and versions, the newest first.

        `before`: only those that were not changed since then (epoch seconds).
        """
        ...

    def new(self, account: str, region: str, kind: str, limit: int) -> Sequence[int]:
        """The ids of such jobs of which none was made yet."""
        ...

    def unmade(self, job_ids: Collection[int]) -> Collection[int]:
        """Those of these jobs of which nothing was made yet."""
        ...

    def made(self, job_id: int) -> None:
        """Note that it was: also if a user deletes it, it is not made once more."""
        ...

    def follow(self, job_ids: Collection[int]) -> None:
        """Have what was made of jobs indexed anew."""
        ...

    def scopes(self) -> Collection[tuple[str, str]]:
        """The accounts and regions where components are made."""
        ...
