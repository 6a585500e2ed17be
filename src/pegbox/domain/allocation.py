"""Which definitions of a tuning job get the next training jobs.  (The guide is silent: our choice.)

First each gets its turn for a quarter of the budget; then most goes to those whose results were good most often, and
to each at least a tenth of an equal share, so that none is given up for bad luck at the start.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

FLOOR = 0.1  #: of the budget after the first turns, shared by all
GOOD = 0.25  #: share of the results that count as good


def share_out(
    count: int,
    most: int,
    launched: Sequence[int],
    results: Sequence[Sequence[float]],
    is_open: Sequence[bool],
    maximize: bool,
) -> list[int]:
    """How many of `count` further training jobs each definition gets.

    launched: how many each has had, `most` in all at the end.  results: final objectives.  is_open: whether the
    strategy may still have something to propose there; if nobody is open, nobody gets anything.
    """
    shares = [0] * len(launched)
    if len(launched) == 1:
        return [count if is_open[0] else 0]
    weights = _weights(results, maximize)
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


def _weights(results: Sequence[Sequence[float]], maximize: bool) -> list[float]:
    """For each definition how often it was good, as a share of all of these, and none below the floor.

    Good is whatever is as good as the last of the best quarter: with a metric of few values that is much more than a
    quarter, and no definition may gain by its place in the list.
    """
    equal = 1 / len(results)
    ranked = sorted((value for values in results for value in values), reverse=maximize)
    if not ranked:
        return [equal] * len(results)
    worst = ranked[math.ceil(GOOD * len(ranked)) - 1]
    rates = [_share(values, worst, maximize) for values in results]
    return [FLOOR * equal + (1 - FLOOR) * rate / sum(rates) for rate in rates]


def _share(values: Sequence[float], worst: float, maximize: bool) -> float:
    """The share of the values that are as good as `worst` or better."""
    good = sum(value >= worst if maximize else value <= worst for value in values)
    return good / len(values) if values else 0.0
