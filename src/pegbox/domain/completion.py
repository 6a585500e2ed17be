"""TuningJobCompletionCriteria: when a tuning job has found enough.

`values` are final objective values of finished training jobs, in the order in which they finished; jobs without a value
are not among them.  (SageMaker developer guide, "Track and set completion criteria for your tuning job"; API reference,
TuningJobCompletionCriteria.)
"""

from __future__ import annotations

from collections.abc import Sequence

IMPROVEMENT = 0.01  #: what counts as better: more than this share of the best ...
IMPROVEMENT_ON_ZERO = 1e-12  #: ... or this much where the best is 0
FEWEST = 20  #: values before anything has converged, and ...
FEWEST_A_DIMENSION = 10  #: ... for each tuned hyperparameter
FEWEST_IDLE = 10  #: values without improvement that make convergence, or ...
IDLE_SHARE = 4  #: ... one of so many, if that is more


def not_improving(values: Sequence[float], maximize: bool) -> int:
    """NumberOfTrainingJobsObjectiveNotImproving: how many finished last without a better value than the best."""
    count = 0
    best: float | None = None  #: as of the last improvement, so that many small steps add up to one
    for value in values:
        if best is None or _improves(value, best, maximize):
            best, count = value, 0
        else:
            count += 1
    return count


def target_reached(values: Sequence[float], target: float, maximize: bool) -> bool:
    """Is a value as good as TargetObjectiveMetricValue?"""
    return any(value >= target if maximize else value <= target for value in values)


def converged(values: Sequence[float], dimensions: int, maximize: bool, improvement: float | None) -> int | None:
    """The index of the value with which the search had converged; None if it has not.

    From max(20, 10 `dimensions`) values on, the search has converged when the last max(10, a quarter) of them have not
    raised the best by more than 1 %.  `improvement` is what a model expects to gain on the best, if there is one; it
    must then be less than 1 % of the best.  A model speaks of the present, so with one the answer is the last index or
    None.  Without one it is the first index of all, and does not change as more values come.
    """
    bests: list[float] = []
    pick = max if maximize else min
    for value in values:
        bests.append(pick(value, bests[-1]) if bests else value)
    fewest = max(FEWEST, FEWEST_A_DIMENSION * dimensions)
    if improvement is None:
        indices = range(fewest - 1, len(bests))
        return next((index for index in indices if _idle(bests, index, maximize)), None)
    last = len(bests) - 1
    if last + 1 < fewest or not _idle(bests, last, maximize):
        return None
    return last if improvement < (IMPROVEMENT * abs(bests[last]) or IMPROVEMENT_ON_ZERO) else None


def _idle(bests: Sequence[float], index: int, maximize: bool) -> bool:
    """Has the best not improved over the last values up to this one?"""
    count = index + 1
    window = max(FEWEST_IDLE, -(-count // IDLE_SHARE))
    return not _improves(bests[index], bests[index - window], maximize)


def _improves(value: float, best: float, maximize: bool) -> bool:
    gain = value - best if maximize else best - value
    return gain > (IMPROVEMENT * abs(best) or IMPROVEMENT_ON_ZERO)
