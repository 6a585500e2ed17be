"""Metric values on their way to the server: the points file, and a datagram that says look now."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

from pegbox.crashpoints import AFTER, reach
from pegbox.runner import records
from pegbox.runner.growing import GrowingFile

WAKE_INTERVAL = 0.1  #: seconds between two wakes because of points


class Wake:
    """Tells the server that something happened.  Nobody has to listen: looking is the truth."""

    def __init__(self, path: str | None, attempt: str, monotonic: Callable[[], float]) -> None:
        self._path, self._message, self._monotonic = path, attempt.encode(), monotonic
        self._last = monotonic()  # what ends within the first interval is told once, by its end
        self.due: float | None = None  #: monotonic time of the next wake

    def now(self) -> None:
        """Send."""
        self._last, self.due = self._monotonic(), None
        if self._path is None:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)
            channel.sendto(self._message, self._path)

    def soon(self) -> None:
        """Send at once, or WAKE_INTERVAL after the last one."""
        if self.due is None:
            self.due = self._last + WAKE_INTERVAL
        self.if_due()

    def if_due(self) -> None:
        """Send if the time has come."""
        if self.due is not None and self._monotonic() >= self.due:
            self.now()


class Points:
    """The points file: whole lines, each batch in one write if the disk has room for it."""

    def __init__(self, directory: Path, wake: Wake) -> None:
        self._file = GrowingFile(directory / records.POINTS)
        self._wake = wake

    @property
    def is_waiting(self) -> bool:
        """Whether something waits for room on the disk."""
        return bool(self._file.waiting)

    def add(self, host: str, at: float, values: Iterable[tuple[int, float]]) -> None:
        """Append (metric index, value) pairs read at epoch seconds `at`."""
        begin, end = f"[{json.dumps(host)}, ", f", {at:.3f}]\n"
        lines = "".join(
            [f"{begin}{metric}, {value!r}{end}" for metric, value in values]
        )  # json.dumps takes 6 times as long
        if lines:
            self._file.take(lines.encode())
            self.settle()
            reach(AFTER, "points append")

    def settle(self) -> None:
        """Write what waits, as far as there is room."""
        if self._file.waiting and self._file.settle():
            self._wake.soon()

    def sync(self) -> None:
        """Make what was added durable."""
        self._file.sync()
