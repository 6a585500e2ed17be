"""Logs as the runners of this machine write them: <home>/attempts/<job>/<attempt>/<host>.log."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pegbox.logs.base import LONGEST, Event, Job, Place
from pegbox.logs.index import Index
from pegbox.logs.lines import Line, Lines


class AttemptLogs:
    """A LogStore of the homes on this machine.

    A home's folder is believed only if it says that it is the job's: a database that was replaced counts from 1 again.
    `home` is the server's own.  It is looked into first: it may have been moved or copied since the job wrote down
    where it was.
    """

    def __init__(self, home: Path) -> None:
        self._home = home

    def stream(self, job: Job, host: str) -> AttemptStream | None:
        """The log of an instance; None if it has printed nothing, or its files are not here."""
        if not job.home:
            return None
        files = []
        for attempt in range(1, job.attempt + 1):
            for home in dict.fromkeys((str(self._home), job.home)):
                folder = Path(home, "attempts", str(job.id), str(attempt))
                is_whole = attempt < job.attempt or job.is_over or (folder / "exit.json").exists()  # before its size
                lines = Lines(folder / f"{host}.log", LONGEST, is_whole)
                if lines.size and _is_of(folder, job):
                    index = Index(folder / f"{host}.idx", otherwise=_changed(lines.path))
                    files.append(_File(attempt, lines, index))
                    break
        return AttemptStream(files) if files else None


@dataclass(frozen=True, slots=True)
class _File:
    """The log of an attempt."""

    attempt: int
    lines: Lines
    index: Index

    def event(self, line: Line) -> Event:
        begin, end, data = line
        arrived = self.index.time(end if end < self.lines.size else end - 1)  # of its end, if it has one
        places = Place(self.attempt, begin), Place(self.attempt, end)
        return Event(*places, arrived, data.decode("utf-8", "replace"))


class AttemptStream:
    """The logs of all attempts that are here, one after the other."""

    def __init__(self, files: Sequence[_File]) -> None:
        """There has to be one."""
        self._files = files

    @property
    def size(self) -> int:
        """Bytes printed so far."""
        return sum(file.lines.size for file in self._files)

    @property
    def is_growing(self) -> bool:
        """Whether more may come."""
        return not self._files[-1].lines.is_whole

    def end(self) -> Place:
        """Behind the last event so far."""
        last = self._files[-1]
        return Place(last.attempt, last.lines.end())

    def since(self, at: int) -> Place:
        """Before the first event of this time or later."""
        for file in self._files:
            offset = file.index.offset(at)
            if offset is not None:
                return Place(file.attempt, file.lines.begin_of(offset))
        return self.end()

    def forward(self, place: Place) -> Iterator[Event]:
        """The events from a place on."""
        for file in self._files:
            if file.attempt >= place.attempt:
                begin = place.offset if file.attempt == place.attempt else 0
                yield from map(file.event, file.lines.forward(begin))

    def backward(self, place: Place) -> Iterator[Event]:
        """The events before a place, the last one first."""
        for file in reversed(self._files):
            if file.attempt <= place.attempt:
                end = place.offset if file.attempt == place.attempt else file.lines.end()
                yield from map(file.event, file.lines.backward(min(end, file.lines.size)))


def _changed(path: Path) -> int:
    """Epoch milliseconds."""
    try:
        return int(os.stat(path).st_mtime * 1000)
    except OSError:
        return 0


def _is_of(folder: Path, job: Job) -> bool:
    try:
        found = json.loads((folder / "attempt.json").read_bytes())
        return bool(found["job_arn"] == job.arn)
    except (OSError, ValueError, KeyError, TypeError):
        return False
