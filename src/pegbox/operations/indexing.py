"""Properties follow what is written: in the background, and before each search as far as it does not take long.

Whoever writes a job pays nothing for it.  What was written last is indexed first.
"""

from __future__ import annotations

import threading
import time

import structlog

from pegbox.domain.properties import Property
from pegbox.operations import automatic
from pegbox.operations.catalogs import KINDS, searched
from pegbox.operations.records import searchable
from pegbox.store.base import Store, Transaction, Unavailable
from pegbox.store.resources import JOBS, Kind, Resource

BATCH = 50  #: resources in one transaction
PERIOD = 1.0  #: seconds between two looks in the background
#: the same for what changes with each of many others: a tuning job is old whenever one of its training jobs was indexed
LONG_PERIODS = {Kind.TUNING_JOB: 10.0}
SETTLED = 5.0  #: seconds without a change after which the background indexes a job: those under way change often
PATIENCE = 5.0  #: seconds for which a thread waits for another one that indexes
SHARE = 0.1  #: of the time that the background may take while there is much to do

_RESOURCES = {kind: resource for resource, kind in KINDS.items()}

log = structlog.get_logger()

#: Several threads at once would have what is made of jobs indexed anew again and again, and on PostgreSQL wait for the
#: same rows in different orders.
_turn = threading.Lock()


def catch_up(store: Store, kind: Kind, seconds: float, before: float | None = None) -> bool:
    """Index resources of a kind for so many seconds; True when all are, or all that were not changed since `before`."""
    until = time.monotonic() + seconds
    while index_some(store, kind, before=before):
        if time.monotonic() > until:
            return False
    return True


def index_some(store: Store, kind: Kind, batch: int = BATCH, before: float | None = None) -> int:
    """Index a batch, of what was not changed since `before` if that is given; returns 0 when there was nothing to do.

    Else how many there were; those that nobody can read count together.
    """
    if not _is_something_old(store, kind, before):  # most looks find nothing: they need not wait for writers
        return 0
    is_mine = _turn.acquire(timeout=PATIENCE)
    try:
        if not _is_something_old(store, kind, before):  # others have done it meanwhile
            return 0
        return _index_some(store, kind, batch, before)
    finally:
        if is_mine:
            _turn.release()


def _is_something_old(store: Store, kind: Kind, before: float | None) -> bool:
    with store.reading() as tx:
        return tx.has_unindexed(kind, before)


def _index_some(store: Store, kind: Kind, batch: int, before: float | None) -> int:
    seen = automatic.prepare(store, kind, batch, before)
    with store.transaction(lasting=False) as tx:
        scopes = tx.tracking.scopes() if kind in JOBS else ()
        rows = tx.unindexed(kind, batch, before)
        # Where something is made of jobs, those that were not seen to wait for the next batch.
        ready = [row for row in rows if (row.account, row.region) not in scopes or (row.id, row.version) in seen]
        tx.index([(row, properties_of(row, tx)) for row in ready])
    return max(1, len(rows))


def keep_indexing(store: Store, stopping: threading.Event) -> None:
    """Index in the background until `stopping`."""
    pause = PERIOD
    looks = dict.fromkeys(KINDS.values(), 0.0)  # monotonic
    while not stopping.wait(pause):
        pause = PERIOD
        began = time.monotonic()
        try:
            settled = time.time() - SETTLED
            found = {kind: index_some(store, kind, before=settled) for kind, at in looks.items() if at <= began}
            looks |= {kind: began + LONG_PERIODS.get(kind, 0.0) for kind, count in found.items() if count < BATCH}
            if automatic.make_older(store) or any(count >= BATCH for count in found.values()):
                pause = min(PERIOD, (time.monotonic() - began) / SHARE)
        except Unavailable:  # the engine tells of it
            pause = PERIOD
        except Exception:
            log.exception("properties could not be indexed")


def properties_of(row: Resource, tx: Transaction) -> list[Property]:
    """What Search finds a resource by; of a row that is spoilt nothing: it is not to be in the way of all others."""
    try:
        return list(searched(_RESOURCES[row.kind]).catalog.properties(searchable(row, tx)))
    except (KeyError, TypeError, ValueError, AttributeError):
        log.exception("a row of the database cannot be indexed: see pegbox doctor", kind=row.kind, job=row.name)
        return []
