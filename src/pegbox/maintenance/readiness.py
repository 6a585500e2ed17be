"""What requests would otherwise wait for after very many jobs were written: trial components, the index, lineage."""

from __future__ import annotations

import time
from contextlib import suppress

from pegbox.maintenance.progress import Progress
from pegbox.maintenance.transfer import Place
from pegbox.operations import indexing, tracing
from pegbox.operations.catalogs import KINDS
from pegbox.store.base import Stale
from pegbox.store.resources import Kind

BATCH = 200  #: resources that are indexed in one transaction: a server waits 0.2 s to write
#: training jobs first: components are made of them, and tuning jobs tell of them
_ORDER = sorted(KINDS.values(), key=lambda kind: kind is not Kind.TRAINING_JOB)


def make_ready(place: Place, progress: Progress) -> None:
    """Do all of it, as far as it is of what is there now.  It can be interrupted: servers and requests do the rest."""
    began = time.time()
    progress.begin("indexing for Search")
    for kind in _ORDER:
        while count := indexing.index_some(place.store, kind, BATCH, began):
            progress.step(count=count)
    progress.begin("reading lineage")
    done = 0
    while tracing.is_behind(place.store, place.account, place.region):
        with suppress(Stale):
            count = tracing.read_some(place.store, place.account, place.region)
            progress.step(count=count)
            if not done:
                place.analyze()
            done += count
    place.analyze()
