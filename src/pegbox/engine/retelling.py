"""Telling a worker process about a study without repeating what it knows already."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from pegbox.strategies.base import ParentStudy, Study, Trial
from pegbox.strategies.tried import Tried

MOST_STUDIES = 300  #: that a worker remembers
_STRETCH = 256  #: trials that are compared at once


@dataclass(frozen=True, slots=True)
class Retold:
    """A study as it is told: the trials that are new or have changed since it was told last."""

    key: Hashable
    study: Study  #: without its trials, and without parents that the worker knows
    knows_parents: bool
    known: int  #: how many trials the worker keeps of what it knows
    changed: Sequence[tuple[int, Trial]]
    added: Sequence[Trial]
    forgotten: Sequence[Hashable]  #: studies that will be told anew, if ever


class Teller:
    """What one worker has been told."""

    def __init__(self, most: int = MOST_STUDIES) -> None:
        self._most = most
        self._told: OrderedDict[Hashable, Study] = OrderedDict()

    def tell(self, key: Hashable, study: Study) -> Retold:
        """What to send; it counts as told from now on.  A trial that has changed is another object, as are parents."""
        last, now = self._told.pop(key, None), study.trials
        before = () if last is None or len(last.trials) > len(now) else last.trials
        knows_parents = last is not None and last.parents is study.parents
        self._told[key] = study
        forgotten = [self._told.popitem(last=False)[0] for _ in range(len(self._told) - self._most)]
        changed = [(place, now[place]) for place in _different(before, now)]
        rest = replace(study, trials=(), parents=() if knows_parents else study.parents)
        return Retold(key, rest, knows_parents, len(before), changed, now[len(before) :], forgotten)


class Listener:
    """The worker's side."""

    def __init__(self) -> None:
        self._known: dict[Hashable, list[Trial]] = {}
        self._parents: dict[Hashable, tuple[ParentStudy, ...]] = {}
        self._tried: dict[Hashable, Tried] = {}  # of the trials that are known

    def hear(self, told: Retold) -> Study:
        """The whole study."""
        for key in told.forgotten:
            self._known.pop(key, None)
            self._parents.pop(key, None)
            self._tried.pop(key, None)
        tried = self._tried_before(told)
        trials = self._known.setdefault(told.key, [])
        del trials[told.known :]
        for place, trial in told.changed:
            trials[place] = trial
        trials.extend(told.added)
        for trial in told.added if tried else trials:
            tried = tried or Tried(told.study.space)
            tried.add(trial.values)
        self._tried[told.key] = tried = tried or Tried(told.study.space)
        if not told.knows_parents:
            self._parents[told.key] = told.study.parents
        return replace(told.study, trials=tuple(trials), parents=self._parents[told.key], tried=tried)

    def _tried_before(self, told: Retold) -> Tried | None:
        """What the known trials have used up, if they are among those of the study that is being told."""
        tried, trials = self._tried.get(told.key), self._known.get(told.key, [])
        is_same = len(trials) == told.known and all(
            trials[place].values == trial.values for place, trial in told.changed
        )
        return tried if tried and is_same and tried.space == told.study.space else None


def _different(before: Sequence[Trial], now: Sequence[Trial]) -> list[int]:
    """Where trials are others than before: a few of thousands, so that whole stretches are compared first."""
    places: list[int] = []
    for start in range(0, len(before), _STRETCH):
        end = min(start + _STRETCH, len(before))
        if before[start:end] != now[start:end]:
            places += [place for place in range(start, end) if before[place] is not now[place]]
    return places
