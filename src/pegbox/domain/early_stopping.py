"""TrainingJobEarlyStoppingType Auto: the median rule.

A running job is stopped when its latest value is worse than the median of the running averages, up to the same epoch,
of the jobs launched before it that have completed.  (SageMaker developer guide, "Stop Training Jobs Early"; Golovin et
al. 2017, "Google Vizier", section 3.2.)
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence, Set
from itertools import accumulate
from statistics import median

from pegbox.domain.progress import Progress

FEWEST = 3  #: completed jobs below which nothing is stopped


class Averages:
    """The running averages of completed jobs, for one judgement after the other without computing them anew.

    `head_start` is the share of the completed jobs' median length in which nothing is judged.  The documented rule has
    none; a tenth loses far less (docs/design/tuning.md).
    """

    def __init__(self, maximize: bool, head_start: float = 0.0) -> None:
        self._maximize = maximize
        self._head_start = head_start
        self._known: set[int] = set()
        self._numbers: list[int] = []  #: ascending
        self._rows: list[array[float]] = []  #: averages of the first 1, 2, ... values, beside `_numbers`
        self._columns: list[array[float]] = []  #: of each epoch: all averages up to it, ascending
        self._values = 0  #: in all rows

    @property
    def kept(self) -> int:
        """How many averages are kept in memory."""
        return 2 * self._values

    @property
    def epochs(self) -> int:
        """How many values the longest of them has."""
        return len(self._columns)

    @property
    def known(self) -> Set[int]:
        """The numbers of the jobs that were added."""
        return self._known

    def add(self, job: Progress) -> None:
        """Learn from a job; one that has not completed, or is known already, changes nothing."""
        if not job.completed or job.number in self._known:
            return
        row = array("d", _running(job.curve))
        place = bisect_left(self._numbers, job.number)
        self._known.add(job.number)
        self._numbers.insert(place, job.number)
        self._rows.insert(place, row)
        self._values += len(row)
        self._columns += [array("d") for _ in range(len(row) - len(self._columns))]
        for column, average in zip(self._columns, row, strict=False):
            insort(column, average)

    def condemns(self, job: Progress) -> bool:
        """Must a running job stop at its latest epoch?  Equality keeps it running.

        While all have published but one value, that one is taken for their end, at which they still save their model.
        """
        epoch = len(job.curve)
        if not 0 < epoch <= self.epochs or self.epochs < 2:
            return False
        place = bisect_left(self._numbers, job.number)
        averages = self._before(place, epoch)
        if len(averages) < FEWEST or (self._head_start and epoch < self._start(place)):
            return False
        middle, value = _middle(averages), job.curve[-1]
        return value < middle if self._maximize else value > middle

    def _before(self, place: int, epoch: int) -> Sequence[float]:
        """The averages up to an epoch of the jobs before a place in the order of launch, ascending.

        Few have completed that were launched later: to leave these out costs less than to sort the others.
        """
        later = [row[epoch - 1] for row in self._rows[place:] if len(row) >= epoch]
        column = self._columns[epoch - 1]
        if 2 * len(later) > len(column):
            return sorted(row[epoch - 1] for row in self._rows[:place] if len(row) >= epoch)
        if later:
            column = column[:]
            for average in later:
                del column[bisect_left(column, average)]
        return column

    def _start(self, place: int) -> float:
        return self._head_start * median(map(len, self._rows[:place]))


def _middle(ordered: Sequence[float]) -> float:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _running(curve: Sequence[float]) -> Iterator[float]:
    """The averages of the first 1, 2, ... values, summed as distances from the first: exact for a constant."""
    sums = enumerate(accumulate(value - curve[0] for value in curve), 1)
    return (curve[0] + total / count for count, total in sums)


def to_stop(maximize: bool, jobs: Sequence[Progress], head_start: float = 0.0) -> frozenset[int]:
    """The numbers of the running jobs that must be stopped at their latest epoch."""
    averages = Averages(maximize, head_start)
    for job in jobs:
        averages.add(job)
    return frozenset(job.number for job in jobs if not job.ended and averages.condemns(job))
