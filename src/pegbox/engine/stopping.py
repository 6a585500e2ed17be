"""Which training jobs a tuning job stops for what they have published so far: early stopping and Hyperband.

A rule hears each piece of news once, so that a look at a tuning job costs what is new since the last one.  What it says
is a function of everything it has heard, in whatever order that came.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pegbox.domain import rungs
from pegbox.domain.early_stopping import Averages
from pegbox.domain.progress import Progress
from pegbox.domain.searches import Search, searches_of
from pegbox.domain.strategy_rules import resource_of


class Rule(Protocol):
    """Follows the curves of all training jobs of a tuning job, which it knows by their numbers."""

    def launched(self, number: int, search: int) -> None:
        """A training job of a definition has been launched; told in the order of the numbers."""
        ...

    def published(self, number: int, values: Sequence[float]) -> None:
        """It has published further values of the objective in its present attempt."""
        ...

    def restarted(self, number: int) -> None:
        """It is tried again: what it has published does not count."""
        ...

    def ended(self, number: int, completed: bool) -> None:
        """Nothing more will come of it.  completed: it ended by itself, with a value."""
        ...

    def to_stop(self) -> Sequence[int]:
        """The numbers of the training jobs that have not ended and must be stopped."""
        ...

    @property
    def is_idle(self) -> bool:
        """Whether no training job has published a second value: there is nothing to judge."""
        ...

    @property
    def kept(self) -> int:
        """How many numbers are kept in memory, of eight bytes each."""
        ...


def rule_of(document: Mapping[str, Any], seed: int) -> Rule | None:
    """A rule that has heard nothing, if a tuning job's document asks for one."""
    config = document["HyperParameterTuningJobConfig"]
    searches = searches_of(document)
    if config["Strategy"] == "Hyperband":
        resources = [resource_of(config, search.static) for search in searches]
        return HyperbandRule(searches, resources, seed)
    if config.get("TrainingJobEarlyStoppingType") == "Auto":
        return MedianRule(searches[0].maximize)
    return None


class MedianRule:
    """TrainingJobEarlyStoppingType Auto; there is one definition."""

    def __init__(self, maximize: bool, head_start: float = 0.0) -> None:
        """The head start is none of the documented rule's: see Averages."""
        self._averages = Averages(maximize, head_start)
        self._curves: dict[int, array[float]] = {}  # of those that have not ended
        self._unjudged: set[int] = set()  # those of them about which there is news
        self._values = 0  # in all of these curves

    def launched(self, number: int, search: int) -> None:
        """One more curve, still empty."""
        self._curves[number] = array("d")

    def published(self, number: int, values: Sequence[float]) -> None:
        """Its latest value is to be judged."""
        self._curves[number].extend(values)
        self._values += len(values)
        self._unjudged.add(number)

    def restarted(self, number: int) -> None:
        """From the beginning."""
        self._drop(number)
        self.launched(number, 0)

    def ended(self, number: int, completed: bool) -> None:
        """If it completed, those launched after it are compared with it as well."""
        curve, was_idle = self._drop(number), self.is_idle
        if completed:
            self._averages.add(Progress(number, curve, completed=True, ended=True))
            begun = was_idle and not self.is_idle
            self._unjudged.update(other for other in self._curves if other > number or begun)

    def to_stop(self) -> Sequence[int]:
        """Those whose latest value is worse than the median of the others at that epoch."""
        found = [
            number
            for number in sorted(self._unjudged)
            if self._averages.condemns(Progress(number, self._curves[number]))
        ]
        self._unjudged = set(found)
        return found

    @property
    def is_idle(self) -> bool:
        """As far as completed ones tell."""
        return self._averages.epochs < 2

    @property
    def kept(self) -> int:
        """Values and averages."""
        return self._values + self._averages.kept

    def _drop(self, number: int) -> Sequence[float]:
        curve = self._curves.pop(number)
        self._values -= len(curve)
        self._unjudged.discard(number)
        return curve


