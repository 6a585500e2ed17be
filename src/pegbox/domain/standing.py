"""How a tuning job stands: its training jobs, added up as they end, so that ten thousand cost no more than ten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pegbox.domain.allocation import Results
from pegbox.domain.completion import Improvement
from pegbox.domain.training import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """What the tuning job must know of one of its training jobs."""

    number: int
    outcome: Outcome | None  #: None while it has not ended
    objective: float | None = None  #: final value, of one that ended Completed or Stopped
    stopping: bool = False
    has_value: bool = False  #: it runs and has published a value of its objective; told when it matters
    search: int = 0  #: which of the tuning job's definitions it is of

    @property
    def active(self) -> bool:
        """Whether it holds one of the places of MaxParallelTrainingJobs."""
        return self.outcome is None


class Standing:
    """The training jobs of a tuning job: those that have ended as sums, the others one by one."""

    def __init__(self, searches: int = 1, maximize: bool = False) -> None:
        self.launched = [0] * searches  #: how many, by definition
        self.outcomes: Counter[Outcome] = Counter()
        self.stopped_empty = 0  #: stopped without a result
        self.results = Results(searches)
        self.improvement = Improvement(maximize)
        self.active: dict[int, Child] = {}  #: by number

    @classmethod
    def of(cls, children: Iterable[Child], searches: int = 1, maximize: bool = False) -> Standing:
        """From all children, those that have ended in the order in which they did."""
        standing = cls(searches, maximize)
        children = list(children)
        standing.end([child for child in children if not child.active])
        for child in children:
            if child.active:
                standing.run(child)
        return standing

    def end(self, children: Sequence[Child]) -> None:
        """Training jobs that have ended, each told once."""
        for child in children:
            assert child.outcome is not None
            if self.active.pop(child.number, None) is None:
                self.launched[child.search] += 1
            self.outcomes[child.outcome] += 1
            if child.objective is not None:
                self.results.add(child.search, child.objective)
                self.improvement.add(child.objective)
            elif child.outcome is Outcome.STOPPED:
                self.stopped_empty += 1

    def run(self, child: Child) -> None:
        """A training job that has not ended, as it is now."""
        if child.number not in self.active:
            self.launched[child.search] += 1
        self.active[child.number] = child

    @property
    def ended(self) -> int:
        """How many have ended."""
        return self.outcomes.total()

    @property
    def count(self) -> int:
        """How many have been launched."""
        return self.ended + len(self.active)

    @property
    def succeeded(self) -> bool:
        """Whether anything came of any of them."""
        return bool(self.outcomes[Outcome.COMPLETED]) or len(self.results) > 0

    @property
    def failed(self) -> int:
        """How many failed, for whatever reason."""
        return self.outcomes[Outcome.RETRYABLE] + self.outcomes[Outcome.NON_RETRYABLE]
