"""State: resources as documents, their metric points and lineage, and what jobs read.

Resources:    one row a resource: typed identity, status, times and lease beside the document as the API describes it.
Transactions: everything inside one `transaction()` is visible whole or not at all; `reading()` sees one moment.
Writers:      a change names the version it was made from; a stale one matches no row (Stale).  Work under a lease is
              also bound to the lease's epoch: whoever lost the lease writes nothing (Fenced).
Time:         leases and due times are compared by the database's clock, so servers need not agree on theirs.
Threads:      a Store may be used from many threads; a Transaction belongs to one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pegbox.domain.properties import Property
from pegbox.domain.readings import Dataset, Question, Readers, Reading
from pegbox.store.graph import Graph
from pegbox.store.queries import Found, Page, Query, Search
from pegbox.store.resources import Child, Kind, MetricPoint, Resource, Tally
from pegbox.store.tracking import Tracking

T = TypeVar("T")

MOST_SLOTS = 1 << 31  #: as good as no limit


class AlreadyExists(Exception):
    """A resource of this kind has the name, in whatever case; `existing` is its name as it was given."""

    def __init__(self, existing: str) -> None:
        super().__init__(existing)
        self.existing = existing


class NotFound(Exception):
    """No such resource in this account and region."""


class Unavailable(Exception):
    """The database does not answer, is full or stays locked: try again later.

    Nothing was changed, or it is not known whether: what was committed and then could not be brought to disk may last.
    """


class Full(Unavailable):
    """There is no room on the database's disk."""


class Damaged(Unavailable):
    """The database's file is damaged, or is no database at all."""


class Stale(Exception):
    """Somebody changed the resource since it was read."""


class Fenced(Stale):
    """The lease was lost: another server has the work now."""


@dataclass(frozen=True, slots=True)
class Beat:
    """What the database says to a sign of life."""

    at: float  #: its clock, epoch seconds
    since: float | None  #: seconds since the last one of the same host, by whichever server; None: there was none


