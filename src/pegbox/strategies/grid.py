"""Grid search: every configuration of a finite space once, in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pegbox.strategies.base import Candidate, Exhausted, Study, next_numbers
from pegbox.strategies.inheritance import used_up

if TYPE_CHECKING:
    from numpy.random import Generator


class Grid:
    """Trial n gets configuration n - 1; the first range varies slowest.  The seed has no effect."""

    def ask(self, study: Study, count: int, rng: Generator) -> Sequence[Candidate]:
        """The configurations of the next trials; Exhausted when all are used up, ValueError if they have no end.

        A configuration that was launched is not given again, whatever became of it.  If that of a trial's number is
        used up (the study was not begun by this strategy), the next free one is given.
        """
        tried = used_up(study)
        if tried.size is None:
            raise ValueError("a grid needs a finite space")
        candidates: list[Candidate] = []
        for number in next_numbers(study, count):
            if tried.exhausted:
                break
            values = study.space.configuration(next(tried.free((number - 1) % tried.size)))
            tried.add(values)
            candidates.append(Candidate(values=values))
        if not candidates and count > 0:
            raise Exhausted(f"all {tried.size} configurations have been tried")
        return candidates
