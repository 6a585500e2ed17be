"""Which definitions of a tuning job get the next training jobs.  (The guide is silent: our choice.)

First each gets its turn for a quarter of the budget; then most goes to those whose results were good most often, and
to each at least a tenth of an equal share, so that none is given up for bad luck at the start.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence

FLOOR = 0.1  #: of the budget after the first turns, shared by all
GOOD = 0.25  #: share of the results that count as good


class Results:
    """Final objectives, kept in order: the good ones are found without looking at the others."""

    def __init__(self, definitions: int) -> None:
        self._all: list[float] = []  # ascending, as are the others
        self._each: list[list[float]] = [[] for _ in range(definitions)]

    @classmethod
    def of(cls, values: Sequence[Iterable[float]]) -> Results:
        """From the values of each definition."""
        results = cls(len(values))
        for place, found in enumerate(values):
            for value in found:
                results.add(place, value)
        return results

    def add(self, place: int, value: float) -> None:
        """One more of a definition."""
        insort(self._all, value)
        insort(self._each[place], value)

    def __len__(self) -> int:
        return len(self._all)

    def rates(self, share: float, maximize: bool) -> list[float]:
        """For each definition the share of its values that are as good as the last of the best `share` of all."""
        count = math.ceil(share * len(self._all))
        worst = self._all[-count if maximize else count - 1]
        good = [
            len(values) - bisect_left(values, worst) if maximize else bisect_right(values, worst)
            for values in self._each
        ]
        return [found / len(values) if values else 0.0 for found, values in zip(good, self._each, strict=True)]


def share_out(
    count: int,
    most: int,
    launched: Sequence[int],
    results: Results,
    is_open: Sequence[bool],
    maximize: bool,
) -> list[int]:
    """How many of `count` further training jobs each definition gets.

    launched: how many each has had, `most` in all at the end.  is_open: whether the strategy may still have something
    to propose there; if nobody is open, nobody gets anything.
    """
    shares = [0] * len(launched)
    if len(launched) == 1:
        return [count if is_open[0] else 0]
    weights = _weights(len(launched), results, maximize)
    turns = math.ceil(most / (4 * len(launched)))
    for _ in range(count):
        candidates = [place for place, open_ in enumerate(is_open) if open_]
        if not candidates:
            break
        had = [launched[place] + shares[place] for place in range(len(launched))]
        fewest = min(candidates, key=lambda place: had[place])
        if had[fewest] >= turns:
            fewest = min(candidates, key=lambda place: (had[place] + 1) / weights[place])
        shares[fewest] += 1
    return shares


def _weights(count: int, results: Results, maximize: bool) -> list[float]:
    """For each definition how often it was good, as a share of all of these, and none below the floor.

    Good is whatever is as good as the last of the best quarter: with a metric of few values that is much more than a
    quarter, and no definition may gain by its place in the list.
    """
    equal = 1 / count
    if not results:
        return [equal] * count
    rates = results.rates(GOOD, maximize)
    return [FLOOR * equal + (1 - FLOOR) * rate / sum(rates) for rate in rates]
