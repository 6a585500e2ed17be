"""How a tuning job stands: its training jobs, added up as they end, so that ten thousand cost no more than ten."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pegbox.domain.training import Outcome

IMPROVEMENT = 0.01  #: of the best value: what counts as an improvement
LEAST_GAIN = 1e-12  #: the same when the best value is zero
FEWEST_RESULTS = 20  #: no convergence before so many results ...
RESULTS_A_DIMENSION = 10  #: ... and so many for each tuned hyperparameter
SHORTEST_WINDOW, WINDOW = 10, 0.25  #: results without an improvement that mean convergence: at least, share of all


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """What the tuning job must know of one of its training jobs."""

    number: int
    outcome: Outcome | None  #: None while it has not ended
    objective: float | None = None  #: final value, of one that ended Completed or Stopped
    stopping: bool = False
    search: int = 0  #: which of the tuning job's definitions it is of

    @property
    def active(self) -> bool:
        """Whether it holds one of the places of MaxParallelTrainingJobs."""
        return self.outcome is None


class Improvement:
    """Results in the order in which they came, and how long ago the best of them was.

    The reference is the best value at the last improvement of more than one percent.  (API reference,
    BestObjectiveNotImproving; developer guide, "Track and set completion criteria for your tuning job".)
    """

    def __init__(self, maximize: bool) -> None:
        self._sign = 1.0 if maximize else -1.0
        self._best: list[float] = []  # after each result
        self._reference = 0.0
        self.not_improving = 0  #: NumberOfTrainingJobsObjectiveNotImproving

    def add(self, value: float) -> None:
        """One more result."""
        if not self._best:
            self._reference = value
            self._best.append(value)
            return
        if self._is_gain(value, self._reference):
            self._reference, self.not_improving = value, 0
        else:
            self.not_improving += 1
        best = self._best[-1]
        self._best.append(value if self._sign * (value - best) > 0 else best)

    def has_reached(self, target: float) -> bool:
        """Whether a result is as good as the target."""
        return bool(self._best) and self._sign * (self._best[-1] - target) >= 0

    def has_converged(self, dimensions: int) -> bool:
        """Whether the best has not risen by more than one percent for long.  (Our choice: the guide names no test.)"""
        count = len(self._best)
        if count < max(FEWEST_RESULTS, RESULTS_A_DIMENSION * dimensions):
            return False
        window = max(SHORTEST_WINDOW, math.ceil(WINDOW * count))
        return window < count and not self._is_gain(self._best[-1], self._best[-1 - window])

    def _is_gain(self, value: float, reference: float) -> bool:
        return self._sign * (value - reference) > (IMPROVEMENT * abs(reference) or LEAST_GAIN)


class Standing:
    """The training jobs of a tuning job: those that have ended as sums, the others one by one."""

    def __init__(self, searches: int = 1, maximize: bool = False) -> None:
        self.launched = [0] * searches  #: by definition
        self.outcomes: Counter[Outcome] = Counter()
        self.stopped_empty = 0  #: stopped without a result
        self.results: list[list[float]] = [[] for _ in range(searches)]  #: final objectives by definition
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
            self.active.pop(child.number, None)
            self.outcomes[child.outcome] += 1
            self.launched[child.search] += 1
            if child.objective is not None:
                self.results[child.search].append(child.objective)
                self.improvement.add(child.objective)
            elif child.outcome is Outcome.STOPPED:
                self.stopped_empty += 1

    def run(self, child: Child) -> None:
        """A training job that has not ended, as it is now."""
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
        return bool(self.outcomes[Outcome.COMPLETED]) or any(self.results)

    @property
    def failed(self) -> int:
        """How many failed, for whatever reason."""
        return self.outcomes[Outcome.RETRYABLE] + self.outcomes[Outcome.NON_RETRYABLE]

    def of_search(self, search: int) -> int:
        """How many have been launched for a definition."""
        return self.launched[search] + sum(child.search == search for child in self.active.values())
