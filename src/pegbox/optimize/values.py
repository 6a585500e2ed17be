"""What can be told of a trial: a value, with the curve that led to it or without; that it was stopped, or failed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pegbox.strategies.base import TrialState


@dataclass(frozen=True, slots=True)
class Finished:
    """The value of a trial that ran to its end, and those that it had on the way, oldest first."""

    value: float | None
    curve: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Stopped:
    """The last value of a trial that was ended early, None if it had none, and those before, oldest first.

    What it would have reached is not known: with the curves of others and its own it is guessed; without them the value
    counts, but is doubted as much as values differ.
    """

    value: float | None = None
    curve: Sequence[float] = ()


#: A number; None, nan and infinities: it failed.
Told: TypeAlias = float | Finished | Stopped | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is kept of it."""

    state: TrialState
    value: float | None
    curve: tuple[float, ...]  #: finite values


def outcome(told: Told) -> Outcome:
    """What was told, in one form.  TypeError if it is nothing that can be told."""
    if isinstance(told, Finished | Stopped):
        if not isinstance(told.curve, Iterable):
            raise TypeError(f"a curve is a list of numbers, not {told.curve!r}")
        curve = tuple(value for each in told.curve if (value := _finite(each)) is not None)
        value = _finite(told.value)
    else:
        curve, value = (), _finite(told)
    if isinstance(told, Stopped):
        return Outcome(TrialState.STOPPED, curve[-1] if value is None and curve else value, curve)
    return Outcome(TrialState.FAILED if value is None else TrialState.FINISHED, value, curve)


def _finite(value: float | None) -> float | None:
    try:
        number = math.nan if value is None else float(value)
    except (TypeError, ValueError):
        raise TypeError(
            f"a result is a number, None for a failure, Stopped(...) or Finished(...), not {value!r}"
        ) from None
    except OverflowError:  # an integer beyond all doubles is as good as infinite
        return None
    return number if math.isfinite(number) else None
