"""Telling a worker process about a study without repeating what it knows already."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

from pegbox.strategies.base import ParentStudy, Study, Trial, TrialState
from pegbox.strategies.tried import Tried

MOST_STUDIES = 300  #: that a worker remembers


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
        self._told: OrderedDict[Hashable, _Known] = OrderedDict()

    def tell(self, key: Hashable, study: Study) -> Retold:
        """What to send; it counts as told from now on.

        A trial that has changed is another object, as are parents; one that has ended does not change.
        """
        last, now = self._told.pop(key, None), study.trials
        known = _Known() if last is None or last.count > len(now) else last
        count, knows_parents = known.count, known.parents is study.parents
        changed, added = known.learn(study)
        self._told[key] = known
        forgotten = [self._told.popitem(last=False)[0] for _ in range(len(self._told) - self._most)]
        rest = replace(study, trials=(), parents=() if knows_parents else study.parents)
        return Retold(key, rest, knows_parents, count, changed, added, forgotten)


@dataclass(slots=True)
class _Known:
    """What a worker knows of a study."""

    count: int = 0  #: of trials
    running: dict[int, Trial] = field(default_factory=dict)  #: those that had not ended, by place
    parents: tuple[ParentStudy, ...] | None = None

    def learn(self, study: Study) -> tuple[Sequence[tuple[int, Trial]], Sequence[Trial]]:
        """All of it; what of that has changed, with its places, and what is new."""
        now = study.trials
        changed = [(place, now[place]) for place, trial in self.running.items() if now[place] is not trial]
        added = now[self.count :]
        for place, trial in (*changed, *enumerate(added, self.count)):
            if trial.state is TrialState.RUNNING:
                self.running[place] = trial
            else:
                self.running.pop(place, None)
        self.count, self.parents = len(now), study.parents
        return changed, added


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
