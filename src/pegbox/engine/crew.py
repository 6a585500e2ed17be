"""Threads that carry out work as it comes.

A ThreadPoolExecutor makes a future of each piece, with a condition to wait for it, and starts threads when it needs
them.  Nobody waits here, and a machine that has no room for a thread should say so before there is work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue


class Crew:
    """So many threads; whoever is free takes what was put first.  The work has to deal with its own faults."""

    def __init__(self, name: str, size: int) -> None:
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._serve, name=f"{name}_{number}", daemon=True) for number in range(size)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def put(self, work: Callable[[], None]) -> None:
        """Have this done."""
        self._queue.put(work)

    def close(self) -> None:
        """End when all that was put before is done; returns at once."""
        for _ in self._threads:
            self._queue.put(None)

    def _serve(self) -> None:
        while (work := self._queue.get()) is not None:
            work()
