"""Random search: independent draws, each on the scale of its range.

Bergstra and Bengio 2012, "Random Search for Hyper-Parameter Optimization".
"""

from __future__ import annotations

from collections.abc import Sequence

from numpy.random import Generator, default_rng

from pegbox.strategies.base import Candidate, Exhausted, Study, next_numbers
from pegbox.strategies.inheritance import used_up
from pegbox.strategies.tried import Tried

#: Draws that may hit used configurations before the next free one is taken instead.
_DRAWS = 200


class Random:
    """Draws that depend on the seed and the trial's number only, never on what other trials do or when.

    In a finite space no configuration comes twice; the trials before it are then a function of the seed as well.
    """

    def ask(self, study: Study, count: int, rng: Generator) -> Sequence[Candidate]:
        """One draw for each of the next `count` trial numbers; Exhausted when a finite space is used up."""
        tried = used_up(study)
        candidates: list[Candidate] = []
        for number in next_numbers(study, count):
            if tried.exhausted:
                break
            values = draw(study.seed, number, tried)
            tried.add(values)
            candidates.append(Candidate(values=values))
        if not candidates and count > 0:
            raise Exhausted(f"all {tried.size} configurations have been tried")
        return candidates


def draw(seed: int, number: int, tried: Tried) -> dict[str, str]:
    """An unused configuration for this trial; the space must have one."""
    rng = default_rng([seed, number])
    dimensions = len(tried.space.parameters)
    for _ in range(_DRAWS):
        values = tried.space.decode(rng.random(dimensions).tolist())
        if values not in tried:
            return values
    # A continuous space so narrow that its few doubles are used up has nothing better than a repeat.
    if tried.size is None:
        return values
    start = int(rng.random() * tried.size)
    return tried.space.configuration(next(tried.free(start)))