@dataclass(slots=True)
class _Climber:
    """A training job in a bracket of a Hyperband search."""

    number: int
    order: int  #: among those of its definition
    levels: Sequence[int]  #: the rungs of its bracket
    most: int  #: MaxResource
    curve: array[float] = field(default_factory=lambda: array("d"))
    ended: bool = False

    def has_news(self, before: int) -> bool:
        """Whether the values beyond the first `before` can change a verdict."""
        now = len(self.curve)
        return now >= self.most or any(before < level <= now for level in self.levels)

    def progress(self) -> Progress:
        """As the rule takes it."""
        return Progress(self.order, self.curve, ended=self.ended)


class HyperbandRule:
    """Strategy Hyperband, for each definition by itself.

    Nobody is judged before there is a second value: programs that print one at their end save their model after it.
    """

    def __init__(self, searches: Sequence[Search], resources: Sequence[rungs.Resource | None], seed: int) -> None:
        self._searches, self._resources, self._seed = searches, resources, seed
        self._orders = [0] * len(searches)
        self._climbers: dict[int, list[_Climber]] = {}  # by definition
        self._homes: dict[int, tuple[int, _Climber]] = {}  # by number: definitions of those that run
        self._changed: set[int] = set()  # definitions about which there is news
        self._lost: dict[int, Sequence[int]] = {}  # by definition, the numbers that must be stopped
        self._judged: set[int] = set()  # definitions of which a job has published a second value
        self._values = 0

    def launched(self, number: int, search: int) -> None:
        """One more of its definition."""
        self._orders[search] += 1
        resource, order = self._resources[search], self._orders[search]
        if resource is None:  # refused when the job was created
            return
        bracket = rungs.bracket(order, resource, self._seed + search)
        climber = _Climber(number, order, rungs.rungs(resource, bracket), resource.most)
        self._climbers.setdefault(search, []).append(climber)
        self._homes[number] = (search, climber)
        self._changed.add(search)

    def published(self, number: int, values: Sequence[float]) -> None:
        """Values between two rungs change nothing."""
        if number not in self._homes:
            return
        search, climber = self._homes[number]
        before = len(climber.curve)
        climber.curve.extend(values)
        self._values += len(values)
        if len(climber.curve) > 1 and search not in self._judged:
            self._judged.add(search)
            self._changed.add(search)
        elif climber.has_news(before):
            self._changed.add(search)

    def restarted(self, number: int) -> None:
        """From the foot."""
        if number in self._homes:
            search, climber = self._homes[number]
            self._cut(climber, 0)
            self._changed.add(search)

    def ended(self, number: int, completed: bool) -> None:
        """It will come to no higher rung; what it had at the rungs still counts."""
        if number in self._homes:
            search, climber = self._homes.pop(number)
            climber.ended = True
            self._cut(climber, climber.levels[-1] if climber.levels else 0)
            self._changed.add(search)

    def to_stop(self) -> Sequence[int]:
        """Those that have had all of the resource, or did not pass a rung."""
        for search in self._changed & self._judged:
            resource = self._resources[search]
            if resource is not None:
                numbers = {climber.order: climber.number for climber in self._climbers[search]}
                jobs = [climber.progress() for climber in self._climbers[search]]
                losers = rungs.to_stop(resource, self._seed + search, self._searches[search].maximize, jobs)
                self._lost[search] = [numbers[order] for order in losers]
        self._changed.clear()
        return sorted(number for numbers in self._lost.values() for number in numbers)

    @property
    def is_idle(self) -> bool:
        """In all definitions."""
        return not self._judged

    @property
    def kept(self) -> int:
        """Values."""
        return self._values

    def _cut(self, climber: _Climber, length: int) -> None:
        self._values -= max(0, len(climber.curve) - length)
        del climber.curve[length:]
