"""The events of many streams in the order of their times."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pegbox.domain import training
from pegbox.logs.base import Event
from pegbox.operations.call import Call
from pegbox.operations.log_streams import Known, find, jobs, of_job
from pegbox.store.resources import Resource

SETTLING = 100  #: milliseconds in which an older line of another instance may still be on its way to its file
SLACK = 60.0  #: seconds by which the clocks of two machines may differ


class Key(NamedTuple):
    """The place of an event among all."""

    at: int
    job: int
    host: int
    attempt: int
    offset: int


class Found(NamedTuple):
    """An event of a stream."""

    key: Key
    event: Event
    stream: str


def merged(request: Mapping[str, Any], call: Call, after: Key | None) -> Iterator[Found]:
    """What FilterLogEvents looks at, from behind a place on.  Files are read as far as events are taken.

    A job is looked at once the time has come at which it was created: so few are at once, however many there are.
    """
    begin = max(request.get("startTime") or 0, after.at if after else 0)
    end = request.get("endTime")
    waiting = iter(_streams(request, call, begin / 1000, end))
    heap: list[tuple[Found, Iterator[Found]]] = []
    known = next(waiting, None)
    while True:
        while known is not None and (not heap or int(known.row.created_at * 1000) <= heap[0][0].key.at):
            events = _events(known, begin, end, call, after)
            if (first := next(events, None)) is not None:
                heapq.heappush(heap, (first, events))
            known = next(waiting, None)
        if not heap:
            return
        found, events = heap[0]
        yield found
        following = next(events, None)
        if following is None:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, (following, events))


def _streams(request: Mapping[str, Any], call: Call, begin: float, end: int | None) -> Iterator[Known]:
    """The streams that are asked for, by the time when their jobs were created."""
    if names := request.get("logStreamNames"):
        yield from sorted((find(name, call) for name in set(names)), key=lambda known: known.row.created_at)
        return
    prefix = request.get("logStreamNamePrefix")
    for row in _jobs(call, prefix, begin, end):
        yield from (known for known in of_job(row, call) if known.name.startswith(prefix or ""))


def _jobs(call: Call, prefix: str | None, begin: float, end: int | None) -> Iterable[Resource]:
    """Those that may have printed something since `begin`: they have not ended, or have been changed since."""
    wanted: dict[str, Any] = {"sort_by": "created_at"}
    if end is not None:
        wanted["created_before"] = end / 1000 + SLACK
    if not begin or "/" in (prefix or ""):  # all, or one
        return jobs(call, prefix, **wanted)
    alive = set(training.MOVES) - training.TERMINAL
    living = [row for status in sorted(alive) for row in jobs(call, prefix, status=status, **wanted)]
    living.sort(key=_age)
    known = {row.id for row in living}
    changed = jobs(call, prefix, modified_after=begin - SLACK, **wanted)
    return heapq.merge(living, (row for row in changed if row.id not in known), key=_age)


def _age(row: Resource) -> tuple[float, int]:
    return row.created_at, row.id


def _events(known: Known, begin: int, end: int | None, call: Call, after: Key | None) -> Iterator[Found]:
    stream, host = known.stream, int(known.host.removeprefix("algo-"))
    if stream.is_growing:
        settled = int(call.clock() * 1000) - SETTLING
        end = settled if end is None else min(end, settled)
    for event in stream.forward(stream.since(begin)):
        if end is not None and event.at >= end:
            return
        key = Key(event.at, known.row.id, host, event.begin.attempt, event.begin.offset)
        if event.at >= begin and (after is None or key > after):
            yield Found(key, event, known.name)
