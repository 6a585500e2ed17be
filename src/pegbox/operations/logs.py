"""Logs of training jobs (Amazon CloudWatch Logs), read from the files of the attempts that are on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

from pegbox.domain.filter_pattern import InvalidPattern, compiled
from pegbox.errors import InvalidParameter
from pegbox.logs.base import Event, Place
from pegbox.operations import log_streams as streams
from pegbox.operations.call import Call
from pegbox.operations.log_merge import Key, merged
from pegbox.operations.log_streams import GROUP, Known
from pegbox.store.resources import Resource
from pegbox.wire.registry import operation_of

MOST_STREAMS = 50  #: of a page, also when nobody says how many
MOST_EVENTS = 10_000
MOST_BYTES = 1 << 20  #: of the events of a page ...
OVERHEAD = 26  #: ... each of which counts for so many more
#: what the requests for all pages of FilterLogEvents have in common
SAME = ("logStreamNames", "logStreamNamePrefix", "startTime", "endTime", "filterPattern")
MOST_SEEN = 100_000  #: events that are looked at for a page of those that match


@operation_of("logs")
def describe_log_groups(request: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """The group of all training jobs, once there is one."""
    first = streams.first_job(call)
    if "nextToken" in request:
        raise InvalidParameter("The specified nextToken is invalid.")  # there is never a second page
    if first is None or not _is_meant(request, call):
        return {"logGroups": []}
    arn = streams.group_arn(call)
    group = {
        "logGroupName": GROUP,
        "creationTime": int(first.created_at * 1000),
        "metricFilterCount": 0,
        "arn": f"{arn}:*",
        "logGroupArn": arn,
        "logGroupClass": "STANDARD",
    }
    return {"logGroups": [group]}


@operation_of("logs")
def describe_log_streams(request: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """The streams of the group: one for each instance of a training job that has printed something."""
    streams.check_group(request, call)
    prefix, by_time = request.get("logStreamNamePrefix"), request.get("orderBy") == "LastEventTime"
    if prefix and by_time:
        raise InvalidParameter("Cannot order by LastEventTime with a logStreamNamePrefix.")
    descending, limit = bool(request.get("descending")), request.get("limit") or MOST_STREAMS
    mark, after, last = (prefix, by_time, descending), None, ""
    if "nextToken" in request:
        after, last = streams.unpack(request["nextToken"], mark, streams.is_place(by_time), _is_text)
    # A job's last event is near its creation: the order is that of the jobs.
    order = {"sort_by": "created_at" if by_time else "name", "descending": descending}
    found: list[dict[str, Any]] = []
    token = ""
    for before, rows in streams.batches(call, prefix, after, **order):
        for known in _behind(last, _all(rows, call, prefix or "")):
            if len(found) == limit:
                return {"logStreams": found, "nextToken": token}
            found.append(_description(known, call))
            token = streams.pack(mark, [before, known.name])
        last = ""
    return {"logStreams": found}


@operation_of("logs")
def get_log_events(request: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """The lines of a stream, page by page in both directions; the token of the end is good for what comes later."""
    streams.check_group(request, call)
    known = streams.find(request["logStreamName"], call)
    is_forward, place = _beginning(request, known)
    events, begin, end = (_forward if is_forward else _backward)(request, known, place)
    return {
        "events": [_told(event) for event in events],
        "nextForwardToken": streams.token_of("f", end, known),
        "nextBackwardToken": streams.token_of("b", begin, known),
    }


@operation_of("logs")
def filter_log_events(request: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """The lines of many streams in the order of their times, those that match a pattern."""
    streams.check_group(request, call)
    if request.get("logStreamNames") and request.get("logStreamNamePrefix"):
        raise InvalidParameter("Give logStreamNames or a logStreamNamePrefix, not both.")
    if request.get("startFromHead") is False:
        raise InvalidParameter("The latest events first (startFromHead false) is not supported: leave it out.")
    matches = _matcher(request.get("filterPattern") or "")
    mark = [request.get(name) for name in SAME]
    after = None
    if "nextToken" in request:
        after = Key(*streams.unpack(request["nextToken"], mark, *[streams.is_count] * len(Key._fields)))
    limit, size = request.get("limit") or MOST_EVENTS, 0
    found: list[dict[str, Any]] = []
    for seen, (key, event, name) in enumerate(merged(request, call, after)):
        weight = _weight(event) if matches(event.message) else 0
        if len(found) == limit or seen == MOST_SEEN or (found and weight and size + weight > MOST_BYTES):
            return {"events": found, "searchedLogStreams": [], "nextToken": streams.pack(mark, after or ())}
        if weight:
            found.append({"logStreamName": name, **_told(event), "eventId": _identity(key)})
            size += weight
        after = key
    return {"events": found, "searchedLogStreams": []}


def _is_meant(request: Mapping[str, Any], call: Call) -> bool:
    """Whether the one group is among those that are asked for."""
    identifiers = request.get("logGroupIdentifiers")
    return (
        GROUP.startswith(request.get("logGroupNamePrefix") or "")
        and (request.get("logGroupNamePattern") or "") in GROUP
        and request.get("logGroupClass", "STANDARD") == "STANDARD"
        and (not identifiers or bool({GROUP, streams.group_arn(call)} & {*identifiers}))
    )


def _all(rows: Sequence[Resource], call: Call, prefix: str) -> list[Known]:
    return [known for row in rows for known in streams.of_job(row, call) if known.name.startswith(prefix)]


def _behind(last: str, found: Sequence[Known]) -> Sequence[Known]:
    """Those that follow the last one of the page before, which may have gone.

    A job that was deleted and one that got its name in the same second have streams of one name.
    """
    names = [known.name for known in found]
    return found[len(names) - names[::-1].index(last) :] if last in names else found


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _description(known: Known, call: Call) -> dict[str, Any]:
    stream = known.stream
    first, last = next(stream.forward(Place(0, 0)), None), next(stream.backward(stream.end()), None)
    return {
        "logStreamName": known.name,
        "creationTime": first.at if first else int(known.row.created_at * 1000),
        "firstEventTimestamp": first.at if first else None,
        "lastEventTimestamp": last.at if last else None,
        "lastIngestionTime": last.at if last else None,
        "arn": f"{streams.group_arn(call)}:log-stream:{known.name}",
        "storedBytes": stream.size,
    }


def _beginning(request: Mapping[str, Any], known: Known) -> tuple[bool, Place]:
    """Whether to read forward, and from where on."""
    if token := request.get("nextToken"):
        way, place = streams.place_of(token, known)
        return way == "f", place
    if request.get("startFromHead"):
        return True, known.stream.since(request.get("startTime") or 0)
    end = request.get("endTime")
    return False, known.stream.end() if end is None else known.stream.since(end)


def _forward(request: Mapping[str, Any], known: Known, begin: Place) -> tuple[list[Event], Place, Place]:
    """The events of a page, and where they begin and end."""
    since, until = request.get("startTime") or 0, request.get("endTime")
    if since and (first := known.stream.since(since)) > begin:
        begin = first
    events = (event for event in known.stream.forward(begin) if event.at >= since)
    found = _page(request, takewhile(lambda event: until is None or event.at < until, events))
    return found, begin, found[-1].end if found else begin


def _backward(request: Mapping[str, Any], known: Known, end: Place) -> tuple[list[Event], Place, Place]:
    """The same for the last events before a place."""
    since, until = request.get("startTime") or 0, request.get("endTime")
    events = (event for event in known.stream.backward(end) if until is None or event.at < until)
    found = _page(request, takewhile(lambda event: event.at >= since, events))[::-1]
    return found, found[0].begin if found else end, end


def _page(request: Mapping[str, Any], events: Iterator[Event]) -> list[Event]:
    found: list[Event] = []
    size, limit = 0, request.get("limit") or MOST_EVENTS
    for event in events:
        size += _weight(event)
        if found and size > MOST_BYTES:
            break
        found.append(event)
        if len(found) == limit:
            break
    return found


def _weight(event: Event) -> int:
    return len(event.message.encode()) + OVERHEAD


def _told(event: Event) -> dict[str, Any]:
    return {"timestamp": event.at, "message": event.message, "ingestionTime": event.at}


def _identity(key: Key) -> str:
    """A number that no other event has."""
    return f"{key.at:013d}{key.job:012d}{key.host:04d}{key.attempt:04d}{key.offset:013d}"


def _matcher(pattern: str) -> Callable[[str], bool]:
    try:
        return compiled(pattern)
    except InvalidPattern as error:
        raise InvalidParameter(f"Invalid filter pattern: {error}.") from None
