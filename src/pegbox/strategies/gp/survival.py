"""How near trials come to being stopped early.

The median rule is known (pegbox.domain.early_stopping), and so is what it would say of every trial if it were launched
now.  By how much a trial clears the hurdles says more than whether it was stopped: it can be foretold where the other
cannot.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from pegbox.domain.early_stopping import FEWEST
from pegbox.strategies.gp.arrays import Array
from pegbox.strategies.gp.extrapolation import Curve

_ROUNDING = 1e-13
_FAR = 1e6  #: in units of the largest value of all that ended; a trial that failed may have published anything
_DIVERGED = (
    1e10  #: so many times the median of values is none that others are measured by: rounding would make them equal
)


class Hurdles:
    """The median that a value must not be worse than, at each epoch; values are to be minimised."""

    def __init__(self, whole: Sequence[Curve], curves: Sequence[Curve]) -> None:
        """The curves of the trials that ran to their end, and of all."""
        self._unit = _unit(np.array([value for curve in curves for value in curve.values()]))
        averages, values = defaultdict[int, list[float]](list), defaultdict[int, list[float]](list)
        for curve in whole:
            for epoch, average in running(self._scaled(curve)).items():
                averages[epoch].append(average)
        for curve in curves:
            for epoch, value in self._scaled(curve).items():
                values[epoch].append(value)
        is_judged = max(averages, default=0) > 1  # what is published once is not
        known = sorted(epoch for epoch, row in averages.items() if is_judged and len(row) >= FEWEST)
        self._epochs, self._last = np.array(known, dtype=float), known[-1] if known else 0
        self._medians = np.array([np.median(averages[epoch]) for epoch in known])
        distances = [np.abs(apart(values[epoch], at)) for epoch, at in zip(known, self._medians, strict=True)]
        self._spreads = np.array([np.median(row) or np.mean(row) for row in distances])

    def margin(self, curve: Curve) -> float:
        """By how much a trial clears the hurdles, in median distances from them; negative if it is stopped.

        The least of all epochs; nan if nothing is known.
        """
        scaled = self._scaled({epoch: curve[epoch] for epoch in sorted(curve) if epoch <= self._last})
        epochs = np.array(list(scaled), dtype=float)
        if not len(epochs):
            return np.nan
        medians, spreads = (np.interp(epochs, self._epochs, row) for row in (self._medians, self._spreads))
        usable = spreads > 0
        ahead = apart(medians, np.array(list(scaled.values())))
        return float(np.min(ahead[usable] / spreads[usable])) if usable.any() else np.nan

    def _scaled(self, curve: Curve) -> Curve:
        """So that sums do not overflow: into [-1, 1], unless values are beyond all measure."""
        return {epoch: min(max(value / self._unit, -_FAR), _FAR) for epoch, value in curve.items()}


def _unit(values: Array) -> float:
    """The largest magnitude of values (n,); that of the usual ones, if the largest is beyond all measure."""
    if not values.any():
        return 1.0
    largest, quarters = float(np.abs(values).max()), values / 4.0  # whose differences do not overflow
    median = _median(quarters)
    usual = _median(np.abs(quarters - median))
    is_ordinary = usual <= _ROUNDING * abs(median) or largest <= _DIVERGED * usual
    return largest if is_ordinary else 4.0 * max(abs(median), usual)


def _median(values: Array) -> float:
    return float(np.sort(values)[len(values) // 2])


def apart(values: Array | Sequence[float], others: Array | float) -> Array:
    """Differences of scaled values, 0 where they are equal but for rounding."""
    difference = np.asarray(values) - others
    return np.where(np.abs(difference) < _ROUNDING, 0.0, difference)


def running(curve: Curve) -> Curve:
    """The averages up to each epoch of an outline, between whose epochs the curve is taken to be straight."""
    found: dict[int, float] = {}
    total, last, before = 0.0, 0, 0.0
    for epoch, value in sorted(curve.items()):
        before = before if last else value
        steps = epoch - last
        total += steps * before + (value - before) * (steps + 1) / 2
        found[epoch] = total / epoch
        last, before = epoch, value
    return found
