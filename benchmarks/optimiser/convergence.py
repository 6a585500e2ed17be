"""When a tuning job with CompleteOnConvergence would have ended a search, and what the rest of it found."""

from __future__ import annotations

from collections.abc import Sequence

from pegbox.domain.completion import ASKS, Improvement

from .simulation import Evaluation


def converged_after(evaluations: Sequence[Evaluation], sign: float) -> int | None:
    """The number of evaluations after which the service's test of convergence holds; None: it never does.

    As in the service, the model's word is that of the last asks before, and nothing converges without it.
    """
    improvement = Improvement(maximize=sign < 0)
    begun = sorted(evaluations, key=lambda item: item.number)
    for count, item in enumerate(evaluations, start=1):
        if item.value is not None:
            improvement.add(item.value)
            asked = [other.expected for other in begun if other.begun < item.ended and other.expected is not None]
            if len(asked) >= ASKS and improvement.has_converged(len(item.values), max(asked[-ASKS:])):
                return count
    return None
