"""Log groups and streams: which training jobs they are, and how places in them are written down.

There is one group.  A stream is an instance of a training job: `<job>/algo-1-<when the job was created>`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from pegbox.domain.training import TrainingJob
from pegbox.errors import InvalidParameter, LogsNotFound
from pegbox.logs.base import Job, Place, Stream
from pegbox.operations.call import Call
from pegbox.store.base import NotFound
from pegbox.store.queries import Query
from pegbox.store.resources import Kind, Resource

GROUP = "/aws/sagemaker/TrainingJobs"
MANY = 100  #: training jobs that are read at a time
_STREAM = re.compile(r"(?P<job>[^/]+)/(?P<host>algo-[1-9][0-9]{0,3})-(?P<created>[0-9]{1,12})")
_TOKEN = re.compile(r"(?P<way>[fb])/(?P<attempt>[0-9]{1,6})-(?P<offset>[0-9]{1,15})-(?P<mark>[0-9a-f]{16})")


@dataclass(frozen=True, slots=True)
class Known:
    """A stream and the training job that it is of."""

    row: Resource
    host: str
    stream: Stream

    @property
    def name(self) -> str:
        """The logStreamName."""
        return stream_name(self.row, self.host)


def stream_name(row: Resource, host: str) -> str:
    """The same for all attempts."""
    return f"{row.name}/{host}-{int(row.created_at)}"


def group_arn(call: Call) -> str:
    """Of the one group."""
    return f"arn:aws:logs:{call.region}:{call.account}:log-group:{GROUP}"


def first_job(call: Call) -> Resource | None:
    """The oldest training job, deleted or not: the group is there since then."""
    with call.store.reading() as tx:
        found = tx.select(_query(call, sort_by="created_at"), None, 1).resources
    return found[0] if found else None


def check_group(request: Mapping[str, Any], call: Call) -> None:
    """Raise unless the request names the one group, and it is there."""
    name, identifier = request.get("logGroupName"), request.get("logGroupIdentifier")
    if bool(name) == bool(identifier):
        raise InvalidParameter("Give exactly one of logGroupName and logGroupIdentifier.")
    named = name or str(identifier).removesuffix(":*")
    if named not in (GROUP, group_arn(call)) or first_job(call) is None:
        raise LogsNotFound("The specified log group does not exist.")


def find(name: str, call: Call) -> Known:
    """The stream of this name.  Raises LogsNotFound."""
    if found := _STREAM.fullmatch(name):
        for row in _jobs(found["job"], call):
            if stream_name(row, found["host"]) == name and found["host"] in hosts(row):
                stream = call.logs.stream(log_job(row), found["host"])
                if stream is not None:
                    return Known(row, found["host"], stream)
    raise LogsNotFound("The specified log stream does not exist.")


def of_job(row: Resource, call: Call) -> Iterator[Known]:
    """All streams of a training job, by their names."""
    job = log_job(row)
    for host in hosts(row):
        stream = call.logs.stream(job, host)
        if stream is not None:
            yield Known(row, host, stream)


def hosts(row: Resource) -> list[str]:
    """The instances of a training job, in the order of their names."""
    count = row.document["ResourceConfig"]["InstanceCount"]
    return sorted(f"algo-{number}" for number in range(1, count + 1))


def log_job(row: Resource) -> Job:
    """A training job as the log store knows it."""
    job = TrainingJob.parse(row.state)
    return Job(
        id=row.id,
        arn=row.arn,
        home=job.home or "",
        attempt=job.attempt,
        is_over=job.outcome is not None,
    )


def jobs(call: Call, prefix: str | None, **wanted: Any) -> Iterator[Resource]:
    """The training jobs whose streams may have names with this prefix."""
    for _, rows in batches(call, prefix, None, **wanted):
        yield from rows


def batches(
    call: Call, prefix: str | None, after: tuple[Any, int] | None, **wanted: Any
) -> Iterator[tuple[tuple[Any, int] | None, Sequence[Resource]]]:
    """The same, some at a time, each time with the place that they follow; `after`: the place to begin at."""
    if prefix and "/" in prefix:
        rows = _jobs(prefix.partition("/")[0], call)
        yield None, sorted(rows, key=attrgetter("created_at", "id"), reverse=bool(wanted.get("descending")))
        return
    query = _query(call, name_contains=prefix, **wanted)
    while True:
        with call.store.reading() as tx:
            page = tx.select(query, after, MANY)
        yield after, [row for row in page.resources if row.name.startswith(prefix or "")]
        after = page.after
        if after is None:
            return


def token_of(way: str, place: Place, known: Known) -> str:
    """nextForwardToken (f) or nextBackwardToken (b): the same for the same place."""
    return f"{way}/{place.attempt}-{place.offset}-{_mark(known.name)}"


def place_of(token: str, known: Known) -> tuple[str, Place]:
    """The way and the place of such a token.  Raises InvalidParameter for one of another stream."""
    found = _TOKEN.fullmatch(token)
    if found is None or found["mark"] != _mark(known.name):
        raise InvalidParameter("The specified nextToken is invalid.")
    return found["way"], Place(int(found["attempt"]), int(found["offset"]))


def pack(mark: Any, values: Sequence[Any]) -> str:
    """A nextToken that belongs to requests with this mark."""
    return base64.urlsafe_b64encode(json.dumps([_mark(repr(mark)), *values]).encode()).decode()


def unpack(token: str, mark: Any, *fits: Callable[[Any], bool]) -> Sequence[Any]:
    """What was packed, as many values as there are tests for them.  Raises InvalidParameter for another token."""
    try:
        found, *values = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (ValueError, TypeError, RecursionError):
        found, values = "", []
    tested = len(values) == len(fits) and all(test(value) for test, value in zip(fits, values, strict=True))
    if found != _mark(repr(mark)) or not tested:
        raise InvalidParameter("The specified nextToken is invalid.")
    return list(values)


def is_count(value: Any) -> bool:
    """Whether it is a number that a database takes for an id."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def is_place(by_time: bool) -> Callable[[Any], bool]:
    """A test for a place in a list of jobs, none or [time or name, id]: a database may be asked for what follows it."""

    def test(value: Any) -> bool:
        if value is None:
            return True
        if not (isinstance(value, list) and len(value) == 2 and is_count(value[1])):
            return False
        if by_time:
            return is_count(value[0]) or (isinstance(value[0], float) and math.isfinite(value[0]))
        return isinstance(value[0], str) and value[0].isascii() and value[0].isprintable()

    return test


def _jobs(name: str, call: Call) -> Iterator[Resource]:
    """The one of a name, then those of the name that were deleted."""
    with suppress(NotFound):
        with call.store.reading() as tx:
            row = tx.get(call.account, call.region, Kind.TRAINING_JOB, name)
        if row.name == name:
            yield row
    gone = replace(_query(call, sort_by="created_at", name_contains=f"{name}/"), kind=Kind.DELETED_JOB)
    after = None
    while True:
        with call.store.reading() as tx:
            page = tx.select(gone, after, MANY)
        yield from (row for row in page.resources if row.name == name)
        after = page.after
        if after is None:
            return


def _query(call: Call, **wanted: Any) -> Query:
    return Query(account=call.account, region=call.region, kind=Kind.TRAINING_JOB, with_deleted=True, **wanted)


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
