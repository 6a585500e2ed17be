"""An executor whose training takes no time: for measuring and testing everything around it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pegbox.executors.base import Attempt, Cause, Exit, Observation, Phase, Point

Train = Callable[[Attempt], Sequence[tuple[str, float]]]  #: (metric, value) pairs in the order they are printed


@dataclass(slots=True)
class InstantExecutor:
    """An Executor (see executors.base) that has the values of `train` as soon as an attempt starts.

    `heard` is told the attempt's id when it has ended, as runners tell a server.  What is known of attempts lives
    in memory only; their directories are empty.
    """

    train: Train
    heard: Callable[[str], None]
    started: int = 0
    _ended: dict[Path, Observation] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def prepare(self, module: str | None) -> None:
        """Nothing to prepare."""

    def start(self, attempt: Attempt) -> None:
        """Train, unless the attempt has been started before."""
        with self._lock:
            if attempt.directory in self._ended:
                return
            self.started += 1
            now = time.time()
            points = tuple(
                Point(offset=place, host="algo-1", metric=metric, value=value, at=now)
                for place, (metric, value) in enumerate(self.train(attempt))
            )
            end = Exit(cause=Cause.EXIT, codes={"algo-1": 0}, started=now, ended=now)
            self._ended[attempt.directory] = Observation(
                phase=Phase.EXITED, started=now, points=points, cursor=len(points), exit=end
            )
        self.heard(attempt.id)

    def observe(self, directory: Path, cursor: int) -> Observation:
        """STARTING before `start`; afterwards EXITED, with all points."""
        with self._lock:
            ended = self._ended.get(directory)
        return ended or Observation(phase=Phase.STARTING, started=None, points=(), cursor=cursor)

    def stop(self, directory: Path) -> None:
        """Too late."""

    def close(self) -> None:
        """Forget all attempts."""
        self._ended.clear()
