"""Trouble outside that lasts: told when it begins, once a minute while it goes on, and when it is over."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger()

AGAIN = 60.0  #: seconds between two lines about the same trouble
LEAST = 10.0  #: the same when it was over meanwhile


class Outage:
    """What does not answer, for the log.  `what` is its name there.  Thread-safe."""

    def __init__(self, what: str, monotonic: Callable[[], float]) -> None:
        self._what, self._monotonic = what, monotonic
        self._lock = threading.Lock()
        self._began: float | None = None
        self._told = float("-inf")
        self._unheard = 0  # since the last line

    def met(self, error: BaseException, **about: object) -> None:
        """It did not answer.  `about` says who asked."""
        with self._lock:
            now = self._monotonic()
            pause = LEAST if self._began is None else AGAIN
            self._began = now if self._began is None else self._began
            if now - self._told < pause:
                self._unheard += 1
                return
            more = {"more": self._unheard, "seconds": round(now - self._began)} if self._unheard else {}
            self._told, self._unheard = now, 0
        log.warning(f"{self._what} does not answer", error=" ".join(str(error).split()), **more, **about)

    def over(self) -> None:
        """It answered."""
        with self._lock:
            began, self._began, self._unheard = self._began, None, 0
        if began is not None:
            log.info(f"{self._what} answers again", seconds=round(self._monotonic() - began, 1))
