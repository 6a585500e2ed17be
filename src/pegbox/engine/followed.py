"""What a server knows of the training jobs of a tuning job: those that have ended never change and are read once.

Everything here can be read again from the database; it is kept because a tuning job is looked at whenever one of its
training jobs ends or, with early stopping, prints a value.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pegbox.domain.progress import Outliner
from pegbox.domain.range_request import parse_ranges
from pegbox.domain.ranges import Space
from pegbox.domain.searches import Search
from pegbox.domain.standing import Child, Standing
from pegbox.domain.training import Outcome, TrainingJob
from pegbox.engine.stopping import Rule
from pegbox.store.base import Transaction
from pegbox.store.resources import Child as ChildRow
from pegbox.store.resources import Resource
from pegbox.strategies.base import ParentStudy, Trial, TrialState

MOST_KEPT = 20_000  #: training jobs, about a kilobyte each
VALUES = 100  #: numbers of a curve that take as much memory as a training job

Values = Mapping[str, str]  #: TunedHyperParameters


@dataclass(slots=True)
class Reading:
    """How far the curve of a training job that has not ended has been read."""

    place: tuple[int, int] = (0, -1)  #: attempt and offset of the last value
    version: int = -1  #: of the job's row when it was read
    outliner: Outliner = field(default_factory=Outliner)

    def go_on(self, tx: Transaction, row: ChildRow, attempt: int, metric: str, rule: Rule) -> None:
        """Tell the rule what is new; `attempt` is the present one, also before it has published anything."""
        self.version = row.version
        values: list[float] = []
        self._begin(attempt, row.number, values, rule)
        for each, offset, value in tx.curve(row.id, metric, self.place):
            self._begin(each, row.number, values, rule)
            values.append(value)
            self.place = (each, offset)
        self.outliner.add(values)
        if values:
            rule.published(row.number, values)

    def _begin(self, attempt: int, number: int, values: list[float], rule: Rule) -> None:
        if attempt > self.place[0]:
            if self.place[0]:
                values.clear()  # tried again from the beginning
                self.outliner = Outliner()
                rule.restarted(number)
            self.place = (attempt, -1)


class Followed:
    """One tuning job's training jobs.  Used by whoever holds the tuning job's lease, hence by one thread at a time.

    A rule hears of every value of their objectives.
    """

    def __init__(self, searches: Sequence[Search], rule: Rule | None = None) -> None:
        self.standing = Standing(len(searches), searches[0].maximize)
        self.trials: list[list[Trial]] = [[] for _ in searches]  #: by definition, in launch order
        self.parents: tuple[ParentStudy, ...] | None = None  #: of a warm started search, once they are read
        self.rows: dict[int, ChildRow] = {}  #: number -> row, of those that have not ended
        self._searches = searches
        self._spaces: dict[int, Space] = {}  # by definition
        self._places: dict[int, tuple[int, int]] = {}  # number -> definition, index of its trial
        self.highest = 0  #: number of the last that was launched
        self._rule = rule
        self._readings: dict[int, Reading] = {}  # by number

    @property
    def count(self) -> int:
        """How many training jobs are known."""
        return len(self._places)

    def space(self, place: int) -> Space:
        """What a definition searches."""
        if place not in self._spaces:
            search = self._searches[place]
            self._spaces[place] = parse_ranges(search.ranges, search.static)
        return self._spaces[place]

    @property
    def is_judged(self) -> bool:
        """Whether a rule hears of every value."""
        return self._rule is not None

    @property
    def is_idle(self) -> bool:
        """Whether there are results, but nothing for the rule to judge."""
        return self._rule is not None and self._rule.is_idle and len(self.standing.results) > 0

    @property
    def kept(self) -> int:
        """How many training jobs are kept in memory, or what takes as much."""
        values = self._rule.kept if self._rule else 0
        return self.count + sum(len(parent.trials) for parent in self.parents or ()) + values // VALUES

    def refresh(self, tx: Transaction, parent_id: int) -> None:
        """Read what has changed."""
        ids = [row.id for row in self.rows.values()]
        found = tx.children(parent_id, self.highest, ids, running=self._rule is not None)
        self._meet_unknown([row for row in found if row.number > self.highest], tx)
        if self._rule is not None:
            self._tell(self._rule, found, tx)
        ended = sorted((row for row in found if row.outcome is not None), key=lambda row: (row.ended_at or 0, row.id))
        short = self._cut_short(ended, tx)
        for row in ended:
            self._replace(row, row.id in short)
            self.rows.pop(row.number, None)
            self._readings.pop(row.number, None)
        self.standing.end([self._child(row) for row in ended])
        for row in found:
            if row.outcome is None:
                self._is_running(row)

    def note_values(self, tx: Transaction) -> None:
        """Find out which of those that run have published a value of their objective."""
        states = tx.states([row.id for row in self.rows.values()])
        for row in self.rows.values():
            job = TrainingJob.parse(states[row.id])
            self.standing.run(replace(self._child(row), has_value=job.objective in (job.latest or {})))

    def add(self, rows: Sequence[Resource], search: int, values: Sequence[Values]) -> None:
        """Training jobs that have just been inserted need not be read."""
        for row, tuned in zip(rows, values, strict=True):
            child = ChildRow(
                id=row.id,
                number=row.number or 0,
                status=row.status,
                outcome=None,
                objective=None,
                ended_at=None,
                version=row.version,
            )
            self._meet(child, search, tuned)
            self._is_running(child)

    def to_stop(self) -> Sequence[int]:
        """The numbers of the running jobs that the rule wants stopped; none that is being stopped."""
        numbers = self._rule.to_stop() if self._rule else ()
        return [number for number in numbers if not self.standing.active[number].stopping]

    def _tell(self, rule: Rule, rows: Sequence[ChildRow], tx: Transaction) -> None:
        readings = [(row, self._readings.setdefault(row.number, Reading())) for row in rows]
        changed = [(row, reading) for row, reading in readings if reading.version != row.version]
        states = tx.states([row.id for row, _ in changed]) if changed else {}
        for row, reading in changed:
            metric = self._searches[self._places[row.number][0]].metric
            reading.go_on(tx, row, TrainingJob.parse(states[row.id]).attempt, metric, rule)
        for row in rows:
            if row.outcome is not None:
                rule.ended(row.number, completed=row.outcome == Outcome.COMPLETED and row.objective is not None)

    def _meet_unknown(self, rows: Sequence[ChildRow], tx: Transaction) -> None:
        """Training jobs that another server has launched, or this one before it was started again."""
        states = tx.states([row.id for row in rows]) if rows else {}
        for row in rows:
            job = TrainingJob.parse(states[row.id])
            self._meet(row, self._search_of(job), job.tuned or {})

    def _meet(self, row: ChildRow, search: int, values: Values) -> None:
        trials = self.trials[search]
        self._places[row.number] = (search, len(trials))
        trials.append(Trial(number=len(trials) + 1, values=values, state=TrialState.RUNNING))
        self.highest = max(self.highest, row.number)
        if self._rule is not None:
            self._rule.launched(row.number, search)

    def _search_of(self, job: TrainingJob) -> int:
        names = [search.name for search in self._searches]
        return names.index(job.definition) if job.definition in names else 0

    def _is_running(self, row: ChildRow) -> None:
        self.rows[row.number] = row
        self.standing.run(self._child(row))

    def _cut_short(self, ended: Sequence[ChildRow], tx: Transaction) -> set[int]:
        """The ids of those that were cut short; where a rule stops jobs, curves tell more."""
        stopped = [row.id for row in ended if row.outcome == Outcome.STOPPED and self._rule is None]
        states = tx.states(stopped) if stopped else {}
        return {identity for identity, state in states.items() if TrainingJob.parse(state).cut_short}

    def _replace(self, row: ChildRow, cut_short: bool) -> None:
        search, place = self._places[row.number]
        before, reading = self.trials[search][place], self._readings.get(row.number)
        self.trials[search][place] = Trial(
            number=before.number,
            values=before.values,
            state=_state(row),
            objective=row.objective,
            curve=reading.outliner.outline() if reading else (),
            cut_short=cut_short,
        )

    def _child(self, row: ChildRow) -> Child:
        return Child(
            number=row.number,
            outcome=Outcome(row.outcome) if row.outcome else None,
            objective=row.objective,
            stopping=row.status == "Stopping",
            search=self._places[row.number][0],
        )


def _state(row: ChildRow) -> TrialState:
    if row.outcome in (Outcome.STOPPED, Outcome.RETRYABLE):
        return TrialState.STOPPED  # without a value it says nothing about the configuration
    return TrialState.FAILED if row.objective is None else TrialState.FINISHED


class FollowedJobs:
    """What is known of the tuning jobs that were looked at last."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._kept: OrderedDict[int, Followed] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, parent_id: int) -> Followed | None:
        """What is known of this one; it is the caller's until `keep`, and forgotten if that never comes."""
        with self._lock:
            return self._kept.pop(parent_id, None)

    def keep(self, parent_id: int, followed: Followed) -> None:
        """Give it back, in a state that agrees with the database."""
        with self._lock:
            self._kept[parent_id] = followed
            left = sum(each.kept for each in self._kept.values()) - self._most
            while left > 0 and len(self._kept) > 1:
                left -= self._kept.popitem(last=False)[1].kept
