"""Which definitions of a tuning job get the next training jobs.  (The guide is silent: our choice.)

First each gets its turn for a quarter of the budget; then most goes to those that the best results came from, and to
each at least a tenth of an equal share, so that none is given up for bad luck at the start.
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
    """The share of the good results that each definition has found, none below the floor."""
    ranked = sorted(
        ((value, place) for place, values in enumerate(results) for value in values),
        key=lambda found: -found[0] if maximize else found[0],
    )
    good = ranked[: math.ceil(GOOD * len(ranked))]
    equal = 1 / len(results)
    if not good:
        return [equal] * len(results)
    return [
        FLOOR * equal + (1 - FLOOR) * sum(place == owner for _, owner in good) / len(good)
        for place in range(len(results))
    ]
