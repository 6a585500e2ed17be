"""Trials that were stopped early: what they would have reached, and how far that guess may be off.

At an epoch, trials have ranks.  One that was stopped there is taken to end where the trial of its rank ended, among
those that ran to their end (the last value as evidence: Salinas et al. 2023, "Optimizing Hyperparameters with Conformal
Quantile Regression", section 4; as a rank, because values of different epochs cannot be compared).  How wrong that is
shows when the same is said of each trial that ran to its end, from the others.

Until enough have run to their end, the last epoch to which enough trials came takes the place of the end.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pegbox.strategies.gp.arrays import Array, interpolate

FEWEST = 3  #: trials that came to an end and are needed for a guess
_LARGEST = float(np.finfo(float).max)

Curve = Mapping[int, float]  #: epoch -> value, to be minimised


@dataclass(frozen=True, slots=True)
class Misses:
    """What was reached (k,), and what would have been said of it at an epoch (k,); k may be 0: nothing is known."""

    reached: Array
    foretold: Array

    def variance(self, values: Array, warped: Array) -> float:
        """The mean squared difference on the scale of the warped values (n,) of values (n,).

        Counted with one of 1, which is all that can be said when nothing is known: few misses may be few by chance.
        """
        order = np.argsort(values, kind="stable")
        reached, foretold = (interpolate(each, values[order], warped[order]) for each in (self.reached, self.foretold))
        return float((1.0 + np.sum((reached - foretold) ** 2)) / (1.0 + len(reached)))


UNKNOWN = Misses(np.empty(0), np.empty(0))


def farthest(curves: Sequence[Curve]) -> int | None:
    """The last epoch to which enough curves come for guesses; None if there is none."""
    counts = Counter(epoch for curve in curves for epoch in curve)
    return max((epoch for epoch, count in counts.items() if count >= FEWEST), default=None)


class Extrapolation:
    """Says of curves that broke off where they would have ended."""

    def __init__(self, curves: Sequence[Curve], finals: Sequence[float], *, is_end: bool = True) -> None:
        """The curves of the trials that ran to their end, and their last values; or not the end, but an epoch."""
        self._is_end = is_end
        self._curves, self._finals = curves, np.array(finals, dtype=float)
        self._known: dict[int, tuple[Array, Array]] = {}
        self._misses: dict[int, Misses] = {}

    def of(self, curve: Curve) -> tuple[float, Misses]:
        """The last value it would have had; at the end no worse than the last one that it had: that one is known."""
        last = curve[max(curve)]
        for epoch in sorted(curve, reverse=True):
            values, finals = self._at(epoch)
            if len(values) >= FEWEST:
                found = foretell(curve[epoch], values, finals)
                return min(last, found) if self._is_end else found, self._missed(epoch)
        return last, UNKNOWN

    def _at(self, epoch: int) -> tuple[Array, Array]:
        """What those that came so far had there, and where they ended."""
        if epoch not in self._known:
            rows = [row for row, curve in enumerate(self._curves) if epoch in curve]
            self._known[epoch] = np.array([self._curves[row][epoch] for row in rows]), self._finals[rows]
        return self._known[epoch]

    def _missed(self, epoch: int) -> Misses:
        if epoch not in self._misses:
            values, finals = self._at(epoch)
            others = [np.arange(len(values)) != row for row in range(len(values))]
            foretold = [foretell(value, values[rest], finals[rest]) for value, rest in zip(values, others, strict=True)]
            self._misses[epoch] = Misses(finals, np.array(foretold))
        return self._misses[epoch]


def foretell(value: float, values: Array, finals: Array) -> float:
    """Where a trial with this value ends, given what others (k,) had there and where they ended; k > 0.

    Beyond the others it keeps its distance from them, less what distances shrink.
    """
    here, there = np.sort(values), np.sort(finals)
    value, first, last, best, worst = map(float, (value, here[0], here[-1], there[0], there[-1]))
    if first <= value <= last:
        return min(worst, max(best, float(np.interp(value, here, there))))
    width = last - first
    shrunk = min(1.0, (worst - best) / width) if 0.0 < width < math.inf else 1.0
    found = worst + shrunk * (value - last) if value > last else best - shrunk * (first - value)
    return max(-_LARGEST, min(_LARGEST, found))
