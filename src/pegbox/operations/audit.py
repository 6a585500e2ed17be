"""Which training jobs have read an object, or what lies in a folder: what SageMaker has no operation for."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from pegbox.domain.readings import (
    LISTS,
    Dataset,
    Part,
    Question,
    Reader,
    Readers,
    Reading,
    ReadObject,
    Relation,
    Source,
    covers,
    is_at,
    plain,
)
from pegbox.errors import ServiceUnavailable, ValidationException
from pegbox.naming import arn
from pegbox.objects.locations import parse
from pegbox.operations.call import Call
from pegbox.operations.indexing import catch_up
from pegbox.store.base import Transaction
from pegbox.store.resources import Kind, Resource
from pegbox.wire.registry import operation_of

DEFAULT_SIZE = 100
SECONDS = 5.0  #: that an audit spends on what was written and is not indexed yet
BUSY = "Training jobs are still being indexed. Please try your request again."
BATCH = 200  #: rows that are read at once
NEWEST = 2**63 - 1  #: larger than the id of any job
USED, OTHER_VERSION, PARENT, NOT_USED = "Used", "OtherVersion", "ParentPrefix", "NotUsed"
NO_BUCKET = "NoSuchBucket"  #: as NOT_USED, and it may be another one that was meant


@operation_of("pegbox")
def audit_dataset(request: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Which training jobs have read an object, or what lies in a folder, in which versions; also jobs that are gone."""
    question = _question(request, call)
    limit = request.get("MaxResults") or DEFAULT_SIZE
    after, below = _place(request.get("NextToken"), question)
    answer: dict[str, Any] = {"Readers": [], "Datasets": []}
    if below is None:
        if not catch_up(call.store, Kind.TRAINING_JOB, SECONDS):
            raise ServiceUnavailable(BUSY)  # "not used" might not be true
        page = call.store.audit.readers(question, after, limit)
        answer = _told(page, question) | (_answer(page) if after is None else {})
        if not page.is_last:
            return answer | {"NextToken": _token(question, list(page.readers[-1].place), None)}
        below = NEWEST
    entries, below = _silent(question, below, limit - len(answer["Readers"]), call)
    answer["Readers"] += entries
    if answer.get("Answer") == NOT_USED and (entries or _is_nowhere(request, call)):
        answer["Answer"] = PARENT if entries else NO_BUCKET
    return answer if below is None else answer | {"NextToken": _token(question, None, below)}


def _question(request: Mapping[str, Any], call: Call) -> Question:
    try:
        location = plain(str(parse(request["S3Uri"])))
    except ValueError as error:
        raise ValidationException(f"S3Uri: {error}.") from None
    etag = request.get("ETag")
    return Question(
        account=call.account,
        region=call.region,
        location=location,
        etag=None if etag is None else plain(etag.strip('"')),
    )


def _is_nowhere(request: Mapping[str, Any], call: Call) -> bool:
    """Whether it is known that there is no such bucket."""
    bucket = parse(request["S3Uri"]).bucket
    return bool(bucket) and call.has_bucket(bucket) is False


def _answer(page: Readers) -> dict[str, Any]:
    counts = page.counts
    if counts[Relation.USED]:
        answer = USED
    elif counts[Relation.OTHER_VERSION]:
        answer = OTHER_VERSION
    else:
        answer = PARENT if any(counts.values()) else NOT_USED
    return {
        "Answer": answer,
        "JobCount": page.jobs,
        "ReadingCounts": {relation.value: count for relation, count in counts.items() if count},
    }


def _told(page: Readers, question: Question) -> dict[str, Any]:
    return {
        "Readers": [_reader(each, page.parts[each.dataset], question) for each in page.readers],
        "Datasets": [
            {"DatasetId": identity, "ObjectCount": part.count, "Objects": [_object(each) for each in part.objects]}
            for identity, part in page.parts.items()
        ],
    }


def _reader(reader: Reader, part: Part, question: Question) -> dict[str, Any]:
    return {
        **_job(reader.job, reader.created_at, question),
        "IsGone": reader.is_gone,
        "Attempt": reader.attempt,
        "ChannelName": reader.channel,
        "ReadTime": reader.read_at,
        "Relation": reader.relation.value,
        "S3Uri": part.place,
        "Source": part.source,
        "DatasetId": reader.dataset,
    }


