"""Pokes: which resources somebody wants looked at now."""

from __future__ import annotations

import threading
from collections.abc import Collection, Set


class Mailbox:
    """Collects pokes from any thread for the engine's one."""

    def __init__(self) -> None:
        self._poked: set[int] = set()
        self._lock = threading.Lock()
        self._arrived = threading.Event()

    def poke(self, identities: Collection[int]) -> None:
        """Look at these resources now."""
        with self._lock:
            self._poked.update(identities)
        if not self._arrived.is_set():  # whoever waits clears it before looking
            self._arrived.set()

    def heard(self, attempt: str) -> None:
        """A runner has news of its attempt, `<resource id>-<attempt>`."""
        identity = attempt.partition("-")[0]
        if identity.isdigit():
            self.poke([int(identity)])

    def wait(self, seconds: float) -> None:
        """Return when something is poked, or after `seconds`."""
        self._arrived.wait(seconds)
        self._arrived.clear()

    def take(self, working: Set[int]) -> Collection[int]:
        """What was poked; what is being worked on stays here for the next time."""
        with self._lock:
            ready = self._poked - working
            self._poked -= ready
        return ready
