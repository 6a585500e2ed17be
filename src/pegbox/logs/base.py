"""Logs of training jobs: one stream for each instance, whatever number of attempts a job has had.

An event is a line.  Lines end at `\\n` and `\\r`; empty ones are no events; bytes that are no UTF-8 become U+FFFD.  A
line is an event once it has ended, at the time at which its end arrived; so the times of a stream never decrease, and
what comes later has a later time.  The last line of an attempt that is over needs no end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

LONGEST = 256 << 10  #: bytes of an event; a longer line is several


class Place(NamedTuple):
    """Between two events of a stream."""

    attempt: int
    offset: int  #: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """A line."""

    begin: Place
    end: Place  #: the next one begins here, or later
    at: int  #: epoch milliseconds
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a training job has to do with its logs."""

    id: int
    arn: str
    home: str  #: where its present attempt is, and earlier ones if they are anywhere
    attempt: int  #: the present one, from 1
    is_over: bool  #: nothing will be printed any more


class Stream(Protocol):
    """The log of one instance of a job."""

    @property
    def size(self) -> int:
        """Bytes printed so far."""
        ...

    @property
    def is_growing(self) -> bool:
        """Whether more may come."""
        ...

    def end(self) -> Place:
        """Behind the last event so far."""
        ...

    def since(self, at: int) -> Place:
        """Before the first event of this time (epoch milliseconds) or later; `end()` if there is none."""
        ...

    def forward(self, place: Place) -> Iterator[Event]:
        """The events from a place on, as far as there are any."""
        ...

    def backward(self, place: Place) -> Iterator[Event]:
        """The events before a place, the last one first."""
        ...


class LogStore(Protocol):
    """Where logs are."""

    def stream(self, job: Job, host: str) -> Stream | None:
        """The log of an instance (algo-1 ...); None if it has printed nothing, or its files are not here."""
        ...


class Nowhere:
    """A LogStore without logs."""

    def stream(self, job: Job, host: str) -> Stream | None:
        """None."""
        return None
