"""What is in the way of a job and may go away by itself: an object store that does not answer, a disk without room."""

from __future__ import annotations

import errno
from collections.abc import Callable

from pegbox.executors.base import NotNow
from pegbox.objects.base import Refused, Unreachable

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})  #: a disk or a quota
LONGEST_PAUSE = 20.0  #: seconds between two tries


class Hindered(Exception):
    """Something else of this machine does not do its part; the message says what."""


def obstacle(error: BaseException) -> str | None:
    """What is in the way, in words; None for a fault of another kind."""
    if isinstance(error, (Refused, Unreachable)):
        return f"The object store can't be used: {error}"
    if isinstance(error, OSError) and error.errno in FULL:
        where = f" [{error.filename}]" if error.filename else ""
        return f"There is no room on a disk of the server{where}: {error.strerror}"
    return str(error) if isinstance(error, (Hindered, NotNow)) else None


class Obstacles:
    """Which jobs have met obstacles since when.  One thread at a time works on a job."""

    def __init__(self, monotonic: Callable[[], float], first_pause: float) -> None:
        self._monotonic, self._first_pause = monotonic, first_pause
        self._met: dict[int, tuple[float, int]] = {}

    def met(self, identity: int) -> tuple[float, float]:
        """(seconds since this job met the first one, seconds until it should be tried again)."""
        now = self._monotonic()
        since, tries = self._met.get(identity, (now, 0))
        self._met[identity] = (since, tries + 1)
        return now - since, min(LONGEST_PAUSE, self._first_pause * 2.0 ** min(tries, 10))

    def over(self, identity: int) -> None:
        """The job goes on, or has ended."""
        self._met.pop(identity, None)
