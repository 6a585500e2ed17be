"""Pokes: which resources somebody wants looked at now."""

from __future__ import annotations

import threading
from collections.abc import Collection, Set


class Mailbox:
    """Collects pokes from any thread for the engine's one."""

    def __init__(self) -> None:
        self._poked: set[int] = set()
        self._heard: set[int] = set()  # training jobs whose processes have news
        self._lock = threading.Lock()
        self._arrived = threading.Event()

    def poke(self, identities: Collection[int]) -> None:
        """Look at these resources now."""
        self._put(self._poked, identities)

    def heard(self, attempt: str) -> None:
        """A runner has news of its attempt, `<resource id>-<attempt>`."""
        identity = attempt.partition("-")[0]
        if identity.isdigit():
            self._put(self._heard, [int(identity)])

    def _put(self, these: set[int], identities: Collection[int]) -> None:
        with self._lock:
            these.update(identities)
        if not self._arrived.is_set():  # whoever waits clears it before looking
            self._arrived.set()

    def wait(self, seconds: float) -> None:
        """Return when something is poked, or after `seconds`."""
        self._arrived.wait(seconds)
        self._arrived.clear()

    def take_heard(self, known: Set[int]) -> Set[int]:
        """Those of the `known` jobs whose processes have news, and that nobody has poked."""
        with self._lock:
            ready = (self._heard & known) - self._poked
            self._heard -= ready
        return ready

    def take(self, working: Set[int]) -> Collection[int]:
        """What was poked or has news; what is being worked on stays here for the next time."""
        with self._lock:
            ready = (self._poked | self._heard) - working
            self._poked -= ready
            self._heard -= ready
        return ready