class Transaction(Protocol):
    """One unit of reading and writing."""

    @property
    def graph(self) -> Graph:
        """What it knows of lineage."""
        ...

    @property
    def tracking(self) -> Tracking:
        """What is known of experiments."""
        ...

    @property
    def deleted(self) -> Deleted:
        """Training jobs that were deleted."""
        ...

    def insert(self, resource: Resource) -> Resource:
        """Add a resource; returns it with its id.  Raises AlreadyExists."""
        ...

    def get(self, account: str, region: str, kind: Kind, name: str) -> Resource:
        """Find by name, without regard to case.  Raises NotFound."""
        ...

    def by_id(self, identity: int) -> Resource:
        """Find by id.  Raises NotFound."""
        ...

    def live(self, account: str, region: str, kind: Kind) -> int:
        """How many resources of a kind have not ended; nobody else is told before the transaction is over."""
        ...

    def children(
        self, parent_id: int, above: int = 0, also: Collection[int] = (), *, running: bool = True
    ) -> Sequence[Child]:
        """The children whose number is greater than `above`, and those with the ids `also`, in launch order.

        Of the latter, without `running`, only those that have ended or are to stop.
        """
        ...

    def states(self, identities: Collection[int]) -> Mapping[int, Mapping[str, Any]]:
        """What the engine remembers of each of these resources."""
        ...

    def tally(self, parent_ids: Collection[int]) -> Mapping[int, Sequence[Tally]]:
        """The children of each parent, counted."""
        ...

    def best(self, parent_id: int, maximize: bool) -> Resource | None:
        """The child with the best objective that was not deleted; of equals the one created first."""
        ...

    def save(self, resource: Resource, *, leased: bool = False) -> Resource:
        """Write a changed resource, all but its document.

        Raises Stale, or Fenced when `leased` and the lease is no longer ours.
        """
        ...

    def rewrite(self, resource: Resource) -> Resource:
        """Write the document of a resource, and nothing else.  Raises Stale."""
        ...

    def has_unindexed(self, kind: Kind, before: float | None = None) -> bool:
        """Whether the properties of some resource are not known or may be old.

        `before`: only of those that were not changed since then (epoch seconds).
        """
        ...

    def unindexed(self, kind: Kind, limit: int, before: float | None = None) -> Sequence[Resource]:
        """Some of these resources, the newest first; nobody else indexes until the transaction ends."""
        ...

    def index(self, entries: Sequence[tuple[Resource, Collection[Property]]]) -> None:
        """Replace the properties of resources that `unindexed` has told; of their parents they are old from then on."""
        ...

    def search(self, search: Search) -> Found:
        """A page of what has the wanted properties, as far as they are indexed."""
        ...

    def property_names(self, account: str, region: str, kind: Kind) -> Sequence[tuple[str, int]]:
        """The names of all properties, each with the number of resources that have it."""
        ...

    def mark_due(self, identities: Collection[int]) -> None:
        """Let the engine look at these now."""
        ...

    def alone(self) -> None:
        """Let nobody else index or delete until the transaction ends; to be called before it has any row.

        Whoever indexes waits for rows, and would be waited for.
        """
        ...

    def delete(self, identity: int) -> None:
        """Remove a resource and its points; if the transaction has rows by then, it has called `alone` before."""
        ...

    def select(self, query: Query, after: tuple[Any, int] | None, limit: int) -> Page:
        """A page by keyset: nothing is lost or repeated when rows are inserted meanwhile."""
        ...

    def add_points(self, identity: int, points: Iterable[MetricPoint]) -> None:
        """Store points; those already there are left as they are."""
        ...

    def is_known(self, resource: Resource, dataset: Dataset) -> bool:
        """Whether somebody with the account of a job has read just this before: then all of it is written down."""
        ...

    def begin_dataset(self, resource: Resource, dataset: Dataset, start: int, stop: int) -> None:
        """Write down these of a large dataset's objects, before the job has read it; may be repeated."""
        ...

    def add_readings(self, resource: Resource, attempt: int, found: Sequence[Reading]) -> None:
        """Write down what an attempt at a job read, when the resource was modified; that stays when the job is gone.

        What is there already is left as it is.
        """
        ...

    def results(self, parent_id: int) -> Sequence[float]:
        """The final objectives of a parent's children, in the order in which they ended."""
        ...

    def curve(self, identity: int, metric: str, after: tuple[int, int] = (0, -1)) -> Sequence[tuple[int, int, float]]:
        """The values of a metric beyond the place `after`, as (attempt, offset, value), in this order."""
        ...


class Deleted(Protocol):
    """The part of a Transaction that is about training jobs which were deleted, of which others still know."""

    def retire(self, job: Resource) -> None:
        """Let a training job count as deleted.  Raises Stale."""
        ...

    def strip(self, identity: int) -> None:
        """Remove all that only the trial component of a deleted job was read from; of other rows nothing."""
        ...

    def latest(self, account: str, region: str, names: Iterable[str]) -> Mapping[str, Resource]:
        """Of each of these names the one that was deleted last, by the name in lower case."""
        ...

    def among(self, identities: Collection[int]) -> Collection[int]:
        """Those of these training jobs that were deleted."""
        ...

    def succeed(self, jobs: Sequence[Resource]) -> None:
        """New jobs take over the trial components, and users' associations, of deleted ones that had their names."""
        ...

    def has_readings(self, job: Resource) -> bool:
        """Whether it is known of a job what it has read."""
        ...


class OldRows(Protocol):
    """What of ended jobs is old."""

    def ended(self, before: float, among: Collection[int]) -> set[int]:
        """Those of the training jobs `among` that ended before a moment (epoch seconds)."""
        ...

    def with_points(self, before: float) -> int:
        """How many training jobs have metric points and ended, with their tuning jobs, before a moment."""
        ...

    def drop_points(self, before: float) -> int:
        """Remove the metric points of some of these jobs; returns of how many, 0 when none is left."""
        ...

    def with_readings(self, before: float) -> int:
        """How many jobs, there or gone, read something before a moment, and are not under way."""
        ...

    def drop_readings(self, before: float) -> int:
        """Remove what some of these jobs read then; returns of how many, 0 when none is left."""
        ...

    def drop_datasets(self) -> int:
        """Remove some datasets that no job has read, as far as is known, or objects of theirs; 0 if none is left."""
        ...


