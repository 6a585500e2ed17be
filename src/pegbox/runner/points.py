"""Metric values on their way to the server: the points file, and a datagram that says look now."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from pegbox.crashpoints import AFTER, reach
from pegbox.runner import records
from pegbox.runner.growing import GrowingFile
from pegbox.runner.thinning import LEAST, Series

WAKE_INTERVAL = 0.1  #: seconds between two wakes because of points
FIRST_WAKE = 0.25  #: seconds until the first: what ends before costs the server one look and one transaction less
TELL_INTERVAL = 1.0  #: seconds between two values of a metric that are told and not kept


class Wake:
    """Tells the server that something happened.  Nobody has to listen: looking is the truth."""

    def __init__(self, path: str | None, attempt: str, monotonic: Callable[[], float]) -> None:
        self._path, self._message, self._monotonic = path, attempt.encode(), monotonic
        self._last = monotonic() + FIRST_WAKE - WAKE_INTERVAL  # what ends before the first is told once, by its end
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
    """The points file: whole lines, each batch in one write if the disk has room for it.

    At most `most` values are kept, each series (metric and instance) has its share of them.  `thinned` is called once,
    with the metric of the first value that is left out.  What is left out is told all the same, a second later at the
    latest, when it is the metric's last one; and the smallest and the largest are kept at the end.
    """

    def __init__(
        self,
        directory: Path,
        wake: Wake,
        hosts: Collection[str],
        metrics: int,
        most: int,
        thinned: Callable[[int], None],
    ) -> None:
        self._file = GrowingFile(directory / records.POINTS)
        self._wake = wake
        share = max(LEAST, most // max(1, len(hosts) * metrics))
        self._series = {host: [Series(share) for _ in range(metrics)] for host in hosts}  # by metric
        self._thinned, self._is_thinned = thinned, False
        self._last: dict[int, tuple[str, float, float]] = {}  # by metric: host, value, epoch seconds
        self._untold: set[int] = set()  # metrics whose last value is in no line yet
        self.due: float | None = None  #: monotonic time at which to call tell()

    @property
    def is_waiting(self) -> bool:
        """Whether something waits for room on the disk."""
        return bool(self._file.waiting)

    def add(self, host: str, at: float, values: Sequence[tuple[int, float]]) -> None:
        """Append (metric index, value) pairs read at epoch seconds `at`, as many as are kept."""
        series = self._series[host]
        kept = [item for item in values if series[item[0]].add(item[1], at)]
        if kept:
            self._write(host, [(metric, value, at) for metric, value in kept])
            reach(AFTER, "points append")
        self._last |= {metric: (host, value, at) for metric, value in values}
        if len(kept) < len(values):
            self._leave_out(host, values)
        elif self._untold:
            self._untold -= {metric for metric, _ in values}

    def tell(self) -> None:
        """Write down the last values that were left out, marked as not to be kept."""
        for metric in sorted(self._untold):
            host, value, at = self._last[metric]
            self._write(host, [(metric, value, at)], ", false")
        self._untold.clear()
        self.due = None

    def conclude(self) -> None:
        """Nothing follows: keep what is left of each series."""
        for host, each in self._series.items():
            for metric, series in enumerate(each):
                if left_out := series.left_out():
                    self._write(host, [(metric, value, at) for _, value, at, _ in left_out])
                    self._untold.add(metric)  # what is older must not be the last one
        self.tell()

    def settle(self) -> None:
        """Write what waits, as far as there is room."""
        if self._file.waiting and self._file.settle():
            self._wake.soon()

    def sync(self) -> None:
        """Make what was added durable."""
        self._file.sync()

    def _leave_out(self, host: str, values: Sequence[tuple[int, float]]) -> None:
        for metric in {metric for metric, _ in values}:
            last = self._series[host][metric].last
            if last is None or last[-1]:
                self._untold.discard(metric)
            else:
                self._untold.add(metric)
        if self._untold and self.due is None:
            self.due = time.monotonic() + TELL_INTERVAL
        if not self._is_thinned:
            self._is_thinned = True
            self._thinned(values[0][0])

    def _write(self, host: str, values: Iterable[tuple[int, float, float]], end: str = "") -> None:
        name = json.dumps(host)
        lines = [f"[{name}, {metric}, {value!r}, {at:.3f}{end}]\n" for metric, value, at in values]
        self._file.take("".join(lines).encode())  # json.dumps for each takes 6 times as long
        self.settle()
