"""Training jobs from a file of JSON lines into a database, and the other way.

Jobs are written in batches, each whole or not at all.  A job that is there already as the file has it is passed over,
so the same command goes on where it was interrupted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from pegbox.domain.properties import Property
from pegbox.errors import PegboxError
from pegbox.maintenance.archive import MaintenanceError
from pegbox.maintenance.progress import Progress
from pegbox.operations.transfer import properties_of, record_of, row_of
from pegbox.store import bulk
from pegbox.store.base import Transaction, changing
from pegbox.store.resources import Kind, Resource
from pegbox.store.sql import SqlStore
from pegbox.store.transaction import SqlTransaction

#: jobs in one transaction: where a server runs, so few that it waits 0.2 s to write; SQLite writes less with more
AMONG_OTHERS, ALONE = 500, 20_000
SILENCE = 60.0  #: seconds after which a server counts as none
PAGE = 1000  #: jobs that are read at once


@dataclass(frozen=True, slots=True)
class Place:
    """Where jobs are to be, or are."""

    store: SqlStore
    account: str
    region: str

    def analyze(self) -> None:
        """Tell the database what there is much of, after the first part of it and after the last."""
        if self.store.engine.dialect.name == "postgresql":
            with self.store.transaction() as tx:
                bulk.analyze(tx.connection)


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many jobs of a file are there now."""

    added: int = 0
    known: int = 0  #: were there as the file has them
    skipped: int = 0  #: there are others of their names


@dataclass(frozen=True, slots=True)
class Line:
    """A job of a file."""

    number: int
    row: Resource
    properties: Collection[Property]


def load(
    place: Place, name: str, lines: Iterable[bytes], progress: Progress, *, skip: bool = False, batch: int | None = None
) -> Loaded:
    """Write the jobs of a file called `name`.  `skip`: pass over those whose names others have.

    Raises MaintenanceError that names the first line which cannot be loaded; the batches before it are loaded.
    """
    done, before = Loaded(), 0
    numbered = enumerate(lines, 1)
    while some := list(islice(numbered, batch or _batch(place.store))):
        try:
            found = _read(place, some)
            added, known, skipped = changing(place.store, lambda tx: _add(tx, place, found, skip))  # noqa: B023
        except _Unusable as fault:
            kept = f"; the lines before line {before + 1:,} are loaded" if before else ""
            told = str(fault).removesuffix(".")
            raise MaintenanceError(
                f"{name}:{fault.number}: {told}{kept}. Once that is mended the same command goes on"
            ) from None
        if not before:
            place.analyze()
        done = Loaded(done.added + added, done.known + known, done.skipped + skipped)
        before = some[-1][0]
        progress.step(size=sum(len(text) for _, text in some), count=len(some))
    return done


def dump(place: Place, write: Callable[[bytes], object], progress: Progress) -> int:
    """Write every training job that has ended, a line each; returns how many."""
    last, count = 0, 0
    while True:
        with place.store.reading() as tx:
            page = bulk.ended(tx.connection, place.account, place.region, Kind.TRAINING_JOB, last, PAGE)
        if not page:
            return count
        for row in page:
            write(json.dumps(record_of(row), ensure_ascii=False).encode() + b"\n")
        last, count = page[-1].id, count + len(page)
        progress.step(count=len(page))


def _batch(store: SqlStore) -> int:
    """On PostgreSQL small batches are as quick as large ones."""
    is_alone = store.engine.dialect.name == "sqlite" and not store.census.has_servers(SILENCE)
    return ALONE if is_alone else AMONG_OTHERS


class _Unusable(Exception):
    """A line cannot be loaded."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


def _read(place: Place, lines: Sequence[tuple[int, bytes]]) -> Mapping[str, Line]:
    """The jobs by their names in lower case.  Raises _Unusable."""
    found: dict[str, Line] = {}
    for number, text in lines:
        if not text.strip():
            continue
        try:
            row = row_of(json.loads(text), place.account, place.region)
        except PegboxError as error:
            raise _Unusable(number, error.message) from None
        except (ValueError, RecursionError) as error:
            raise _Unusable(number, f"this is no JSON: {error}") from None
        other = found.setdefault(row.name.lower(), Line(number, row, properties_of(row)))
        if not _is_same(other.row, row):
            raise _Unusable(number, f"line {other.number} has another training job named [{row.name}]")
    return found


def _add(tx: Transaction, place: Place, lines: Mapping[str, Line], skip: bool) -> tuple[int, int, int]:
    """Write those that are not there; returns how many that were, how many are there, and other ones."""
    assert isinstance(tx, SqlTransaction)
    there = bulk.named(tx.connection, place.account, place.region, Kind.TRAINING_JOB, lines)
    others = [line for key, line in lines.items() if key in there and not _is_same(there[key], line.row)]
    if others and not skip:
        named = others[0].row.name
        raise _Unusable(
            others[0].number, f"there is another training job named [{named}] already: --existing skip passes over such"
        )
    new = [(line.row, line.properties) for key, line in lines.items() if key not in there]
    if new:
        bulk.add(tx.connection, new)
    return len(new), len(there) - len(others), len(others)


def _is_same(one: Resource, other: Resource) -> bool:
    return one is other or record_of(one) == record_of(other)
