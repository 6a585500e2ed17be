"""A clock for one attempt."""

from __future__ import annotations

import time
from collections.abc import Callable


def steady() -> Callable[[], float]:
    """Epoch seconds as they are now, counted on by the monotonic clock.

    The system's clock may be stepped while a job trains: times of a log must not go back, durations not be negative.
    """
    beginning = time.time() - time.monotonic()
    return lambda: beginning + time.monotonic()
