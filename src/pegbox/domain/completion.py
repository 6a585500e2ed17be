"""TuningJobCompletionCriteria: when a tuning job has found enough.

(SageMaker developer guide, "Track and set completion criteria for your tuning job"; API reference,
TuningJobCompletionCriteria.)
"""

from __future__ import annotations

IMPROVEMENT = 0.01  #: what counts as better: more than this share of the best ...
IMPROVEMENT_ON_ZERO = 1e-12  #: ... or this much where the best is 0
FEWEST = 20  #: values before anything has converged, and ...
FEWEST_A_DIMENSION = 10  #: ... for each tuned hyperparameter
FEWEST_IDLE = 10  #: values without improvement that make convergence, or ...
IDLE_SHARE = 4  #: ... one of so many, if that is more
#: A model must not have expected more than this share of the best at any of its last asks.  One ask is not enough: a
#: search that has stayed in one valley expects nothing there, until a doubting ask finds another one.
EXPECTED = 0.0001
ASKS = 10


class Improvement:
    """Final objective values in the order in which training jobs finished; jobs without a value are not among them."""

    def __init__(self, maximize: bool) -> None:
        self._sign = 1.0 if maximize else -1.0
        self._bests: list[float] = []  # after each value
        self._reference = 0.0  # as of the last improvement, so that many small steps add up to one
        self.not_improving = 0  #: NumberOfTrainingJobsObjectiveNotImproving

    def add(self, value: float) -> None:
        """One more value."""
        if not self._bests:
            self._reference = value
        elif self._improves(value, self._reference):
            self._reference, self.not_improving = value, 0
        else:
            self.not_improving += 1
        best = self._bests[-1] if self._bests else value
        self._bests.append(value if self._sign * (value - best) > 0 else best)

    def has_reached(self, target: float) -> bool:
        """Whether a value is as good as TargetObjectiveMetricValue."""
        return bool(self._bests) and self._sign * (self._bests[-1] - target) >= 0

    def has_converged(self, dimensions: int, expected: float | None = None) -> bool:
        """Whether the search has converged with the last value.  (Our choice: the guide names no test.)

        From max(20, 10 `dimensions`) values on, it has when the last max(10, a quarter) of them have not raised the
        best by more than 1 %.  expected: the most that a model expected to gain on the best at any of its last ASKS
        asks, if there is a model; it must be less than 0.01 % of the best.
        """
        count = len(self._bests)
        if count < max(FEWEST, FEWEST_A_DIMENSION * dimensions):
            return False
        window = max(FEWEST_IDLE, -(-count // IDLE_SHARE))
        best = self._bests[-1]
        if self._improves(best, self._bests[-1 - window]):
            return False
        return expected is None or expected < (EXPECTED * abs(best) or IMPROVEMENT_ON_ZERO)

    def _improves(self, value: float, best: float) -> bool:
        return self._sign * (value - best) > (IMPROVEMENT * abs(best) or IMPROVEMENT_ON_ZERO)
