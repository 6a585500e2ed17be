"""An executor whose trainings take virtual time: hundreds of searches run in seconds, in a seeded order."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pegbox.executors.base import Attempt, Cause, Exit, Observation, Phase, Point

HOST = "algo-1"
MOST_ENDED = 1000  #: attempts that have ended and are known: nobody asks for older ones, which real ones have on disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What an attempt will do: publish values one after the other, then end."""

    values: Sequence[tuple[str, float]]  #: (metric, value) pairs in the order in which they are printed
    seconds: float = 1.0  #: between two of them, from the start on, and from the last one to the end
    code: int = 0  #: exit code
    cause: Cause = Cause.EXIT  #: why it ends
    is_lost: bool = False  #: whether the runner dies instead of ending


@dataclass(slots=True)
class _Running:
    id: str
    directory: Path
    training: Training
    started: float
    points: list[Point] = field(default_factory=list)
    exit: Exit | None = None
    is_lost: bool = False


class SimulatedExecutor:
    """An Executor (see executors.base) on a clock that stands still until `advance`.

    train: what an attempt does.  heard: told the attempt's id whenever there is news, as runners tell a server.
    """

    def __init__(self, train: Callable[[Attempt], Training], heard: Callable[[str], None], now: float = 1e9) -> None:
        self.now = now  #: epoch seconds
        self.started = 0  #: attempts, in all
        self.epochs = 0  #: values published, in all
        self._train, self._heard = train, heard
        self._attempts: dict[Path, _Running] = {}
        self._ended: deque[Path] = deque()
        self._events: list[tuple[float, int, Path]] = []
        self._order = itertools.count()

    @property
    def running(self) -> int:
        """How many attempts have not ended."""
        return sum(each.exit is None and not each.is_lost for each in self._attempts.values())

    def prepare(self, module: str | None) -> None:
        """Nothing to prepare."""

    def start(self, attempt: Attempt) -> None:
        """Begin, unless the attempt has been started before."""
        if attempt.directory in self._attempts:
            return
        self.started += 1
        self._attempts[attempt.directory] = _Running(attempt.id, attempt.directory, self._train(attempt), self.now)
        self._plan(attempt.directory)

    def advance(self, together: float = 0.0) -> bool:
        """Go to the next event: a value is printed, or a training ends.  False if nothing will ever happen.

        All events within `together` seconds of it happen as well.
        """
        until: float | None = None
        while self._events and (until is None or self._events[0][0] <= until):
            at, _, directory = heapq.heappop(self._events)
            running = self._attempts.get(directory)
            if running is None or running.exit is not None or running.is_lost:
                continue
            self.now = max(self.now, at)
            until = self.now + together if until is None else until
            self._go_on(running)
            self._heard(running.id)
        return until is not None

    def observe(self, directory: Path, cursor: int) -> Observation:
        """What has happened by now."""
        running = self._attempts.get(directory)
        if running is None:
            return Observation(phase=Phase.STARTING, started=None, points=(), cursor=cursor)
        phase = Phase.LOST if running.is_lost else Phase.RUNNING if running.exit is None else Phase.EXITED
        points = running.points[cursor:]
        return Observation(
            phase=phase,
            started=running.started,
            points=points,
            cursor=cursor + len(points),
            exit=running.exit,
        )

    def stop(self, directory: Path) -> None:
        """End at once, as a program that obeys TERM."""
        running = self._attempts.get(directory)
        if running is None or running.exit is not None or running.is_lost:
            return
        self._end(running, Cause.STOPPED, -15)
        self._heard(running.id)

    def close(self) -> None:
        """Forget all attempts."""
        self._attempts.clear()
        self._ended.clear()

    def _plan(self, directory: Path) -> None:
        seconds = self._attempts[directory].training.seconds
        heapq.heappush(self._events, (self.now + seconds, next(self._order), directory))

    def _go_on(self, running: _Running) -> None:
        training, published = running.training, len(running.points)
        if published < len(training.values):
            metric, value = training.values[published]
            running.points.append(Point(offset=published, host=HOST, metric=metric, value=value, at=self.now))
            self.epochs += 1
            self._plan(running.directory)
        elif training.is_lost:
            running.is_lost = True
            self._forget(running.directory)
        else:
            self._end(running, training.cause, training.code)

    def _end(self, running: _Running, cause: Cause, code: int) -> None:
        failure = "it failed" if cause is Cause.EXIT and code else ""
        running.exit = Exit(cause=cause, codes={HOST: code}, started=running.started, ended=self.now, failure=failure)
        running.training = replace(running.training, values=())
        self._forget(running.directory)

    def _forget(self, ended: Path) -> None:
        self._ended.append(ended)
        if len(self._ended) > MOST_ENDED:
            del self._attempts[self._ended.popleft()]
