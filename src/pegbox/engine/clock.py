"""The clock by which leases run, and steps of the database's clock, by which due times and beats are compared."""

from __future__ import annotations

import time
from dataclasses import dataclass

_AWAKE_OR_ASLEEP = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # Linux alone has the former


@dataclass(frozen=True, slots=True)
class _Reading:
    asked: float  # monotonic seconds
    answered: float
    told: float  # epoch seconds


def elapsed() -> float:
    """Seconds that pass while the machine sleeps as well, as leases do; time.monotonic() stands still then."""
    return time.clock_gettime(_AWAKE_OR_ASLEEP)


class ClockWatch:
    """Compares the database's clock with our own monotonic one, which is never stepped."""

    def __init__(self) -> None:
        self._last: _Reading | None = None

    def step(self, asked: float, answered: float, told: float) -> float:
        """Seconds by which the clock was stepped between the last reading and this one; 0 at first.

        `told` (epoch seconds) was read at some moment between `asked` and `answered` (monotonic seconds): an answer
        that was long in coming explains a difference of as much.
        """
        last, self._last = self._last, _Reading(asked, answered, told)
        if last is None:
            return 0.0
        passed = told - last.told
        return passed - min(max(passed, asked - last.answered), answered - last.asked)