def _job(name: str, created: float, question: Question) -> dict[str, Any]:
    own = arn(Kind.TRAINING_JOB, name, account=question.account, region=question.region)
    return {"TrainingJobName": name, "TrainingJobArn": own, "CreationTime": created}


def _object(found: ReadObject) -> dict[str, Any]:
    instance = f"algo-{found.instance}" if found.instance else None
    return {"S3Uri": found.location, "ETag": found.etag, "Size": found.size, "Instance": instance}


def _silent(question: Question, below: int, most: int, call: Call) -> tuple[list[dict[str, Any]], int | None]:
    """So many channels, or a few more, of jobs that have told nothing, and the id before which there may be others."""
    entries: list[dict[str, Any]] = []
    while rows := call.store.audit.silent(question, below, BATCH):
        for row in rows:
            if len(entries) >= most:
                return entries, below
            entries += _of_job(row, question)
            below = row.id
    return entries, None


def remember(tx: Transaction, row: Resource) -> None:
    """Write down what places a job named that is about to be deleted, if nobody knows what it read in them."""
    if _relation(row) is Relation.NOT_RECORDED and not tx.deleted.has_readings(row):
        channels = [
            Reading(channel=name, dataset=Dataset(place=place, source=Source(kind), objects=None))
            for name, place, kind in _places(row)
        ]
        tx.add_readings(row, max(1, row.state.get("attempt") or 1), channels)


def _places(row: Resource) -> Iterator[tuple[str, str, str]]:
    """Of each channel its name, its S3Uri and S3DataType."""
    for channel in row.document.get("InputDataConfig") or ():
        source = channel["DataSource"].get("S3DataSource")
        if source is not None:  # else a file system, of a job that has run elsewhere
            yield channel["ChannelName"], _location(source["S3Uri"]), source["S3DataType"]


def _of_job(row: Resource, question: Question) -> Iterator[dict[str, Any]]:
    relation = _relation(row)
    for name, place, kind in _places(row) if relation else ():
        may_be = kind in LISTS or covers(place, kind, question.location) or is_at(place, question.location)
        if may_be:
            yield {
                **_job(row.name, row.created_at, question),
                "IsGone": False,
                "ChannelName": name,
                "Relation": relation,
                "S3Uri": place,
                "Source": kind,
            }


def _location(uri: str) -> str:
    try:
        return plain(str(parse(uri)))
    except ValueError:  # of a job that has run elsewhere
        return plain(uri)


def _relation(row: Resource) -> Relation | None:
    """What a job says of which no reading is known; None for one that ended before it read anything."""
    passed = [each["Status"] for each in row.state.get("transitions") or ()]
    if "Training" in passed or (row.ended_at is not None and not passed):  # the latter has run elsewhere
        return Relation.NOT_RECORDED
    return Relation.NOT_YET if row.ended_at is None else None


def _token(question: Question, after: list[Any] | None, below: int | None) -> str:
    return base64.urlsafe_b64encode(json.dumps([_mark(question), after, below]).encode()).decode()


def _place(token: str | None, question: Question) -> tuple[list[Any] | None, int | None]:
    """Where a page begins: after a reading, or below the id of a job."""
    if token is None:
        return None, None
    try:
        mark, after, below = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        fits = mark == _mark(question) and (_is_reading(after) if below is None else _is_id(below) and after is None)
    except (ValueError, TypeError, RecursionError):
        fits = False
    if not fits:
        raise ValidationException("NextToken is not valid, or belongs to a request for another S3Uri or ETag.")
    return after, below


def _is_id(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_reading(value: Any) -> bool:
    job, created, attempt, channel = value
    is_time = isinstance(created, float) and math.isfinite(created)
    return (
        _is_id(job)
        and is_time
        and _is_id(attempt)
        and attempt < 2**31
        and isinstance(channel, str)
        and channel == plain(channel)
    )


def _mark(question: Question) -> str:
    bound = (question.account, question.region, question.location, question.etag)
    return hashlib.sha256(repr(bound).encode()).hexdigest()[:16]