class AuditRows(Protocol):
    """What jobs read, also those that are gone."""

    def readers(self, question: Question, after: Sequence[Any] | None, limit: int) -> Readers:
        """A page of readings, the newest first, after the place of another; it ends early where objects are many."""
        ...

    def silent(self, question: Question, below: int | None, limit: int) -> Sequence[Resource]:
        """Training jobs that may name a place that has to do with the question, and of which no reading is known.

        The newest first, those with an id less than `below`.  They are found by what is indexed for Search.
        """
        ...


class Store(Protocol):
    """The database."""

    @property
    def audit(self) -> AuditRows:
        """Who has read what."""
        ...

    @property
    def old(self) -> OldRows:
        """What may be removed."""
        ...

    def transaction(self, lasting: bool = True) -> AbstractContextManager[Transaction]:
        """Read and write; commits at the end, rolls back on an exception.

        What is not `lasting` outlives this process, and may be undone by a power cut of the database's machine, with
        all that was not lasting since: only for steps that are done again when their record is missing.
        """
        ...

    def reading(self) -> AbstractContextManager[Transaction]:
        """Read only; never waits for writers."""
        ...

    def claim(
        self,
        owner: str,
        host: str,
        lease: float,
        limit: int,
        only: Collection[int] | None = None,
        without: Collection[int] = (),
        *,
        tuning_limit: int | None = None,
        slots: int = MOST_SLOTS,
        done: Collection[tuple[Resource, float | None]] = (),
        near: Collection[str] = (),
        silence: float = 60.0,
        everything: bool = True,
    ) -> Sequence[Resource]:
        """Let go of what is `done`; take due work, orphans first, and `only`, due or not; never `without`.

        Without `everything`, no more than `only` and training jobs that wait for a slot: to look for all that is due is
        to look at all that waits.
        What holds a slot of another host is left to the servers there, as long as the host has beaten within `silence`
        seconds; hosts in `near` are treated as our own.  Training jobs that wait for a slot are taken by age, as many
        as the host has left of its `slots`, and hold one from then on.
        `limit` counts training jobs, `tuning_limit` tuning jobs (None: as many).
        `done`: work and the seconds until the next look at it, None for never; see `release`.
        """
        ...

    def look_again(self, held: Sequence[Resource]) -> Sequence[Resource]:
        """Those that are still ours: the same object if nobody has changed it since, else the row as it is now.

        Who has marked it due meanwhile is answered by that.
        """
        ...

    def renew(self, owner: str, lease: float, identities: Collection[int]) -> None:
        """Hold the work for another `lease` seconds."""
        ...

    def release(self, resource: Resource, due_in: float | None) -> None:
        """Let go of the work; look again in `due_in` seconds, or never.  Does nothing when the lease was lost."""
        ...

    def confirm(self, resource: Resource) -> None:
        """Raise Fenced when the lease under which the resource was taken is no longer ours."""
        ...

    def owners(self) -> Sequence[str]:
        """Whoever holds a lease that has not run out."""
        ...

    def expire(self, owner: str) -> None:
        """End all leases of an owner that is known to be dead."""
        ...

    def beat(self, host: str) -> Beat:
        """Say that the host is alive."""
        ...

    def silent(self, seconds: float) -> Sequence[Resource]:
        """The training jobs that hold slots of hosts that have not beaten for so long, without their documents."""
        ...

    def pull_in(self, lease: float) -> None:
        """Bring back what a clock that was put back has left in the future: due times, leases and signs of life.

        All that is put off becomes due: an early look does no harm.  Leases of more than twice `lease` are cut to that:
        whoever holds one and lives renews it before.  May be done again, and by several servers for one step.
        """
        ...

    def now(self) -> float:
        """The database's clock, epoch seconds."""
        ...


def changing(store: Store, change: Callable[[Transaction], T]) -> T:
    """Read, change and write in one transaction, again from the beginning when somebody else was quicker."""
    while True:
        try:
            with store.transaction() as tx:
                return change(tx)
        except Stale:
            continue
