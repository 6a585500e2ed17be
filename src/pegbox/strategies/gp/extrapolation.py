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

from pegbox.strategies.gp.arrays import Array, Indices, interpolate

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


@dataclass(frozen=True, slots=True)
class _Known:
    """What trials (k,) had at an epoch and where they ended, in one order, and each ascending."""

    values: Array
    finals: Array
    here: Array
    there: Array


class Extrapolation:
    """Says of curves that broke off where they would have ended."""

    def __init__(self, curves: Sequence[Curve], finals: Sequence[float], *, is_end: bool = True) -> None:
        """The curves of the trials that ran to their end, and their last values; or not the end, but an epoch."""
        self._is_end = is_end
        self._curves, self._finals = curves, np.array(finals, dtype=float)
        self._known: dict[int, _Known] = {}
        self._misses: dict[int, Misses] = {}

    def of(self, curve: Curve) -> tuple[float, Misses]:
        """The last value it would have had; at the end no worse than the last one that it had: that one is known."""
        last = curve[max(curve)]
        for epoch in sorted(curve, reverse=True):
            known = self._at(epoch)
            if len(known.here) >= FEWEST:
                found = foretell(curve[epoch], known.here, known.there)
                return min(last, found) if self._is_end else found, self._missed(epoch)
        return last, UNKNOWN

    def _at(self, epoch: int) -> _Known:
        """What those that came so far had there, and where they ended."""
        if epoch not in self._known:
            rows = [row for row, curve in enumerate(self._curves) if epoch in curve]
            values, finals = np.array([self._curves[row][epoch] for row in rows]), self._finals[rows]
            self._known[epoch] = _Known(values, finals, np.sort(values), np.sort(finals))
        return self._known[epoch]

    def _missed(self, epoch: int) -> Misses:
        if epoch not in self._misses:
            known = self._at(epoch)
            self._misses[epoch] = Misses(known.finals, foretell_each(known.values, known.finals))
        return self._misses[epoch]


def foretell(value: float, here: Array, there: Array) -> float:
    """Where a trial with this value ends, given what others (k,) had there and where they ended, both ascending; k > 0.

    Beyond the others it keeps its distance from them, less what distances shrink.
    """
    value, first, last, best, worst = map(float, (value, here[0], here[-1], there[0], there[-1]))
    if first <= value <= last:
        return min(worst, max(best, float(np.interp(value, here, there))))
    width = last - first
    shrunk = min(1.0, (worst - best) / width) if 0.0 < width < math.inf else 1.0
    found = worst + shrunk * (value - last) if value > last else best - shrunk * (first - value)
    return max(-_LARGEST, min(_LARGEST, found))


def foretell_each(values: Array, finals: Array) -> Array:
    """The same (k,) of each of k > 1 trials, given the others; as many sorts for thousands as for one."""
    here, there = np.sort(values), np.sort(finals)
    count, own = len(values), np.searchsorted(there, finals)

    def end(place: Indices) -> Array:
        """Of the others' ends."""
        return np.asarray(there[place + (place >= own)])

    # of the others, the last one that had no more: `before`, and who comes after it: one beyond its own place
    place = np.searchsorted(here, values, side="right") - 1
    before, after = np.maximum(place - 1, 0), np.minimum(place + 1, count - 1)
    low, high = end(before), end(np.minimum(before + 1, count - 2))
    with np.errstate(all="ignore"):
        slope = (high - low) / (here[after] - here[before])
        found = slope * (values - here[before]) + low
        found = np.where(np.isnan(found), slope * (values - here[after]) + high, found)
    is_known = (here[before] == values) | (low == high) & np.isnan(found)
    found = np.where(is_known, low, found)
    first, last = end(np.zeros_like(own)), end(np.full_like(own, count - 2))
    found = np.minimum(np.where(np.isnan(found), first, np.maximum(found, first)), last)
    for row in np.flatnonzero((values == here[0]) & (place == 0) | (values == here[-1]) & (here[before] < here[-1])):
        others = np.arange(count) != row
        found[row] = foretell(values[row], np.sort(values[others]), np.sort(finals[others]))
    return found
