"""What is kept of an attempt while it runs, the logs and the points, and what happens when it can't be written."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from pegbox.runner.capture import Capture
from pegbox.runner.growing import FULL
from pegbox.runner.points import Points


class Kept:
    """The logs and the points of an attempt.

    On a full disk they wait for room, and nothing more may be read meanwhile.  Any other reason is told by `failed`,
    once: nobody would see how the attempt goes on.
    """

    def __init__(self, captures: Mapping[str, Capture], points: Points, failed: Callable[[], None]) -> None:
        self.captures, self._points, self._failed = captures, points, failed
        self.unwritten = ""  #: why something that was printed or measured is not kept

    @property
    def is_full(self) -> bool:
        """Whether something waits for room on the disk."""
        waiting = self._points.is_waiting or any(capture.is_waiting for capture in self.captures.values())
        return waiting and not self.unwritten

    def settle(self) -> None:
        """Write what waits, as far as there is room."""
        with self.writing():
            for capture in self.captures.values():
                capture.settle()
            self._points.settle()

    def note(self, host: str, text: str) -> None:
        """Add a line of our own to a log."""
        with self.writing():
            self.captures[host].note(text)

    def add(self, host: str, at: float, values: Sequence[tuple[int, float]]) -> None:
        """Add (metric index, value) pairs read at epoch seconds `at`."""
        if self.unwritten:  # the file may end within a line
            return
        with self.writing():
            self._points.add(host, at, values)

    @property
    def due(self) -> float | None:
        """Monotonic time at which to call if_due()."""
        return None if self.unwritten else self._points.due

    def if_due(self) -> None:
        """Tell the last values if the time has come."""
        if self.due is not None and time.monotonic() >= self.due:
            with self.writing():
                self._points.tell()

    def conclude(self) -> None:
        """Nothing follows."""
        with self.writing():
            if not self.unwritten:
                self._points.conclude()
            for capture in self.captures.values():
                capture.conclude()

    def sync(self) -> None:
        """Make the points durable."""
        try:
            self._points.sync()
        except OSError as error:  # what the kernel had taken is not there
            self.give_up(error.errno)

    def give_up(self, number: int | None = errno.ENOSPC) -> None:
        """What waits will not be written, because of this error."""
        self.unwritten = self.unwritten or f"the log cannot be written: {os.strerror(number or errno.EIO)}"

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Around whatever writes."""
        try:
            yield
        except OSError as error:
            if error.errno not in FULL and not self.unwritten:
                self.give_up(error.errno)
                self._failed()
