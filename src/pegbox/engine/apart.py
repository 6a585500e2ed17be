"""Slow steps in threads of their own: nobody can interrupt a download that hangs, but one can go on without it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context

from pegbox.baton import put_down


def carry_out(step: Callable[[], None], look: Callable[[], None], seconds: float, left: Callable[[], None]) -> None:
    """Carry out `step` and call `look` every so many `seconds` meanwhile.

    Whatever `step` raises is raised here.  Whatever `look` raises is raised at once: then the step is left to end by
    itself, and calls `left` afterwards.
    """
    work = _Step(step, left)
    work.start()
    try:
        while not _has_ended(work, seconds):
            look()
    except BaseException:
        work.leave()
        raise
    if work.error is not None:
        raise work.error


def _has_ended(work: _Step, seconds: float) -> bool:
    with put_down():
        return work.ended.wait(seconds)


class _Step(threading.Thread):
    def __init__(self, step: Callable[[], None], left: Callable[[], None]) -> None:
        super().__init__(name="apart", daemon=True)  # a mount that is dead holds up no end of the server
        self._step, self._left = step, left
        self._context = copy_context()  # what the log says of a job goes along
        self._lock = threading.Lock()
        self._is_left = False
        self.ended = threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._context.run(self._step)
        except BaseException as error:
            self.error = error
        with self._lock:
            self.ended.set()
            is_left = self._is_left
        if is_left:
            self._left()

    def leave(self) -> None:
        """Nobody waits for the step any more."""
        with self._lock:
            self._is_left = not self.ended.is_set()
