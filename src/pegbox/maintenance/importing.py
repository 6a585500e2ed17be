"""What others have kept, as jobs of a database: a study with all of its runs in one transaction, whole or not at all.

Names come from the source and are the same every time, so what is there already is known by its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pegbox.domain.parents import is_foreign
from pegbox.domain.range_request import parse_ranges
from pegbox.domain.searches import searches_of
from pegbox.errors import PegboxError
from pegbox.maintenance.archive import MaintenanceError
from pegbox.maintenance.progress import Progress
from pegbox.maintenance.transfer import Place
from pegbox.operations.transfer import child_row_of, properties_of, row_of, tuning_row_of
from pegbox.store import bulk
from pegbox.store.base import NotFound, Transaction, changing
from pegbox.store.resources import Kind, Resource
from pegbox.store.transaction import SqlTransaction

Record = Mapping[str, Any]

PART = 2000  #: jobs whose properties or documents are in memory at once
_SAME = 0.002  #: seconds by which two records of one creation may differ


@dataclass(frozen=True, slots=True)
class Brought:
    """What has become of a study or of some jobs."""

    added: int  #: training jobs
    known: int  #: were there already


def bring(
    place: Place, tuning: Record | None, jobs: Iterable[Record], progress: Progress, origin: str | None = None
) -> Brought:
    """Write a tuning job with its training jobs, or training jobs of nobody, as far as they are not there.

    Records are as Describe tells them; `origin`: what the tuning job was, if none.  Raises MaintenanceError.
    """
    parent = None if tuning is None else _read(tuning_row_of, tuning, place.account, place.region, origin)
    rows: list[Resource] = []
    for each in jobs:
        if parent is None:
            rows.append(_read(row_of, each, place.account, place.region))
        else:
            rows.append(_read(child_row_of, each, parent))
        progress.step()
    return changing(place.store, lambda tx: _write(tx, place, parent, rows))


def check_ranges(tuning: Record) -> str | None:
    """Why a tuning job could be nobody's parent; None if it can."""
    (search,) = searches_of(tuning)
    if not any(search.ranges.values()):
        return "none of the parameters of its runs has several values"
    try:
        parse_ranges(search.ranges, search.static)
    except PegboxError as error:
        return error.message
    return None


def names(place: Place, kind: Kind, wanted: Sequence[str]) -> dict[str, float]:
    """Which of these names there are, in lower case, each with the time of creation (epoch seconds)."""
    known: dict[str, float] = {}
    for first in range(0, len(wanted), PART):
        with place.store.reading() as tx:
            assert isinstance(tx, SqlTransaction)
            found = bulk.named(tx.connection, place.account, place.region, kind, wanted[first : first + PART])
        known |= {name: row.created_at for name, row in found.items()}
    return known


def is_same(one: float, other: float) -> bool:
    """Whether two times of creation are those of one job."""
    return abs(one - other) < _SAME


def _read(make: Any, record: Record, *more: Any) -> Resource:
    try:
        row: Resource = make(record, *more)
    except PegboxError as error:
        name = record.get("TrainingJobName") or record.get("HyperParameterTuningJobName")
        raise MaintenanceError(f"{name} cannot be imported: {error.message}") from None
    return row


def _write(tx: Transaction, place: Place, parent: Resource | None, rows: Sequence[Resource]) -> Brought:
    assert isinstance(tx, SqlTransaction)
    tx.alone()
    named = {row.name.lower(): row for row in rows}
    there = bulk.named(tx.connection, place.account, place.region, Kind.TRAINING_JOB, named)
    for key, before in there.items():
        if not is_same(before.created_at, named[key].created_at):
            raise MaintenanceError(f"there is another training job named {before.name} already")
    new: Sequence[Resource]
    if parent is None:
        new = [row for key, row in named.items() if key not in there]
    else:
        new = _children(tx, parent, named, there)
    for first in range(0, len(new), PART):
        bulk.add(tx.connection, [(row, properties_of(row)) for row in new[first : first + PART]])
    return Brought(len(named) - len(there), len(there))


def _children(
    tx: Transaction, parent: Resource, named: Mapping[str, Resource], there: Mapping[str, Resource]
) -> Sequence[Resource]:
    """The training jobs that are to be written; the tuning job is, if there are any."""
    before = _found(tx, parent)
    kept = {key for key, row in there.items() if before and row.parent_id == before.id and _alike(before, parent)}
    new = [(there.get(key), row) for key, row in named.items() if key not in kept]
    if not new:
        return []
    for old, _ in new:
        if old is not None:  # a job of nobody so far, or of ranges that have changed
            tx.delete(old.id)
    parent = tx.insert(parent) if before is None else _renewed(tx, before, parent)
    first = max((child.number for child in tx.children(parent.id)), default=0) + 1
    return [
        replace(_with_tags_of(old, row), parent_id=parent.id, number=number)
        for number, (old, row) in enumerate(new, first)
    ]


def _found(tx: Transaction, parent: Resource) -> Resource | None:
    """The tuning job of the name, if there is one.  Raises MaintenanceError if it is another one."""
    try:
        before = tx.get(parent.account, parent.region, parent.kind, parent.name)
    except NotFound:
        return None
    if is_foreign(before.document) != is_foreign(parent.document):
        raise MaintenanceError(f"there is another tuning job named {before.name} already")
    then, now = (searches_of(each.document)[0].objective for each in (before, parent))
    if then != now:
        told = f"{then['MetricName']}, {then['Type']}" if then else "none"
        raise MaintenanceError(
            f"the tuning job {before.name} is there with another objective, {told}: delete it first; "
            "its training jobs stay, and become those of the new one"
        )
    return before


def _alike(one: Resource, other: Resource) -> bool:
    """Whether the same hyperparameters have ranges."""
    return _tuned(one) == _tuned(other)


def _tuned(tuning: Resource) -> set[str]:
    ranges = searches_of(tuning.document)[0].ranges
    return {each["Name"] for found in ranges.values() for each in found}


def _with_tags_of(before: Resource | None, row: Resource) -> Resource:
    """A job that is written anew, with the tags that it has had."""
    return row if before is None else replace(row, document={**row.document, "Tags": before.document.get("Tags") or []})


def _renewed(tx: Transaction, before: Resource, now: Resource) -> Resource:
    """The tuning job as it is with the training jobs that are added."""
    document = {**now.document, "Tags": before.document.get("Tags") or []}
    return tx.rewrite(
        tx.save(replace(now, id=before.id, version=before.version, epoch=before.epoch, document=document))
    )
