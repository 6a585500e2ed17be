"""Writing down what jobs read.

Datasets are named by their digests: whoever writes one that is there already writes the same rows, so all of it may be
done again, and by several servers at once.  A reading is written with the step of its job that it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from pegbox.domain.readings import MOST_PREFIX, Dataset, Reading, ReadObject
from pegbox.store import schema
from pegbox.store.prepared import Prepared, unless_there
from pegbox.store.resources import Resource

_sets, _objects = schema.dataset.c, schema.dataset_object.c
# Held until the end of the transaction: nobody removes meanwhile what is about to be read.
_named = [_sets[name] == bindparam(name) for name in ("account", "region", "digest")]
_by_digest = Prepared(select(_sets.id, _sets.is_whole).where(*_named).with_for_update(read=True, key_share=True))
_whole = Prepared(select(_sets.id).where(*_named, _sets.is_whole == 1))
_add = unless_there(schema.dataset)
_add_objects = unless_there(schema.dataset_object)
_add_reading = unless_there(schema.reading)
_written = Prepared(select(func.count()).where(_objects.dataset_id == bindparam("dataset")))
_finish = Prepared(update(schema.dataset).where(_sets.id == bindparam("dataset")).values(is_whole=1))


def is_known(connection: Connection, resource: Resource, dataset: Dataset) -> bool:
    """Whether all of a dataset is written down."""
    return _whole.first(connection, _name(resource, dataset)) is not None


def begin(connection: Connection, resource: Resource, dataset: Dataset, start: int, stop: int) -> None:
    """Write some objects of a large dataset beforehand."""
    identity, is_whole = _found(connection, resource, dataset)
    if not is_whole:
        _write(connection, identity, dataset.objects or (), start, stop)


def add(connection: Connection, resource: Resource, attempt: int, readings: Sequence[Reading]) -> None:
    """Write what an attempt at a job read, and of its datasets what is not there yet."""
    rows = [
        {
            "job_id": resource.id,
            "created_at": resource.created_at,
            "attempt": attempt,
            "channel": reading.channel,
            "name": resource.name,
            "read_at": resource.modified_at,
            "dataset_id": _complete(connection, resource, reading.dataset),
        }
        for reading in sorted(readings, key=lambda each: each.dataset.digest)  # all servers lock in one order
    ]
    _add_reading[connection.dialect.name].change_each(connection, rows)


def split(location: str) -> tuple[str, str]:
    """What of a location is in an index, and what is not."""
    return location[:MOST_PREFIX], location[MOST_PREFIX:]


def _complete(connection: Connection, resource: Resource, dataset: Dataset) -> int:
    identity, is_whole = _found(connection, resource, dataset)
    if is_whole:
        return identity
    objects = dataset.objects or ()
    if _written.rows(connection, {"dataset": identity})[0][0] < len(objects):
        _write(connection, identity, objects, 0, len(objects))
    _finish.change(connection, {"dataset": identity})
    return identity


def _name(resource: Resource, dataset: Dataset) -> dict[str, str]:
    return {"account": resource.account, "region": resource.region, "digest": dataset.digest}


def _found(connection: Connection, resource: Resource, dataset: Dataset) -> tuple[int, bool]:
    given = _name(resource, dataset)
    row = _by_digest.first(connection, given)
    while row is None:  # whoever has made it may remove it again before we have it
        _add[connection.dialect.name].change(connection, {**given, **_columns(dataset)})
        row = _by_digest.first(connection, given)
    return row[0], bool(row[1])


def _columns(dataset: Dataset) -> Mapping[str, Any]:
    place, rest = split(dataset.place)
    return {
        "place": place,
        "place_rest": rest,
        "source": dataset.source.value,
        "objects": None if dataset.objects is None else len(dataset.objects),
        "is_whole": 0,
    }


def _write(connection: Connection, identity: int, objects: Sequence[ReadObject], start: int, stop: int) -> None:
    rows = list(_object_columns(identity, objects, start, stop))
    _add_objects[connection.dialect.name].change_each(connection, rows)


def _object_columns(identity: int, objects: Sequence[ReadObject], start: int, stop: int) -> Iterator[Mapping[str, Any]]:
    for nth in range(start, min(stop, len(objects))):
        location, etag, size, instance = objects[nth]
        begin, rest = split(location)
        yield {
            "dataset_id": identity,
            "nth": nth,
            "location": begin,
            "rest": rest,
            "etag": etag,
            "size": size,
            "instance": instance,
        }
