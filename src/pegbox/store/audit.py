"""Asking what jobs read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Engine, and_, func, or_, select, tuple_

from pegbox.domain import readings
from pegbox.domain.readings import MOST_PREFIX, Part, Question, Reader, Readers, ReadObject, Relation
from pegbox.store import connections, schema
from pegbox.store.dialects import one_of
from pegbox.store.index import MOST_INDEXED
from pegbox.store.prepared import made_once
from pegbox.store.readings import split
from pegbox.store.resources import Kind, Resource
from pegbox.store.rows import readable

_sets, _objects, _readings = schema.dataset.c, schema.dataset_object.c, schema.reading.c
_rows, _names, _values = schema.resource.c, schema.property_name.c, schema.prop.c
_key = (_readings.job_id, _readings.created_at, _readings.attempt, _readings.channel)
_same_job = and_(
    _readings.job_id == _rows.id,
    _readings.created_at == _rows.created_at,
    _rows.kind == Kind.TRAINING_JOB.value,  # and was not deleted
)
_URI, _TYPE = (f"InputDataConfig.DataSource.S3DataSource.{name}" for name in ("S3Uri", "S3DataType"))
_OTHERWISE = "https://"  #: another way to write a location, which is compared when it has been read
MOST_OF_DATASET = 1000  #: objects of a dataset, in a page
MOST_IN_PAGE = 20_000  #: objects
MANY = 5  #: pages' worth of readings, above which it is quicker to look at all readings from the newest on


class Audit:
    """Answers questions about what jobs read."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def readers(self, question: Question, after: Sequence[Any] | None, limit: int) -> Readers:
        """A page of readings, the newest first, after the place of another; it ends early where objects are many."""
        with connections.reading(self._engine) as connection, connections.unhurried(connection):
            relations, hits = _relations(connection, question)
            counts = _counts(connection, relations)
            is_dense = sum(counts.values()) > MANY * limit
            found = _page(connection, relations, after, limit + 1, is_dense)
            parts: dict[int, Part] = {}
            page: list[Reader] = []
            left = MOST_IN_PAGE
            for each in found[:limit]:
                if each.dataset not in parts:
                    part = _part(connection, question, each.dataset, hits)
                    left -= len(part.objects)
                    if page and left < 0:
                        break
                    parts[each.dataset] = part
                page.append(each)
            jobs = _jobs(connection, relations) if after is None else 0
        return Readers(readers=page, parts=parts, is_last=len(page) == len(found), counts=counts, jobs=jobs)

    def silent(self, question: Question, below: int | None, limit: int) -> Sequence[Resource]:
        """Training jobs that may name a place that has to do with the question, and of which no reading is known.

        The newest first, those with an id less than `below`.  They are found by what is indexed for Search.
        """
        with connections.reading(self._engine) as connection, connections.unhurried(connection):
            jobs = _naming(connection, question)
            is_read = select(_readings.job_id).where(_same_job).exists()
            earlier = [] if below is None else [_rows.id < below]
            wanted = select(schema.resource).where(
                one_of(_rows.id, "jobs", connection.dialect.name), ~is_read, *earlier
            )
            given = made_once(connection, {"jobs": sorted(jobs)})
            found = connection.execute(wanted.order_by(_rows.id.desc()).limit(limit), given).all() if jobs else []
            return list(readable(found))


def _relations(connection: Connection, question: Question) -> tuple[dict[int, Relation], dict[int, int]]:
    """What each dataset says that has to do with a question, and how many objects it has of those asked for."""
    hits = _hits(connection, question)
    found = dict.fromkeys(hits, Relation.USED)
    if question.etag is not None:
        others, hits = hits, _hits(connection, question, _objects.etag == question.etag)
        found = {each: Relation.USED if each in hits else Relation.OTHER_VERSION for each in others}
    for identity, place, rest, source, is_known in _around(connection, question):
        if identity in found:
            continue
        if not is_known:
            found[identity] = Relation.NOT_RECORDED
        elif readings.covers(place + rest, source, question.location):
            found[identity] = Relation.NOT_THERE
    return found, hits


def _hits(connection: Connection, question: Question, *conditions: ColumnElement[bool]) -> dict[int, int]:
    at = _at(_objects.location, _objects.rest, question)
    every = select(_objects.dataset_id, func.count().label("found")).where(at, *conditions)
    counted = every.group_by(_objects.dataset_id).subquery()
    wanted = select(_sets.id, counted.c.found).join(counted, counted.c.dataset_id == _sets.id).where(*_own(question))
    return {identity: count for identity, count in connection.execute(wanted)}


def _own(question: Question) -> Sequence[ColumnElement[bool]]:
    return _sets.account == question.account, _sets.region == question.region


def _around(connection: Connection, question: Question) -> Iterator[Sequence[Any]]:
    """Datasets whose places may cover what is asked for, and those of which nobody knows what they have."""
    is_known = and_(_sets.objects.is_not(None), _sets.is_whole == 1)
    columns = select(_sets.id, _sets.place, _sets.place_rest, _sets.source, is_known).where(*_own(question))
    above = made_once(connection, {"places": list(readings.above(question.location))})
    yield from connection.execute(columns.where(one_of(_sets.place, "places", connection.dialect.name)), above)
    anything = _sets.source.in_(sorted(readings.LISTS))  # can be in a manifest that nobody has
    inside = _at(_sets.place, _sets.place_rest, question)
    yield from connection.execute(columns.where(~is_known, or_(anything, inside)))


