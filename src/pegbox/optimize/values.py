"""What can be told of a trial: a value, a value of one that was stopped early, or a failure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

from pegbox.strategies.base import TrialState


@dataclass(frozen=True, slots=True)
class Stopped:
    """The last value of a trial that was ended early, None if it had none."""

    value: float | None = None


#: A number; None, nan and infinities: it failed.
Told: TypeAlias = float | Stopped | None


def state_and_value(told: Told) -> tuple[TrialState, float | None]:
    """What is kept of it."""
    if isinstance(told, Stopped):
        return TrialState.STOPPED, _finite(told.value)
    value = _finite(told)
    return (TrialState.FAILED if value is None else TrialState.FINISHED), value


def _finite(value: float | None) -> float | None:
    number = math.nan if value is None else float(value)
    return number if math.isfinite(number) else None