def _page(
    connection: Connection,
    relations: dict[int, Relation],
    after: Sequence[Any] | None,
    limit: int,
    is_dense: bool,
) -> list[Reader]:
    """Readings in their order: of many by looking at one after the other, of few by finding and sorting all."""
    if not relations:
        return []
    later = [] if after is None else [tuple_(*_key) < tuple_(*after)]
    wanted = (
        select(*_key, _readings.name, _readings.read_at, _readings.dataset_id, _rows.id)
        .select_from(schema.reading.outerjoin(schema.resource, _same_job))
        .where(_these(connection, is_indexed=not is_dense), *later)
        .order_by(*(column.desc() for column in _key))
        .limit(limit)
    )
    return [
        Reader(
            job=name,
            job_id=job_id,
            created_at=created_at,
            is_gone=row is None,
            attempt=attempt,
            channel=channel,
            read_at=read_at,
            dataset=dataset,
            relation=relations[dataset],
        )
        for job_id, created_at, attempt, channel, name, read_at, dataset, row in connection.execute(
            wanted, made_once(connection, {"datasets": sorted(relations)})
        )
    ]


def _these(connection: Connection, is_indexed: bool = True) -> ColumnElement[bool]:
    """The readings of these `datasets`, by the index of datasets or without it."""
    dataset = _readings.dataset_id if is_indexed else _readings.dataset_id + 0
    return one_of(dataset, "datasets", connection.dialect.name)


def _part(connection: Connection, question: Question, dataset: int, hits: dict[int, int]) -> Part:
    of_it = select(_sets.place, _sets.place_rest, _sets.source).where(_sets.id == dataset)
    place, rest, source = connection.execute(of_it).one()
    columns = (_objects.location, _objects.rest, _objects.etag, _objects.size, _objects.instance)
    at = _at(_objects.location, _objects.rest, question)
    wanted = select(*columns).where(_objects.dataset_id == dataset, at).order_by(_objects.nth).limit(MOST_OF_DATASET)
    if question.etag is not None and dataset in hits:
        wanted = wanted.where(_objects.etag == question.etag)
    objects = [ReadObject(begin + end, *version) for begin, end, *version in connection.execute(wanted)]
    return Part(place=place + rest, source=source, count=max(hits.get(dataset, 0), len(objects)), objects=objects)


def _counts(connection: Connection, relations: dict[int, Relation]) -> dict[Relation, int]:
    """How many readings there are of each relation."""
    counts = dict.fromkeys(Relation, 0)
    by_dataset = select(_readings.dataset_id, func.count()).where(_these(connection)).group_by(_readings.dataset_id)
    for dataset, count in connection.execute(by_dataset, made_once(connection, {"datasets": sorted(relations)})):
        counts[relations[dataset]] += count
    return counts


def _jobs(connection: Connection, relations: dict[int, Relation]) -> int:
    """How many jobs have used what is asked for."""
    used = [each for each, relation in relations.items() if relation is Relation.USED]
    jobs = select(_readings.job_id, _readings.created_at).where(_these(connection)).distinct().subquery()
    given = made_once(connection, {"datasets": sorted(used)})
    return int(connection.execute(select(func.count()).select_from(jobs), given).scalar_one())


def _naming(connection: Connection, question: Question) -> set[int]:
    """The training jobs one of whose channels may have to do with a question."""
    where = (_names.account == question.account, _names.region == question.region)
    names = select(_names.name, _names.id).where(
        *where, _names.kind == Kind.TRAINING_JOB.value, _names.name.in_((_URI, _TYPE))
    )
    numbers = {name: number for name, number in connection.execute(names)}
    above = made_once(connection, {"places": list(readings.above(question.location))})
    written = _values.txt
    asked: list[tuple[str, ColumnElement[bool], dict[str, Any]]] = [
        (_URI, one_of(written, "places", connection.dialect.name), above),
        (_URI, _below(written, readings.folder(question.location)[:MOST_INDEXED]), {}),
        (_URI, _below(written, _OTHERWISE), {}),
        (_TYPE, written.in_(sorted(readings.LISTS)), {}),
    ]
    found: set[int] = set()
    for name, condition, given in asked:
        if name in numbers:
            wanted = select(_values.resource_id).where(
                _values.name_id == numbers[name], _values.num.is_(None), condition
            )
            found.update(connection.execute(wanted, given).scalars())
    return found


def _at(begin: Column[Any], rest: Column[Any], question: Question) -> ColumnElement[bool]:
    """Whether a location, kept in two columns, is the one that is asked for, or lies in that folder."""
    low = readings.folder(question.location)
    if len(low) <= MOST_PREFIX:
        return or_(begin == question.location, _below(begin, low))
    head, tail = split(question.location)
    return and_(begin == head, or_(rest == tail, _below(rest, low[MOST_PREFIX:])))


def _below(column: Column[Any], prefix: str) -> ColumnElement[bool]:
    """Whether a text begins so."""
    return and_(column >= prefix, column < prefix[:-1] + chr(ord(prefix[-1]) + 1))
